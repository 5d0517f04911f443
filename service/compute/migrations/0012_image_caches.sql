-- +goose Up
-- Requests that the hosts of an aggregate cache images. aggregate, images and tally are JSON.
CREATE TABLE image_caches (
  id VARCHAR(36) NOT NULL PRIMARY KEY,
  aggregate BIGTEXT NOT NULL,
  images BIGTEXT NOT NULL,
  tally BIGTEXT NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  total BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
-- The hosts that have not answered such a request yet. ordered_at is 0 until it is a host's turn.
CREATE TABLE image_cache_hosts (
  cache_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ordered_at BIGINT NOT NULL,
  PRIMARY KEY (cache_id, host)
);
CREATE INDEX image_cache_hosts_host ON image_cache_hosts (host, generation);
CREATE INDEX image_cache_hosts_turn ON image_cache_hosts (ordered_at, created_at);
