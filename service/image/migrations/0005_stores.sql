-- +goose Up
-- Data of an image may be in several stores. A content without a store, and an image with
-- data but without places, are those of the first store.
ALTER TABLE image_contents ADD COLUMN store VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN places BIGTEXT NOT NULL DEFAULT '[]';
ALTER TABLE images ADD COLUMN importing_to VARCHAR(1024) NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN import_failed VARCHAR(1024) NOT NULL DEFAULT '';
