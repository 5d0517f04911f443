-- +goose Up
CREATE TABLE servers (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255) NOT NULL,
  vm_state VARCHAR(16) NOT NULL,
  power_state INTEGER NOT NULL,
  host VARCHAR(255) NOT NULL,
  zone VARCHAR(255) NOT NULL,
  image_id VARCHAR(36) NOT NULL,
  flavor_id VARCHAR(255) NOT NULL,
  vcpus INTEGER NOT NULL,
  memory_mb BIGINT NOT NULL,
  disk_gb BIGINT NOT NULL,
  key_name VARCHAR(255) NOT NULL,
  config_drive INTEGER NOT NULL,
  locked INTEGER NOT NULL,
  reservation_id VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  launched_at BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  detail BIGTEXT NOT NULL,
  nics BIGTEXT NOT NULL
);
CREATE INDEX servers_project ON servers (project_id, deleted_at, created_at, id);
CREATE INDEX servers_created ON servers (deleted_at, created_at, id);
CREATE INDEX servers_updated ON servers (updated_at);
CREATE INDEX servers_host ON servers (host, deleted_at);
CREATE TABLE server_user_data (
  server_id VARCHAR(36) PRIMARY KEY,
  user_data BIGTEXT NOT NULL
);
CREATE TABLE server_tags (
  server_id VARCHAR(36) NOT NULL,
  tag VARCHAR(80) NOT NULL,
  PRIMARY KEY (server_id, tag)
);
CREATE INDEX server_tags_tag ON server_tags (tag);
CREATE TABLE flavors (
  id VARCHAR(255) PRIMARY KEY,
  name VARCHAR(255) NOT NULL UNIQUE,
  memory_mb BIGINT NOT NULL,
  vcpus INTEGER NOT NULL,
  root_gb BIGINT NOT NULL,
  ephemeral_gb BIGINT NOT NULL,
  swap_mb BIGINT NOT NULL,
  rxtx_factor DOUBLE PRECISION NOT NULL,
  is_public INTEGER NOT NULL,
  description BIGTEXT,
  extra_specs BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE flavor_access (
  flavor_id VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (flavor_id, project_id)
);
CREATE INDEX flavor_access_project ON flavor_access (project_id);
CREATE TABLE keypairs (
  num SEQUENCE,
  user_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(16) NOT NULL,
  public_key BIGTEXT NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX keypairs_name ON keypairs (user_id, name);
CREATE TABLE quotas (
  owner_kind VARCHAR(16) NOT NULL,
  owner_id VARCHAR(255) NOT NULL,
  resource VARCHAR(64) NOT NULL,
  value BIGINT NOT NULL,
  PRIMARY KEY (owner_kind, owner_id, resource)
);
CREATE TABLE server_groups (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  policy VARCHAR(32) NOT NULL,
  max_per_host INTEGER NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX server_groups_project ON server_groups (project_id, created_at);
CREATE TABLE server_group_members (
  group_id VARCHAR(36) NOT NULL,
  server_id VARCHAR(36) NOT NULL,
  PRIMARY KEY (group_id, server_id)
);
CREATE INDEX server_group_members_server ON server_group_members (server_id);
CREATE TABLE hosts (
  num SEQUENCE,
  name VARCHAR(255) NOT NULL UNIQUE,
  service_id VARCHAR(36) NOT NULL UNIQUE,
  hypervisor_id VARCHAR(36) NOT NULL UNIQUE,
  zone VARCHAR(255) NOT NULL,
  facts BIGTEXT NOT NULL,
  disabled INTEGER NOT NULL,
  disabled_reason VARCHAR(255) NOT NULL,
  forced_down INTEGER NOT NULL,
  generation BIGINT NOT NULL,
  provided VARCHAR(128) NOT NULL,
  last_seen BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE guest_orders (
  server_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL,
  generation BIGINT NOT NULL,
  operation_id VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  desired VARCHAR(16) NOT NULL,
  body BIGTEXT NOT NULL,
  reboot_seq BIGINT NOT NULL,
  reboot_hard INTEGER NOT NULL,
  reboot_done BIGINT NOT NULL,
  settled_generation BIGINT NOT NULL,
  reported_generation BIGINT NOT NULL,
  reported_state VARCHAR(16) NOT NULL,
  reported_power INTEGER NOT NULL,
  error_class VARCHAR(16) NOT NULL,
  error_message BIGTEXT NOT NULL,
  reported_at BIGINT NOT NULL,
  PRIMARY KEY (server_id, host)
);
CREATE INDEX guest_orders_host ON guest_orders (host, generation);
