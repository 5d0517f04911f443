-- +goose Up
-- Which endpoints the catalogs of a project show, one by one or by groups; a project without
-- any sees all. filters names properties that the endpoints of a group share.
CREATE TABLE endpoint_groups (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  description BIGTEXT NOT NULL,
  filters BIGTEXT NOT NULL
);
CREATE TABLE project_endpoints (
  project_id VARCHAR(64) NOT NULL,
  endpoint_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX project_endpoints_endpoint ON project_endpoints (endpoint_id);
CREATE TABLE project_endpoint_groups (
  project_id VARCHAR(64) NOT NULL,
  endpoint_group_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX project_endpoint_groups_group ON project_endpoint_groups (endpoint_group_id);

-- Policy files that services may fetch, and for which endpoints, services or services of a
-- region they are; what a row does not name is empty.
CREATE TABLE policies (
  id VARCHAR(64) PRIMARY KEY,
  type VARCHAR(255) NOT NULL,
  blob_text BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX policies_type ON policies (type);
CREATE TABLE policy_associations (
  endpoint_id VARCHAR(64) NOT NULL,
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255) NOT NULL,
  policy_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (endpoint_id, service_id, region_id)
);
CREATE INDEX policy_associations_policy ON policy_associations (policy_id);

-- Settings of a domain by group and option; sensitive ones are sealed.
CREATE TABLE domain_options (
  domain_id VARCHAR(64) NOT NULL,
  group_name VARCHAR(64) NOT NULL,
  option_name VARCHAR(64) NOT NULL,
  value_text BIGTEXT NOT NULL,
  PRIMARY KEY (domain_id, group_name, option_name)
);
