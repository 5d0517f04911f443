-- +goose Up
-- Keys of the vault that are retired: nothing that they have sealed is stored any more.
CREATE TABLE retired_keys (
  key_id VARCHAR(64) PRIMARY KEY,
  retired_at BIGINT NOT NULL
);
