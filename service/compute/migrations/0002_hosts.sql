-- +goose Up
-- What the scheduler keeps in memory follows these numbers.
ALTER TABLE hosts ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
-- Until when a host counts as up without a further sign of life.
ALTER TABLE hosts ADD COLUMN down_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX hosts_revision ON hosts (revision);
CREATE INDEX hosts_provided ON hosts (provided, num);
CREATE TABLE host_changes (
  id INTEGER PRIMARY KEY,
  revision BIGINT NOT NULL,
  removed BIGINT NOT NULL
);
INSERT INTO host_changes (id, revision, removed) VALUES (1, 1, 0);
