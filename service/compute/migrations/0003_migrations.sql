-- +goose Up
CREATE TABLE migrations (
  num SEQUENCE,
  id VARCHAR(36) NOT NULL UNIQUE,
  server_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  status VARCHAR(32) NOT NULL,
  source_host VARCHAR(255) NOT NULL,
  dest_host VARCHAR(255) NOT NULL,
  extra_vcpus BIGINT NOT NULL,
  extra_memory_mb BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  detail BIGTEXT NOT NULL
);
CREATE INDEX migrations_server ON migrations (server_id, num);
CREATE INDEX migrations_project ON migrations (project_id, extra_vcpus);
CREATE INDEX migrations_created ON migrations (created_at, num);
