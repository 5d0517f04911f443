-- +goose Up
CREATE TABLE networks (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  shared INTEGER NOT NULL,
  external INTEGER NOT NULL,
  is_default INTEGER NOT NULL,
  mtu INTEGER NOT NULL,
  port_security INTEGER NOT NULL,
  network_type VARCHAR(16) NOT NULL,
  physical_network VARCHAR(64) NOT NULL,
  segmentation_id INTEGER NOT NULL,
  segment_key VARCHAR(120) NOT NULL,
  az_hints BIGTEXT NOT NULL,
  host_gateway INTEGER NOT NULL,
  host_nat INTEGER NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX networks_segment ON networks (segment_key);
CREATE INDEX networks_project ON networks (project_id, id);
CREATE INDEX networks_external ON networks (external, id);
CREATE INDEX networks_shared ON networks (shared, id);

CREATE TABLE counters (
  name VARCHAR(64) PRIMARY KEY,
  value BIGINT NOT NULL
);

CREATE TABLE subnets (
  id VARCHAR(36) PRIMARY KEY,
  network_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  ip_version INTEGER NOT NULL,
  cidr VARCHAR(64) NOT NULL,
  gateway_ip VARCHAR(64) NOT NULL,
  enable_dhcp INTEGER NOT NULL,
  ipv6_ra_mode VARCHAR(16) NOT NULL,
  ipv6_address_mode VARCHAR(16) NOT NULL,
  pools BIGTEXT NOT NULL,
  address_cursor VARCHAR(32) NOT NULL,
  dns_nameservers BIGTEXT NOT NULL,
  host_routes BIGTEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id, id);

CREATE TABLE ports (
  id VARCHAR(36) PRIMARY KEY,
  network_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  mac_address VARCHAR(17) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  status VARCHAR(16) NOT NULL,
  status_detail BIGTEXT NOT NULL,
  device_id VARCHAR(255) NOT NULL,
  device_owner VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  vnic_type VARCHAR(64) NOT NULL,
  binding_profile BIGTEXT NOT NULL,
  port_security INTEGER NOT NULL,
  address_pairs BIGTEXT NOT NULL,
  dhcp_options BIGTEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac_address);
CREATE INDEX ports_project ON ports (project_id, id);
CREATE INDEX ports_device ON ports (device_id, id);
CREATE INDEX ports_host ON ports (host, network_id);
CREATE INDEX ports_network_host ON ports (network_id, host, device_owner);

CREATE TABLE port_addresses (
  port_id VARCHAR(36) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  subnet_id VARCHAR(36) NOT NULL,
  address VARCHAR(64) NOT NULL,
  address_key VARCHAR(32) NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (subnet_id, address_key)
);
CREATE INDEX port_addresses_port ON port_addresses (port_id, place);
CREATE INDEX port_addresses_address ON port_addresses (address);

CREATE TABLE security_groups (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  default_of VARCHAR(64) NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX security_groups_default ON security_groups (default_of);
CREATE INDEX security_groups_project ON security_groups (project_id, id);

CREATE TABLE security_group_rules (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  security_group_id VARCHAR(36) NOT NULL,
  description VARCHAR(255) NOT NULL,
  direction VARCHAR(8) NOT NULL,
  ethertype VARCHAR(8) NOT NULL,
  protocol VARCHAR(40) NOT NULL,
  port_range_min INTEGER NULL,
  port_range_max INTEGER NULL,
  remote_ip_prefix VARCHAR(64) NOT NULL,
  remote_group_id VARCHAR(36) NOT NULL,
  identity_key VARCHAR(255) NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX security_group_rules_identity ON security_group_rules (identity_key);
CREATE INDEX security_group_rules_group ON security_group_rules (security_group_id, id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id, id);

CREATE TABLE port_groups (
  port_id VARCHAR(36) NOT NULL,
  security_group_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL,
  PRIMARY KEY (port_id, security_group_id)
);
CREATE INDEX port_groups_group ON port_groups (security_group_id, host);

CREATE TABLE routers (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  status VARCHAR(16) NOT NULL,
  status_detail BIGTEXT NOT NULL,
  host VARCHAR(255) NOT NULL,
  gateway_port_id VARCHAR(36) NOT NULL,
  gateway_network_id VARCHAR(36) NOT NULL,
  enable_snat INTEGER NOT NULL,
  routes BIGTEXT NOT NULL,
  az_hints BIGTEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id, id);
CREATE INDEX routers_host ON routers (host);
CREATE INDEX routers_gateway_network ON routers (gateway_network_id);

CREATE TABLE floating_ips (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  floating_address VARCHAR(64) NOT NULL,
  floating_port_id VARCHAR(36) NOT NULL,
  router_id VARCHAR(36) NOT NULL,
  port_id VARCHAR(36) NOT NULL,
  fixed_address VARCHAR(64) NOT NULL,
  status VARCHAR(16) NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX floating_ips_project ON floating_ips (project_id, id);
CREATE INDEX floating_ips_port ON floating_ips (port_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE INDEX floating_ips_network ON floating_ips (network_id);
CREATE INDEX floating_ips_floating_port ON floating_ips (floating_port_id);

CREATE TABLE tags (
  resource_id VARCHAR(36) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  PRIMARY KEY (resource_id, tag)
);

CREATE TABLE quotas (
  project_id VARCHAR(64) NOT NULL,
  resource VARCHAR(64) NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (project_id, resource)
);

CREATE TABLE hosts (
  name VARCHAR(255) PRIMARY KEY,
  vtep VARCHAR(64) NOT NULL,
  generation BIGINT NOT NULL
);

CREATE TABLE agents (
  id VARCHAR(36) PRIMARY KEY,
  host VARCHAR(255) NOT NULL,
  agent_type VARCHAR(255) NOT NULL,
  binary_name VARCHAR(255) NOT NULL,
  version VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  availability_zone VARCHAR(255) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  capabilities BIGTEXT NOT NULL,
  configurations BIGTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX agents_host ON agents (host, agent_type);

CREATE TABLE seeded (
  name VARCHAR(64) PRIMARY KEY,
  resource_id VARCHAR(36) NOT NULL
);
