-- +goose Up
CREATE TABLE resource_providers (
  uuid VARCHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(200) NOT NULL,
  parent VARCHAR(36) NOT NULL,
  root VARCHAR(36) NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX resource_providers_name ON resource_providers (name);
CREATE INDEX resource_providers_root ON resource_providers (root);
CREATE INDEX resource_providers_parent ON resource_providers (parent);

CREATE TABLE resource_classes (
  name VARCHAR(255) NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE traits (
  name VARCHAR(255) NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL
);

CREATE TABLE inventories (
  provider VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid),
  resource_class VARCHAR(255) NOT NULL,
  total BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  min_unit BIGINT NOT NULL,
  max_unit BIGINT NOT NULL,
  step_size BIGINT NOT NULL,
  allocation_ratio DOUBLE PRECISION NOT NULL,
  used BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (provider, resource_class)
);
CREATE INDEX inventories_class ON inventories (resource_class);

CREATE TABLE provider_traits (
  provider VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid),
  trait VARCHAR(255) NOT NULL,
  PRIMARY KEY (provider, trait)
);
CREATE INDEX provider_traits_trait ON provider_traits (trait);

CREATE TABLE provider_aggregates (
  provider VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid),
  aggregate VARCHAR(36) NOT NULL,
  PRIMARY KEY (provider, aggregate)
);

CREATE TABLE consumers (
  uuid VARCHAR(36) NOT NULL PRIMARY KEY,
  project_id VARCHAR(255) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  consumer_type VARCHAR(255) NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX consumers_project ON consumers (project_id, user_id);

CREATE TABLE allocations (
  consumer VARCHAR(36) NOT NULL,
  provider VARCHAR(36) NOT NULL,
  resource_class VARCHAR(255) NOT NULL,
  used BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (consumer, provider, resource_class),
  FOREIGN KEY (consumer) REFERENCES consumers (uuid),
  FOREIGN KEY (provider, resource_class) REFERENCES inventories (provider, resource_class) ON UPDATE CASCADE
);
CREATE INDEX allocations_provider ON allocations (provider, resource_class);

CREATE TABLE tree_changes (
  seq SEQUENCE,
  root VARCHAR(36) NOT NULL,
  whole INTEGER NOT NULL
);
