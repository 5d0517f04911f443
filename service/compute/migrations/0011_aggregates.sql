-- +goose Up
-- Groups of hosts that operators make; metadata is a JSON object of texts.
CREATE TABLE aggregates (
  num SEQUENCE,
  id VARCHAR(36) NOT NULL UNIQUE,
  name VARCHAR(255) NOT NULL UNIQUE,
  metadata BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE aggregate_hosts (
  aggregate BIGINT NOT NULL,
  host VARCHAR(255) NOT NULL,
  PRIMARY KEY (aggregate, host)
);
CREATE INDEX aggregate_hosts_host ON aggregate_hosts (host);
