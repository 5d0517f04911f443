-- +goose Up
-- A domain is a project with is_domain = 1, an empty domain_id and no parent. Projects at
-- the top of a domain have the domain as their parent.
CREATE TABLE projects (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  parent_id VARCHAR(64) NOT NULL,
  is_domain INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  description BIGTEXT NOT NULL,
  options BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (domain_id, name);
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE project_tags (
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  PRIMARY KEY (project_id, name)
);
CREATE INDEX project_tags_name ON project_tags (name);

-- valid_after counts seconds since 1970: tokens issued in that second or before are void.
CREATE TABLE users (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  enabled INTEGER NOT NULL,
  default_project_id VARCHAR(64) NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  valid_after BIGINT NOT NULL,
  options BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (domain_id, name);

CREATE TABLE identity_groups (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  description BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE UNIQUE INDEX identity_groups_name ON identity_groups (domain_id, name);

CREATE TABLE memberships (
  user_id VARCHAR(64) NOT NULL,
  group_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (user_id, group_id)
);
CREATE INDEX memberships_group ON memberships (group_id);

-- domain_id is empty for roles of the whole cloud.
CREATE TABLE roles (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  description BIGTEXT NOT NULL,
  options BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (domain_id, name);

CREATE TABLE implied_roles (
  prior_role_id VARCHAR(64) NOT NULL,
  implied_role_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (prior_role_id, implied_role_id)
);
CREATE INDEX implied_roles_implied ON implied_roles (implied_role_id);

-- actor_type is user or group, target_type project, domain or system (with the id "system").
-- An inherited assignment holds for the projects below its target, not for the target.
CREATE TABLE assignments (
  actor_type VARCHAR(16) NOT NULL,
  actor_id VARCHAR(64) NOT NULL,
  target_type VARCHAR(16) NOT NULL,
  target_id VARCHAR(64) NOT NULL,
  role_id VARCHAR(64) NOT NULL,
  inherited INTEGER NOT NULL,
  PRIMARY KEY (actor_id, target_id, role_id, target_type, inherited)
);
CREATE INDEX assignments_target ON assignments (target_id);
CREATE INDEX assignments_role ON assignments (role_id);

CREATE TABLE regions (
  id VARCHAR(255) PRIMARY KEY,
  description VARCHAR(255) NOT NULL,
  parent_region_id VARCHAR(255) NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX regions_parent ON regions (parent_region_id);

CREATE TABLE services (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(255) NOT NULL,
  enabled INTEGER NOT NULL,
  description BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX services_type ON services (type);

CREATE TABLE endpoints (
  id VARCHAR(64) PRIMARY KEY,
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255) NOT NULL,
  interface VARCHAR(8) NOT NULL,
  url BIGTEXT NOT NULL,
  enabled INTEGER NOT NULL,
  name VARCHAR(255) NOT NULL,
  extra BIGTEXT NOT NULL
);
CREATE INDEX endpoints_service ON endpoints (service_id);
CREATE INDEX endpoints_region ON endpoints (region_id);

-- A token is void when its own audit id or that of its chain is here.
CREATE TABLE revocations (
  audit_id VARCHAR(64) PRIMARY KEY,
  expires BIGINT NOT NULL
);
CREATE INDEX revocations_expires ON revocations (expires);

-- Which token was made from which, where the audit ids of the token do not tell it: a
-- token carries its own id and that of the first of its chain.
CREATE TABLE token_lineage (
  audit_id VARCHAR(64) PRIMARY KEY,
  parent_id VARCHAR(64) NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX token_lineage_parent ON token_lineage (parent_id);
CREATE INDEX token_lineage_expires ON token_lineage (expires);

-- expires is 0 for those that stay for ever.
CREATE TABLE application_credentials (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description BIGTEXT NOT NULL,
  secret_hash VARCHAR(255) NOT NULL,
  expires BIGINT NOT NULL,
  unrestricted INTEGER NOT NULL,
  roles BIGTEXT NOT NULL,
  access_rules BIGTEXT NOT NULL
);
CREATE UNIQUE INDEX application_credentials_name ON application_credentials (user_id, name);
CREATE INDEX application_credentials_project ON application_credentials (project_id);
