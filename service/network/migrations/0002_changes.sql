-- +goose Up
-- What changed that concerns hosts: their agents ask what is new since a number.
CREATE TABLE changes (
  seq SEQUENCE,
  kind VARCHAR(16) NOT NULL,
  object_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL
);
CREATE INDEX port_groups_host ON port_groups (host, security_group_id);
-- Until when an agent counts as alive without a further sign of life.
ALTER TABLE agents ADD COLUMN dead_at BIGINT NOT NULL DEFAULT 0;
