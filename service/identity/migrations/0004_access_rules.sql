-- +goose Up
-- Requests that application credentials of a user may be narrowed to.
CREATE TABLE access_rules (
  id VARCHAR(64) PRIMARY KEY,
  user_id VARCHAR(64) NOT NULL,
  service VARCHAR(64) NOT NULL,
  method VARCHAR(16) NOT NULL,
  path VARCHAR(128) NOT NULL
);
CREATE INDEX access_rules_user ON access_rules (user_id);
