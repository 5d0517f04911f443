PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE network_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO network_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO network_schema VALUES(2,1,1,'2026-11-22 08:17:11');
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
  az_hints TEXT NOT NULL,
  host_gateway INTEGER NOT NULL,
  host_nat INTEGER NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO networks VALUES('39abf7cd-8548-42cb-ac58-32e1c075c263','a3d6f8ef4b54415986f236001017af81','public','',1,0,1,1,1500,1,'flat','public',0,'flat:public','[]',1,0,0,1795335431472319,1795335431472319);
INSERT INTO networks VALUES('c4380c66-5a13-48e5-bee7-6c23670dc30b','a3d6f8ef4b54415986f236001017af81','private','',1,0,0,0,1450,1,'vxlan','',1,'vxlan:1','[]',0,0,0,1795335431472718,1795335431472718);
INSERT INTO networks VALUES('a3948e70-de23-46ce-bac6-06ce894cea74','a3d6f8ef4b54415986f236001017af81','street','',1,0,0,0,1450,1,'vxlan','',2,'vxlan:2','[]',0,0,0,1795335432496745,1795335432496745);
CREATE TABLE counters (
  name VARCHAR(64) PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO counters VALUES('vxlan',2);
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
  pools TEXT NOT NULL,
  address_cursor VARCHAR(32) NOT NULL,
  dns_nameservers TEXT NOT NULL,
  host_routes TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO subnets VALUES('b4c65aa1-29c2-4559-831e-520577c6bf2b','39abf7cd-8548-42cb-ac58-32e1c075c263','a3d6f8ef4b54415986f236001017af81','public-subnet','',4,'172.24.4.0/24','172.24.4.1',0,'','','[{"start":"172.24.4.10","end":"172.24.4.250"}]','00000000000000000000ffffac18040c','[]','[]',0,1795335431472410,1795335431472410);
INSERT INTO subnets VALUES('eb4eca35-fb50-4cb1-b950-457db3cc9624','c4380c66-5a13-48e5-bee7-6c23670dc30b','a3d6f8ef4b54415986f236001017af81','private-subnet','',4,'10.0.0.0/24','10.0.0.1',1,'','','[{"start":"10.0.0.2","end":"10.0.0.254"}]','','[]','[]',0,1795335431472803,1795335431472803);
INSERT INTO subnets VALUES('f6161bde-06e5-4179-8c13-841b2bb7ec95','a3948e70-de23-46ce-bac6-06ce894cea74','a3d6f8ef4b54415986f236001017af81','','',4,'10.9.0.0/24','10.9.0.1',1,'','','[{"start":"10.9.0.2","end":"10.9.0.254"}]','00000000000000000000ffff0a090004','["9.9.9.9"]','[]',0,1795335432499615,1795335432499615);
CREATE TABLE ports (
  id VARCHAR(36) PRIMARY KEY,
  network_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  mac_address VARCHAR(17) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  status VARCHAR(16) NOT NULL,
  status_detail TEXT NOT NULL,
  device_id VARCHAR(255) NOT NULL,
  device_owner VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  vnic_type VARCHAR(64) NOT NULL,
  binding_profile TEXT NOT NULL,
  port_security INTEGER NOT NULL,
  address_pairs TEXT NOT NULL,
  dhcp_options TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO ports VALUES('f98da738-be77-43cb-ae2f-a27793272795','39abf7cd-8548-42cb-ac58-32e1c075c263','','','','fa:16:3e:f1:b8:95',1,'ACTIVE','','25ce129f-0958-4637-a7cb-2486e733e2d6','network:router_gateway','host-1','normal','null',0,'null','null',0,1795335431473174,1795335431473174);
INSERT INTO ports VALUES('294fb717-3565-443c-b497-895221e6e06c','c4380c66-5a13-48e5-bee7-6c23670dc30b','a3d6f8ef4b54415986f236001017af81','','','fa:16:3e:56:45:80',1,'ACTIVE','','25ce129f-0958-4637-a7cb-2486e733e2d6','network:router_interface','host-1','normal','null',0,'null','null',0,1795335431473352,1795335431473352);
INSERT INTO ports VALUES('74f22b5e-74b1-404e-9544-036d7e67c7ca','39abf7cd-8548-42cb-ac58-32e1c075c263','','','','fa:16:3e:70:f6:5f',1,'ACTIVE','','15e93dcf-b66c-47fb-8e5f-ee144c991223','network:router_gateway','host-1','normal','null',0,'null','null',0,1795335432502301,1795335432502301);
INSERT INTO ports VALUES('6cde8c91-a2fc-40b3-b946-e90b89e54aac','a3948e70-de23-46ce-bac6-06ce894cea74','a3d6f8ef4b54415986f236001017af81','','','fa:16:3e:53:d3:dd',1,'ACTIVE','','15e93dcf-b66c-47fb-8e5f-ee144c991223','network:router_interface','host-1','normal','null',0,'null','null',0,1795335432504970,1795335432504970);
INSERT INTO ports VALUES('f249888a-11da-4537-986b-e52986382e22','a3948e70-de23-46ce-bac6-06ce894cea74','a3d6f8ef4b54415986f236001017af81','door','','fa:16:3e:0a:be:7c',1,'ACTIVE','','8cf7c671-ff0f-4fe7-b17e-774a0424464e','compute:nova','host-1','normal','null',1,'[]','null',3,1795335432518214,1795335432567227);
INSERT INTO ports VALUES('05df086e-8878-467d-939e-bafd885503b7','a3948e70-de23-46ce-bac6-06ce894cea74','a3d6f8ef4b54415986f236001017af81','','','fa:16:3e:2d:f3:88',1,'DOWN','','dhcp-a3948e70-de23-46ce-bac6-06ce894cea74','network:dhcp','host-1','normal','null',0,'null','null',0,1795335432554352,1795335432554352);
INSERT INTO ports VALUES('610bccfb-3b3d-47b8-9e67-3ad138f8dd09','39abf7cd-8548-42cb-ac58-32e1c075c263','','','','fa:16:3e:c3:0e:fb',1,'N/A','','dd08364f-5d9d-41ae-b7f2-5fc2d1b5295b','network:floatingip','','normal','null',0,'null','null',0,1795335432658698,1795335432658698);
CREATE TABLE port_addresses (
  port_id VARCHAR(36) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  subnet_id VARCHAR(36) NOT NULL,
  address VARCHAR(64) NOT NULL,
  address_key VARCHAR(32) NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (subnet_id, address_key)
);
INSERT INTO port_addresses VALUES('f98da738-be77-43cb-ae2f-a27793272795','39abf7cd-8548-42cb-ac58-32e1c075c263','b4c65aa1-29c2-4559-831e-520577c6bf2b','172.24.4.10','00000000000000000000ffffac18040a',0);
INSERT INTO port_addresses VALUES('294fb717-3565-443c-b497-895221e6e06c','c4380c66-5a13-48e5-bee7-6c23670dc30b','eb4eca35-fb50-4cb1-b950-457db3cc9624','10.0.0.1','00000000000000000000ffff0a000001',0);
INSERT INTO port_addresses VALUES('74f22b5e-74b1-404e-9544-036d7e67c7ca','39abf7cd-8548-42cb-ac58-32e1c075c263','b4c65aa1-29c2-4559-831e-520577c6bf2b','172.24.4.11','00000000000000000000ffffac18040b',0);
INSERT INTO port_addresses VALUES('6cde8c91-a2fc-40b3-b946-e90b89e54aac','a3948e70-de23-46ce-bac6-06ce894cea74','f6161bde-06e5-4179-8c13-841b2bb7ec95','10.9.0.1','00000000000000000000ffff0a090001',0);
INSERT INTO port_addresses VALUES('f249888a-11da-4537-986b-e52986382e22','a3948e70-de23-46ce-bac6-06ce894cea74','f6161bde-06e5-4179-8c13-841b2bb7ec95','10.9.0.2','00000000000000000000ffff0a090002',0);
INSERT INTO port_addresses VALUES('05df086e-8878-467d-939e-bafd885503b7','a3948e70-de23-46ce-bac6-06ce894cea74','f6161bde-06e5-4179-8c13-841b2bb7ec95','10.9.0.3','00000000000000000000ffff0a090003',0);
INSERT INTO port_addresses VALUES('610bccfb-3b3d-47b8-9e67-3ad138f8dd09','39abf7cd-8548-42cb-ac58-32e1c075c263','b4c65aa1-29c2-4559-831e-520577c6bf2b','172.24.4.12','00000000000000000000ffffac18040c',0);
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
INSERT INTO security_groups VALUES('edcb7635-6856-4bbd-8801-3117fcaa9240','a3d6f8ef4b54415986f236001017af81','default','Default security group','a3d6f8ef4b54415986f236001017af81',0,1795335432511678,1795335432511678);
INSERT INTO security_groups VALUES('000a7782-eb57-43b8-a31b-4a6c89adf308','a3d6f8ef4b54415986f236001017af81','guards','',NULL,1,1795335432511614,1795335432515538);
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
INSERT INTO security_group_rules VALUES('6b60722f-3ec7-40b2-b8cc-0a7cfdeb419a','a3d6f8ef4b54415986f236001017af81','edcb7635-6856-4bbd-8801-3117fcaa9240','','ingress','IPv4','',NULL,NULL,'','edcb7635-6856-4bbd-8801-3117fcaa9240','edcb7635-6856-4bbd-8801-3117fcaa9240|ingress|IPv4|-1|-|-||edcb7635-6856-4bbd-8801-3117fcaa9240',0,1795335432511678,1795335432511678);
INSERT INTO security_group_rules VALUES('7d47124c-0dd3-4c58-96c6-a2ae5a30b2ec','a3d6f8ef4b54415986f236001017af81','edcb7635-6856-4bbd-8801-3117fcaa9240','','egress','IPv4','',NULL,NULL,'','','edcb7635-6856-4bbd-8801-3117fcaa9240|egress|IPv4|-1|-|-||',0,1795335432511679,1795335432511679);
INSERT INTO security_group_rules VALUES('561eaabe-b986-43fb-bb68-87a066328731','a3d6f8ef4b54415986f236001017af81','edcb7635-6856-4bbd-8801-3117fcaa9240','','ingress','IPv6','',NULL,NULL,'','edcb7635-6856-4bbd-8801-3117fcaa9240','edcb7635-6856-4bbd-8801-3117fcaa9240|ingress|IPv6|-1|-|-||edcb7635-6856-4bbd-8801-3117fcaa9240',0,1795335432511679,1795335432511679);
INSERT INTO security_group_rules VALUES('658c1e60-c7c0-43a1-bdc6-4984affa4683','a3d6f8ef4b54415986f236001017af81','edcb7635-6856-4bbd-8801-3117fcaa9240','','egress','IPv6','',NULL,NULL,'','','edcb7635-6856-4bbd-8801-3117fcaa9240|egress|IPv6|-1|-|-||',0,1795335432511680,1795335432511680);
INSERT INTO security_group_rules VALUES('1d8733ab-b3db-49cb-b34d-c4d7ecccf475','a3d6f8ef4b54415986f236001017af81','000a7782-eb57-43b8-a31b-4a6c89adf308','','egress','IPv4','',NULL,NULL,'','','000a7782-eb57-43b8-a31b-4a6c89adf308|egress|IPv4|-1|-|-||',0,1795335432511617,1795335432511617);
INSERT INTO security_group_rules VALUES('f930e13b-8594-4289-99c8-7bd2a2530d6e','a3d6f8ef4b54415986f236001017af81','000a7782-eb57-43b8-a31b-4a6c89adf308','','egress','IPv6','',NULL,NULL,'','','000a7782-eb57-43b8-a31b-4a6c89adf308|egress|IPv6|-1|-|-||',0,1795335432511617,1795335432511617);
INSERT INTO security_group_rules VALUES('33eb3025-e23b-4b25-ab50-90e95e656228','a3d6f8ef4b54415986f236001017af81','000a7782-eb57-43b8-a31b-4a6c89adf308','','ingress','IPv4','tcp',22,22,'0.0.0.0/0','','000a7782-eb57-43b8-a31b-4a6c89adf308|ingress|IPv4|6|22|22||',0,1795335432515342,1795335432515342);
CREATE TABLE port_groups (
  port_id VARCHAR(36) NOT NULL,
  security_group_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL,
  PRIMARY KEY (port_id, security_group_id)
);
INSERT INTO port_groups VALUES('f249888a-11da-4537-986b-e52986382e22','000a7782-eb57-43b8-a31b-4a6c89adf308','host-1');
CREATE TABLE routers (
  id VARCHAR(36) PRIMARY KEY,
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description VARCHAR(255) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  status VARCHAR(16) NOT NULL,
  status_detail TEXT NOT NULL,
  host VARCHAR(255) NOT NULL,
  gateway_port_id VARCHAR(36) NOT NULL,
  gateway_network_id VARCHAR(36) NOT NULL,
  enable_snat INTEGER NOT NULL,
  routes TEXT NOT NULL,
  az_hints TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO routers VALUES('25ce129f-0958-4637-a7cb-2486e733e2d6','a3d6f8ef4b54415986f236001017af81','router1','',1,'ACTIVE','','host-1','f98da738-be77-43cb-ae2f-a27793272795','39abf7cd-8548-42cb-ac58-32e1c075c263',1,'[]','[]',0,1795335431472971,1795335431472971);
INSERT INTO routers VALUES('15e93dcf-b66c-47fb-8e5f-ee144c991223','a3d6f8ef4b54415986f236001017af81','gate','',1,'ACTIVE','','host-1','74f22b5e-74b1-404e-9544-036d7e67c7ca','39abf7cd-8548-42cb-ac58-32e1c075c263',1,'[]','[]',1,1795335432501994,1795335432505112);
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
INSERT INTO floating_ips VALUES('dd08364f-5d9d-41ae-b7f2-5fc2d1b5295b','a3d6f8ef4b54415986f236001017af81','','39abf7cd-8548-42cb-ac58-32e1c075c263','172.24.4.12','610bccfb-3b3d-47b8-9e67-3ad138f8dd09','15e93dcf-b66c-47fb-8e5f-ee144c991223','f249888a-11da-4537-986b-e52986382e22','10.9.0.2','ACTIVE',0,1795335432658541,1795335432658541);
CREATE TABLE tags (
  resource_id VARCHAR(36) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  PRIMARY KEY (resource_id, tag)
);
INSERT INTO tags VALUES('f249888a-11da-4537-986b-e52986382e22','blue');
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
INSERT INTO hosts VALUES('host-1','127.0.0.1',13);
CREATE TABLE agents (
  id VARCHAR(36) PRIMARY KEY,
  host VARCHAR(255) NOT NULL,
  agent_type VARCHAR(255) NOT NULL,
  binary_name VARCHAR(255) NOT NULL,
  version VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  availability_zone VARCHAR(255) NOT NULL,
  admin_state_up INTEGER NOT NULL,
  capabilities TEXT NOT NULL,
  configurations TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL
);
INSERT INTO agents VALUES('d5b37ef9-b125-4333-8ac9-f1d0008ca083','host-1','Virga node agent','virga','v0.1','','nova',1,'[]','{"tunnel_types":["vxlan"],"tunneling_ip":"127.0.0.1"}',1795335431504081,1795335431500426,1795335431504081);
CREATE TABLE seeded (
  name VARCHAR(64) PRIMARY KEY,
  resource_id VARCHAR(36) NOT NULL
);
INSERT INTO seeded VALUES('public','39abf7cd-8548-42cb-ac58-32e1c075c263');
INSERT INTO seeded VALUES('private','c4380c66-5a13-48e5-bee7-6c23670dc30b');
INSERT INTO seeded VALUES('router1','25ce129f-0958-4637-a7cb-2486e733e2d6');
CREATE TABLE feed_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO feed_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO feed_schema VALUES(2,1,1,'2026-11-22 08:17:11');
CREATE TABLE feed (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at BIGINT NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  kind VARCHAR(64) NOT NULL,
  resource_id VARCHAR(255) NOT NULL,
  action VARCHAR(64) NOT NULL,
  detail TEXT
);
INSERT INTO feed VALUES(1,1795335431472684,'','','','network','39abf7cd-8548-42cb-ac58-32e1c075c263','create','{"seed":"public"}');
INSERT INTO feed VALUES(2,1795335431472938,'','','','network','c4380c66-5a13-48e5-bee7-6c23670dc30b','create','{"seed":"private"}');
INSERT INTO feed VALUES(3,1795335431473467,'','','','router','25ce129f-0958-4637-a7cb-2486e733e2d6','create','{"seed":"router1"}');
INSERT INTO feed VALUES(4,1795335432497064,'req-1aadd01a-8584-49f9-9430-9b2d3eb65acf','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','network','a3948e70-de23-46ce-bac6-06ce894cea74','create','null');
INSERT INTO feed VALUES(5,1795335432499763,'req-49dff6f8-9159-4325-a957-0ce8ac2f737a','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','subnet','f6161bde-06e5-4179-8c13-841b2bb7ec95','create','null');
INSERT INTO feed VALUES(6,1795335432502530,'req-b69e711f-7a1c-4ac6-a09a-df7565d3b8d3','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','router','15e93dcf-b66c-47fb-8e5f-ee144c991223','create','null');
INSERT INTO feed VALUES(7,1795335432506034,'req-6838769e-a25e-42f5-88b0-baaa85eb275e','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','router','15e93dcf-b66c-47fb-8e5f-ee144c991223','update','null');
INSERT INTO feed VALUES(8,1795335432511839,'','','','security_group','edcb7635-6856-4bbd-8801-3117fcaa9240','create','null');
INSERT INTO feed VALUES(9,1795335432511948,'req-b81405b9-014e-4ec9-8749-cef25f3a5ec7','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','security_group','000a7782-eb57-43b8-a31b-4a6c89adf308','create','null');
INSERT INTO feed VALUES(10,1795335432515608,'req-dcd56e56-f30a-4e2e-9c83-492908d64cd4','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','security_group_rule','33eb3025-e23b-4b25-ab50-90e95e656228','create','{"security_group_id":"000a7782-eb57-43b8-a31b-4a6c89adf308"}');
INSERT INTO feed VALUES(11,1795335432518826,'req-a1ae0a30-d528-498f-bcb2-c828bd1fb662','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','port','f249888a-11da-4537-986b-e52986382e22','create','null');
INSERT INTO feed VALUES(12,1795335432520431,'req-921e7bab-ce55-4665-9602-e6c52261a3f0','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','tags','f249888a-11da-4537-986b-e52986382e22','update','{"table":"ports"}');
INSERT INTO feed VALUES(13,1795335432554750,'req-23fe35b7-6436-403a-94a0-f0d2f77b6862','compute','','port','f249888a-11da-4537-986b-e52986382e22','update','null');
INSERT INTO feed VALUES(14,1795335432567255,'','','','port','f249888a-11da-4537-986b-e52986382e22','status','{"host":"host-1","status":"ACTIVE"}');
INSERT INTO feed VALUES(15,1795335432607601,'req-858877e2-a61a-44d9-8579-0defe69b7052','compute','','port','d6527304-db60-42ce-bebd-4fbee32f6f7a','create','null');
INSERT INTO feed VALUES(16,1795335432618791,'','','','port','d6527304-db60-42ce-bebd-4fbee32f6f7a','status','{"host":"host-1","status":"ACTIVE"}');
INSERT INTO feed VALUES(17,1795335432659159,'req-6cfb4d9b-c187-4e38-ac1a-49a2e0de3c1d','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','floatingip','dd08364f-5d9d-41ae-b7f2-5fc2d1b5295b','create','null');
INSERT INTO feed VALUES(18,1795335432673104,'req-7f897f0a-f849-4005-89a4-586ebaf2073d','compute','','port','d6527304-db60-42ce-bebd-4fbee32f6f7a','delete','null');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('network_schema',2);
INSERT INTO sqlite_sequence VALUES('feed_schema',2);
INSERT INTO sqlite_sequence VALUES('feed',18);
CREATE UNIQUE INDEX networks_segment ON networks (segment_key);
CREATE INDEX networks_project ON networks (project_id, id);
CREATE INDEX networks_external ON networks (external, id);
CREATE INDEX networks_shared ON networks (shared, id);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id, id);
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac_address);
CREATE INDEX ports_project ON ports (project_id, id);
CREATE INDEX ports_device ON ports (device_id, id);
CREATE INDEX ports_host ON ports (host, network_id);
CREATE INDEX ports_network_host ON ports (network_id, host, device_owner);
CREATE INDEX port_addresses_port ON port_addresses (port_id, place);
CREATE INDEX port_addresses_address ON port_addresses (address);
CREATE UNIQUE INDEX security_groups_default ON security_groups (default_of);
CREATE INDEX security_groups_project ON security_groups (project_id, id);
CREATE UNIQUE INDEX security_group_rules_identity ON security_group_rules (identity_key);
CREATE INDEX security_group_rules_group ON security_group_rules (security_group_id, id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id, id);
CREATE INDEX port_groups_group ON port_groups (security_group_id, host);
CREATE INDEX routers_project ON routers (project_id, id);
CREATE INDEX routers_host ON routers (host);
CREATE INDEX routers_gateway_network ON routers (gateway_network_id);
CREATE INDEX floating_ips_project ON floating_ips (project_id, id);
CREATE INDEX floating_ips_port ON floating_ips (port_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE INDEX floating_ips_network ON floating_ips (network_id);
CREATE INDEX floating_ips_floating_port ON floating_ips (floating_port_id);
CREATE UNIQUE INDEX agents_host ON agents (host, agent_type);
CREATE INDEX feed_at ON feed (at);
COMMIT;
