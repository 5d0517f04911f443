-- +goose Up
ALTER TABLE feed ADD COLUMN place BIGINT;
ALTER TABLE feed ADD COLUMN operation_id VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE feed ADD COLUMN owner_project_id VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE feed ADD COLUMN before_json BIGTEXT;
ALTER TABLE feed ADD COLUMN after_json BIGTEXT;
CREATE UNIQUE INDEX feed_place ON feed (place);
CREATE TABLE feed_counter (
  id INTEGER PRIMARY KEY,
  last_place BIGINT NOT NULL,
  forgotten_place BIGINT NOT NULL
);
INSERT INTO feed_counter (id, last_place, forgotten_place) VALUES (1, 0, 0);
CREATE TABLE feed_readers (
  name VARCHAR(64) PRIMARY KEY,
  place BIGINT NOT NULL,
  owner VARCHAR(128) NOT NULL,
  lease_until BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
