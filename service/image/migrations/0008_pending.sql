-- +goose Up
-- Deleted images whose data is kept for a while.
CREATE TABLE image_pending (
  id VARCHAR(36) PRIMARY KEY,
  owner VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL,
  bytes BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  scrub_at BIGINT NOT NULL,
  document BIGTEXT NOT NULL
);
CREATE INDEX image_pending_scrub ON image_pending (scrub_at, id);
CREATE INDEX image_pending_owner ON image_pending (owner);
