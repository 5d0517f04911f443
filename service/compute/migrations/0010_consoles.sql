-- +goose Up
-- Leave to connect to a console once. The token itself is known to its user alone.
CREATE TABLE console_tokens (
    digest VARCHAR(64) NOT NULL PRIMARY KEY,
    server_id VARCHAR(36) NOT NULL,
    host VARCHAR(255) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX console_tokens_expires ON console_tokens (expires_at);
