-- +goose Up
-- The cloud that all databases belong to; key_check is sealed under the cluster key.
CREATE TABLE clouds (
  place INTEGER PRIMARY KEY,
  id VARCHAR(64) NOT NULL,
  key_check VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL
);

-- What several processes must agree on: the first to say it is right.
CREATE TABLE facts (
  name VARCHAR(64) PRIMARY KEY,
  fact VARCHAR(255) NOT NULL
);

-- Secrets of the cloud, sealed under the cluster key. The version grows with each change.
CREATE TABLE sealed_secrets (
  name VARCHAR(64) PRIMARY KEY,
  version BIGINT NOT NULL,
  sealed BIGTEXT NOT NULL
);

-- Processes that run, and for a while those that ran.
CREATE TABLE processes (
  id VARCHAR(64) PRIMARY KEY,
  host VARCHAR(64) NOT NULL,
  version VARCHAR(255) NOT NULL,
  roles VARCHAR(255) NOT NULL,
  services VARCHAR(255) NOT NULL,
  bus VARCHAR(16) NOT NULL,
  address VARCHAR(255) NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL
);
