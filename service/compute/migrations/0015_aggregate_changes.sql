-- +goose Up
-- Counts the changes of aggregates, for those who keep them in memory.
ALTER TABLE host_changes ADD COLUMN aggregates BIGINT NOT NULL DEFAULT 1;
