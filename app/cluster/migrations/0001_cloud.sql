-- +goose Up
-- The one data folder that belongs to all databases of a cloud.
CREATE TABLE data_folders (
  place INTEGER PRIMARY KEY,
  folder_id VARCHAR(64) NOT NULL
);
