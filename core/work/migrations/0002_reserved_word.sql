-- +goose Up
-- MariaDB reserves the word.
ALTER TABLE operation_events RENAME COLUMN "undo" TO undone;
