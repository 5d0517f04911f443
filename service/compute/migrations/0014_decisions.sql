-- +goose Up
-- What the scheduler decided for servers, and why: one row for each attempt of an operation, and those that a request
-- was refused by (operation_id is empty). looks counts how often an attempt that found no host looked.
CREATE TABLE decisions (
  id VARCHAR(36) NOT NULL PRIMARY KEY,
  server_id VARCHAR(36) NOT NULL,
  operation_id VARCHAR(64) NOT NULL,
  kind VARCHAR(64) NOT NULL,
  attempt INTEGER NOT NULL,
  looks INTEGER NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  began_at BIGINT NOT NULL,
  decided_at BIGINT NOT NULL,
  chosen VARCHAR(255) NOT NULL,
  wanted BIGTEXT NOT NULL,
  decision BIGTEXT NOT NULL
);
CREATE INDEX decisions_server ON decisions (server_id, decided_at);
CREATE INDEX decisions_operation ON decisions (operation_id, attempt);
