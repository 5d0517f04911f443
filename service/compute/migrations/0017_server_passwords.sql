-- +goose Up
-- Passwords on their way to guests, sealed: purpose says which of a server's. They go when the operation ends that brings them.
CREATE TABLE server_passwords (
  server_id VARCHAR(36) NOT NULL,
  purpose VARCHAR(16) NOT NULL,
  sealed BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (server_id, purpose)
);
CREATE INDEX server_passwords_age ON server_passwords (created_at, server_id);
