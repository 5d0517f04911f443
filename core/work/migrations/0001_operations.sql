-- +goose Up
CREATE TABLE operations (
  id VARCHAR(64) PRIMARY KEY,
  kind VARCHAR(64) NOT NULL,
  version INTEGER NOT NULL,
  resource_kind VARCHAR(64) NOT NULL,
  resource_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  state VARCHAR(16) NOT NULL,
  step INTEGER NOT NULL,
  step_name VARCHAR(64) NOT NULL,
  step_started_at BIGINT NOT NULL,
  back_to INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  wake_at BIGINT NOT NULL,
  signals BIGINT NOT NULL,
  cancelled INTEGER NOT NULL,
  deadline BIGINT NOT NULL,
  lease_owner VARCHAR(64) NOT NULL,
  lease_until BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  params BIGTEXT NOT NULL,
  frame BIGTEXT NOT NULL,
  error BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL
);
CREATE INDEX operations_due ON operations (finished_at, wake_at);
CREATE INDEX operations_resource ON operations (resource_id, finished_at);
CREATE TABLE operation_events (
  seq SEQUENCE,
  operation_id VARCHAR(64) NOT NULL,
  step VARCHAR(64) NOT NULL,
  "undo" INTEGER NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL,
  error BIGTEXT NOT NULL
);
CREATE INDEX operation_events_operation ON operation_events (operation_id);
