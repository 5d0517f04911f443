-- +goose Up
-- Keys of the cloud that took the place of others: each sealed under the former one, which is known by the id former.
CREATE TABLE key_handovers (
  former VARCHAR(16) PRIMARY KEY,
  sealed BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL
);
-- The key that a process has in its data folder; empty: it cannot say so.
ALTER TABLE processes ADD COLUMN key_id VARCHAR(16) NOT NULL DEFAULT '';
