-- +goose Up
-- A trust lets its trustee act on a project with roles of its trustor. remaining_uses is -1
-- where it is not bounded; expires is 0 for those that stay. root_trustor_id is the trustor of
-- the first of a chain of trusts, whose roles all of them hand on.
CREATE TABLE trusts (
  id VARCHAR(64) PRIMARY KEY,
  trustor_id VARCHAR(64) NOT NULL,
  trustee_id VARCHAR(64) NOT NULL,
  root_trustor_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  impersonation INTEGER NOT NULL,
  expires BIGINT NOT NULL,
  remaining_uses BIGINT NOT NULL,
  redelegation_count INTEGER NOT NULL,
  redelegated_trust_id VARCHAR(64) NOT NULL,
  roles BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX trusts_trustor ON trusts (trustor_id);
CREATE INDEX trusts_trustee ON trusts (trustee_id);
CREATE INDEX trusts_root ON trusts (root_trustor_id);
CREATE INDEX trusts_project ON trusts (project_id);
CREATE INDEX trusts_redelegated ON trusts (redelegated_trust_id);
