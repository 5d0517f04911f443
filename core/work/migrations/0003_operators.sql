-- +goose Up
-- What operators look at: why a step is called again, and the newest operations.
ALTER TABLE operations ADD COLUMN last_error VARCHAR(1000) NOT NULL DEFAULT '';
CREATE INDEX operations_created ON operations (created_at, id);
