-- +goose Up
CREATE TABLE metadef_namespaces (
  id VARCHAR(36) PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  display_name VARCHAR(80) NOT NULL,
  description VARCHAR(500) NOT NULL,
  visibility VARCHAR(16) NOT NULL,
  protected INTEGER NOT NULL,
  owner VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX metadef_namespaces_name ON metadef_namespaces (name);
CREATE INDEX metadef_namespaces_created ON metadef_namespaces (created_at, id);
CREATE INDEX metadef_namespaces_owner ON metadef_namespaces (owner, created_at, id);

CREATE TABLE metadef_definitions (
  namespace_id VARCHAR(36) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  name VARCHAR(80) NOT NULL,
  document BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (namespace_id, kind, name)
);
CREATE INDEX metadef_definitions_name ON metadef_definitions (kind, name, namespace_id);

CREATE TABLE metadef_resource_types (
  name VARCHAR(80) PRIMARY KEY,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE metadef_loaded (
  name VARCHAR(80) PRIMARY KEY,
  loaded_at BIGINT NOT NULL
);
