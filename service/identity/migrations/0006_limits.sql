-- +goose Up
-- How much of a service's resource projects may have: for all (registered) and for one project
-- or domain. region_id is empty where a limit is for all regions.
CREATE TABLE registered_limits (
  id VARCHAR(64) PRIMARY KEY,
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255) NOT NULL,
  resource_name VARCHAR(255) NOT NULL,
  default_limit BIGINT NOT NULL,
  description BIGTEXT NOT NULL
);
CREATE INDEX registered_limits_resource ON registered_limits (service_id, resource_name);
CREATE TABLE limits (
  id VARCHAR(64) PRIMARY KEY,
  registered_limit_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  resource_limit BIGINT NOT NULL,
  description BIGTEXT NOT NULL
);
CREATE INDEX limits_registered ON limits (registered_limit_id);
CREATE INDEX limits_project ON limits (project_id);
CREATE INDEX limits_domain ON limits (domain_id);
