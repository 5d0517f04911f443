-- +goose Up
-- Credentials of users for other than the Identity API. The id of one of the type ec2 is the
-- SHA-256 of its first access key, access_hash that of the present one. The blob is sealed. What a credential was made under bounds what it
-- gives, so trust_id and app_cred_id are no part of the blob, which its owner can change. used_step is the newest time step
-- whose one-time password was taken.
CREATE TABLE credentials (
  id VARCHAR(64) PRIMARY KEY,
  type VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  blob_sealed BIGTEXT NOT NULL,
  access_hash VARCHAR(64) NOT NULL,
  trust_id VARCHAR(64) NOT NULL,
  app_cred_id VARCHAR(64) NOT NULL,
  used_step BIGINT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX credentials_user ON credentials (user_id);
CREATE INDEX credentials_project ON credentials (project_id);
CREATE INDEX credentials_type ON credentials (type);
CREATE INDEX credentials_access ON credentials (access_hash);
CREATE INDEX credentials_app_cred ON credentials (app_cred_id);
CREATE INDEX credentials_trust ON credentials (trust_id);
