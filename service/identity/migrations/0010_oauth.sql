-- +goose Up
-- What OAuth 1.0a needs besides consumers. A request token waits for a user to say which roles
-- on the project it may hand on; user_id and verifier_hash are empty until then. expires is 0
-- for what stays.
CREATE TABLE request_tokens (
  id VARCHAR(64) PRIMARY KEY,
  secret_sealed BIGTEXT NOT NULL,
  consumer_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  verifier_hash VARCHAR(64) NOT NULL,
  roles BIGTEXT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX request_tokens_consumer ON request_tokens (consumer_id);
CREATE INDEX request_tokens_project ON request_tokens (project_id);
CREATE INDEX request_tokens_user ON request_tokens (user_id);
CREATE INDEX request_tokens_expires ON request_tokens (expires);
CREATE TABLE access_tokens (
  id VARCHAR(64) PRIMARY KEY,
  secret_sealed BIGTEXT NOT NULL,
  consumer_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  roles BIGTEXT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX access_tokens_consumer ON access_tokens (consumer_id);
CREATE INDEX access_tokens_project ON access_tokens (project_id);
CREATE INDEX access_tokens_user ON access_tokens (user_id);
CREATE INDEX access_tokens_expires ON access_tokens (expires);
-- The digests of nonces that were used with timestamps that are accepted still.
CREATE TABLE oauth_nonces (
  id VARCHAR(64) PRIMARY KEY,
  expires BIGINT NOT NULL
);
CREATE INDEX oauth_nonces_expires ON oauth_nonces (expires);
