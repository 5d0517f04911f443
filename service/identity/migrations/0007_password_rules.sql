-- +goose Up
-- When the password was set and when it must be another (0: never), how often logging in failed
-- in a row and when last, when the user last did.
ALTER TABLE users ADD COLUMN password_set_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN password_expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN failed_logins INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN failed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;

-- Hashes of passwords that may not be chosen again.
CREATE TABLE password_history (
  id VARCHAR(64) PRIMARY KEY,
  user_id VARCHAR(64) NOT NULL,
  set_at BIGINT NOT NULL,
  password_hash VARCHAR(255) NOT NULL
);
CREATE INDEX password_history_user ON password_history (user_id, set_at);
