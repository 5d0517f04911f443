-- +goose Up
-- Which hosts' providers may be in which aggregates in placement because of host aggregates; confirmed is 1 when they are.
CREATE TABLE placement_aggregates (
  host VARCHAR(255) NOT NULL,
  aggregate_id VARCHAR(36) NOT NULL,
  confirmed INTEGER NOT NULL,
  PRIMARY KEY (host, aggregate_id)
);
-- Resource providers of hosts that were removed, which placement is still to forget.
CREATE TABLE gone_providers (
  id VARCHAR(36) NOT NULL PRIMARY KEY,
  host VARCHAR(255) NOT NULL
);
