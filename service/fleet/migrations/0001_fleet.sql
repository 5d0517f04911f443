-- +goose Up
CREATE TABLE members (
  id VARCHAR(36) PRIMARY KEY,
  kind VARCHAR(16) NOT NULL,
  host VARCHAR(64) NOT NULL,
  address VARCHAR(64) NOT NULL,
  version VARCHAR(64) NOT NULL,
  pin VARCHAR(64) NOT NULL,
  serial VARCHAR(40) NOT NULL,
  expires_at BIGINT NOT NULL,
  renewed_at BIGINT NOT NULL,
  joined_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX members_host ON members (kind, host);
CREATE INDEX members_joined ON members (joined_at, id);

CREATE TABLE member_keys (
  pin VARCHAR(64) PRIMARY KEY,
  member_id VARCHAR(36) NOT NULL,
  place BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used INTEGER NOT NULL
);
CREATE UNIQUE INDEX member_keys_place ON member_keys (member_id, place);

CREATE TABLE join_tokens (
  id VARCHAR(36) PRIMARY KEY,
  kind VARCHAR(16) NOT NULL,
  host VARCHAR(64) NOT NULL,
  secret_hash VARCHAR(64) NOT NULL,
  created_by VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  used_by VARCHAR(64) NOT NULL,
  used_pin VARCHAR(64) NOT NULL
);
CREATE INDEX join_tokens_created ON join_tokens (created_at, id);
CREATE INDEX join_tokens_expires ON join_tokens (expires_at);

CREATE TABLE controllers (
  address VARCHAR(255) PRIMARY KEY,
  seen_at BIGINT NOT NULL
);
CREATE INDEX controllers_seen ON controllers (seen_at, address);
