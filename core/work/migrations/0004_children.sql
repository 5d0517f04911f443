-- +goose Up
-- Which operation, and which of its steps, started this one; recalled when that step is undone.
ALTER TABLE operations ADD COLUMN parent_id VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN parent_step VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN recalled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX operations_parent ON operations (parent_id);
