-- +goose Up
CREATE TABLE feed (
  seq SEQUENCE,
  at BIGINT NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  kind VARCHAR(64) NOT NULL,
  resource_id VARCHAR(255) NOT NULL,
  action VARCHAR(64) NOT NULL,
  detail BIGTEXT
);
CREATE INDEX feed_at ON feed (at);
