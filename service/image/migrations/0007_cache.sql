-- +goose Up
-- Which images a process keeps in its cache, or is to.
CREATE TABLE image_cached (
  image_id VARCHAR(36) NOT NULL,
  owner VARCHAR(255) NOT NULL,
  cached INTEGER NOT NULL,
  size BIGINT NOT NULL,
  hits BIGINT NOT NULL,
  queued_at BIGINT NOT NULL,
  cached_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (image_id, owner)
);
CREATE INDEX image_cached_owner ON image_cached (owner, cached, used_at);
