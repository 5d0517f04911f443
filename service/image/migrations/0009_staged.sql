-- +goose Up
-- How many bytes a staged content has.
ALTER TABLE image_contents ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
