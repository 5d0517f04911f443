PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE identity_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO identity_schema VALUES(1,0,1,'2026-11-22 08:17:10');
INSERT INTO identity_schema VALUES(2,1,1,'2026-11-22 08:17:10');
CREATE TABLE projects (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  parent_id VARCHAR(64) NOT NULL,
  is_domain INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  description TEXT NOT NULL,
  options TEXT NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO projects VALUES('default','Default','','',1,1,'The default domain','null','null');
INSERT INTO projects VALUES('a3d6f8ef4b54415986f236001017af81','admin','default','default',0,1,'Administration of the cloud.','null','null');
INSERT INTO projects VALUES('1d7b854fbfea429bb67d66e22584fa52','service','default','default',0,1,'Services of the cloud.','null','null');
INSERT INTO projects VALUES('36f1181614284f288dccf99e9a671b27','town','default','default',0,1,'','null','{}');
CREATE TABLE project_tags (
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  PRIMARY KEY (project_id, name)
);
INSERT INTO project_tags VALUES('36f1181614284f288dccf99e9a671b27','a');
INSERT INTO project_tags VALUES('36f1181614284f288dccf99e9a671b27','b');
CREATE TABLE users (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  enabled INTEGER NOT NULL,
  default_project_id VARCHAR(64) NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  valid_after BIGINT NOT NULL,
  options TEXT NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO users VALUES('875d259e9d8142fda8dcca90ea407edf','admin','default',1,'','$bcrypt-sha256$2a$12$rDl0FTquARsbhBvbqgIQpeGXWKUALfC7NnzB80y.7pj2TRcRrXl.e',0,'null','null');
INSERT INTO users VALUES('9f32cb5adeff4d89b0df8efd43caf1a7','mayor','default',1,'','$bcrypt-sha256$2a$12$RcU5H0/lpHTucHnJyyxvIef3nXfLdw3kOw8fN97plMWWJs1Bxr5iG',0,'null','{"email":"mayor@town.example"}');
CREATE TABLE identity_groups (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  description TEXT NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO identity_groups VALUES('9f936befe58640b3b1e3630e21fab7fb','council','default','','{}');
CREATE TABLE memberships (
  user_id VARCHAR(64) NOT NULL,
  group_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (user_id, group_id)
);
INSERT INTO memberships VALUES('9f32cb5adeff4d89b0df8efd43caf1a7','9f936befe58640b3b1e3630e21fab7fb');
CREATE TABLE roles (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  description TEXT NOT NULL,
  options TEXT NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO roles VALUES('96925bde51d14310a55f96f407a01b40','reader','','','null','null');
INSERT INTO roles VALUES('6474074f2e1d4ded90533bd5d5359e15','member','','','null','null');
INSERT INTO roles VALUES('661f17e0e8254f19b37e1bbdd3ff0706','manager','','','null','null');
INSERT INTO roles VALUES('6ca3de666e0f489791f71cc8089d3f42','admin','','','null','null');
INSERT INTO roles VALUES('c874b4ba1b1a46eea1e51d8e35342321','service','','','null','null');
INSERT INTO roles VALUES('de43c06835364999a9cbd031934059a6','clerk','','','null','{}');
CREATE TABLE implied_roles (
  prior_role_id VARCHAR(64) NOT NULL,
  implied_role_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (prior_role_id, implied_role_id)
);
INSERT INTO implied_roles VALUES('6474074f2e1d4ded90533bd5d5359e15','96925bde51d14310a55f96f407a01b40');
INSERT INTO implied_roles VALUES('661f17e0e8254f19b37e1bbdd3ff0706','6474074f2e1d4ded90533bd5d5359e15');
INSERT INTO implied_roles VALUES('6ca3de666e0f489791f71cc8089d3f42','661f17e0e8254f19b37e1bbdd3ff0706');
CREATE TABLE assignments (
  actor_type VARCHAR(16) NOT NULL,
  actor_id VARCHAR(64) NOT NULL,
  target_type VARCHAR(16) NOT NULL,
  target_id VARCHAR(64) NOT NULL,
  role_id VARCHAR(64) NOT NULL,
  inherited INTEGER NOT NULL,
  PRIMARY KEY (actor_id, target_id, role_id, target_type, inherited)
);
INSERT INTO assignments VALUES('user','875d259e9d8142fda8dcca90ea407edf','project','a3d6f8ef4b54415986f236001017af81','6ca3de666e0f489791f71cc8089d3f42',0);
INSERT INTO assignments VALUES('user','875d259e9d8142fda8dcca90ea407edf','domain','default','6ca3de666e0f489791f71cc8089d3f42',0);
INSERT INTO assignments VALUES('user','875d259e9d8142fda8dcca90ea407edf','system','system','6ca3de666e0f489791f71cc8089d3f42',0);
INSERT INTO assignments VALUES('group','9f936befe58640b3b1e3630e21fab7fb','project','36f1181614284f288dccf99e9a671b27','de43c06835364999a9cbd031934059a6',0);
CREATE TABLE regions (
  id VARCHAR(255) PRIMARY KEY,
  description VARCHAR(255) NOT NULL,
  parent_region_id VARCHAR(255) NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO regions VALUES('RegionOne','','','null');
CREATE TABLE services (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(255) NOT NULL,
  enabled INTEGER NOT NULL,
  description TEXT NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO services VALUES('810794604c554c1888ec7a26c09afdc1','keystone','identity',1,'','null');
INSERT INTO services VALUES('4e606ab8a6e24e9d936e0c6056add638','glance','image',1,'','null');
INSERT INTO services VALUES('65c0333df48a4589a060728e7a7f7805','placement','placement',1,'','null');
INSERT INTO services VALUES('e8724ebdf98d460f89e636c5d6c949f6','nova','compute',1,'','null');
INSERT INTO services VALUES('2a956d4c9d6f4a6f97803af2ae7589e5','neutron','network',1,'','null');
CREATE TABLE endpoints (
  id VARCHAR(64) PRIMARY KEY,
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255) NOT NULL,
  interface VARCHAR(8) NOT NULL,
  url TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  name VARCHAR(255) NOT NULL,
  extra TEXT NOT NULL
);
INSERT INTO endpoints VALUES('15a1591c27ab46948939064511b6cd09','810794604c554c1888ec7a26c09afdc1','RegionOne','public','http://127.0.0.1:35363/identity',1,'','null');
INSERT INTO endpoints VALUES('203ccaeff6ff4434bf61964413b8298a','810794604c554c1888ec7a26c09afdc1','RegionOne','internal','http://127.0.0.1:35363/identity',1,'','null');
INSERT INTO endpoints VALUES('e7f76fbffdca4a8b9b3857040a809b96','810794604c554c1888ec7a26c09afdc1','RegionOne','admin','http://127.0.0.1:35363/identity',1,'','null');
INSERT INTO endpoints VALUES('5af74ae668ee4e48acd64323b4ed85c6','4e606ab8a6e24e9d936e0c6056add638','RegionOne','public','http://127.0.0.1:35363/image',1,'','null');
INSERT INTO endpoints VALUES('c0b93ed718ef41eba3504851ba8a64f4','4e606ab8a6e24e9d936e0c6056add638','RegionOne','internal','http://127.0.0.1:35363/image',1,'','null');
INSERT INTO endpoints VALUES('e8861f3a99c8472ebb6440eef127d2b9','4e606ab8a6e24e9d936e0c6056add638','RegionOne','admin','http://127.0.0.1:35363/image',1,'','null');
INSERT INTO endpoints VALUES('a8ae5bed25194318a24f436e2f6fc4e4','65c0333df48a4589a060728e7a7f7805','RegionOne','public','http://127.0.0.1:35363/placement',1,'','null');
INSERT INTO endpoints VALUES('4b228ef56e26455ca02a3b8c387f103e','65c0333df48a4589a060728e7a7f7805','RegionOne','internal','http://127.0.0.1:35363/placement',1,'','null');
INSERT INTO endpoints VALUES('a6b039281b244bf3af8af124ca544301','65c0333df48a4589a060728e7a7f7805','RegionOne','admin','http://127.0.0.1:35363/placement',1,'','null');
INSERT INTO endpoints VALUES('1e87efd281cf47588ad382eba4d81f98','e8724ebdf98d460f89e636c5d6c949f6','RegionOne','public','http://127.0.0.1:35363/compute/v2.1',1,'','null');
INSERT INTO endpoints VALUES('9c82a41b6f6740caa0d6084055deafc6','e8724ebdf98d460f89e636c5d6c949f6','RegionOne','internal','http://127.0.0.1:35363/compute/v2.1',1,'','null');
INSERT INTO endpoints VALUES('d7f2080cf4ed4f2a91d4d2ee08d2f57b','e8724ebdf98d460f89e636c5d6c949f6','RegionOne','admin','http://127.0.0.1:35363/compute/v2.1',1,'','null');
INSERT INTO endpoints VALUES('2f68eed43b894f9c927f6e7a8ae81328','2a956d4c9d6f4a6f97803af2ae7589e5','RegionOne','public','http://127.0.0.1:35363/network',1,'','null');
INSERT INTO endpoints VALUES('03ba90ea3700470a9cc5c2aa1e20f6a2','2a956d4c9d6f4a6f97803af2ae7589e5','RegionOne','internal','http://127.0.0.1:35363/network',1,'','null');
INSERT INTO endpoints VALUES('d4389132fc4746119eaf7a33f2bcbf69','2a956d4c9d6f4a6f97803af2ae7589e5','RegionOne','admin','http://127.0.0.1:35363/network',1,'','null');
CREATE TABLE revocations (
  audit_id VARCHAR(64) PRIMARY KEY,
  expires BIGINT NOT NULL
);
CREATE TABLE token_lineage (
  audit_id VARCHAR(64) PRIMARY KEY,
  parent_id VARCHAR(64) NOT NULL,
  expires BIGINT NOT NULL
);
CREATE TABLE application_credentials (
  id VARCHAR(64) PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description TEXT NOT NULL,
  secret_hash VARCHAR(255) NOT NULL,
  expires BIGINT NOT NULL,
  unrestricted INTEGER NOT NULL,
  roles TEXT NOT NULL,
  access_rules TEXT NOT NULL
);
CREATE TABLE feed_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO feed_schema VALUES(1,0,1,'2026-11-22 08:17:10');
INSERT INTO feed_schema VALUES(2,1,1,'2026-11-22 08:17:10');
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
INSERT INTO feed VALUES(1,1795335431400488,'','','','domain','default','create','null');
INSERT INTO feed VALUES(2,1795335431400488,'','','','project','a3d6f8ef4b54415986f236001017af81','create','null');
INSERT INTO feed VALUES(3,1795335431400488,'','','','project','1d7b854fbfea429bb67d66e22584fa52','create','null');
INSERT INTO feed VALUES(4,1795335431400488,'','','','role','96925bde51d14310a55f96f407a01b40','create','null');
INSERT INTO feed VALUES(5,1795335431400488,'','','','role','6474074f2e1d4ded90533bd5d5359e15','create','null');
INSERT INTO feed VALUES(6,1795335431400488,'','','','role','6474074f2e1d4ded90533bd5d5359e15','imply','null');
INSERT INTO feed VALUES(7,1795335431400488,'','','','role','661f17e0e8254f19b37e1bbdd3ff0706','create','null');
INSERT INTO feed VALUES(8,1795335431400488,'','','','role','661f17e0e8254f19b37e1bbdd3ff0706','imply','null');
INSERT INTO feed VALUES(9,1795335431400488,'','','','role','6ca3de666e0f489791f71cc8089d3f42','create','null');
INSERT INTO feed VALUES(10,1795335431400488,'','','','role','6ca3de666e0f489791f71cc8089d3f42','imply','null');
INSERT INTO feed VALUES(11,1795335431400488,'','','','role','c874b4ba1b1a46eea1e51d8e35342321','create','null');
INSERT INTO feed VALUES(12,1795335431400488,'','','','user','875d259e9d8142fda8dcca90ea407edf','create','null');
INSERT INTO feed VALUES(13,1795335431400488,'','','','role_assignment','6ca3de666e0f489791f71cc8089d3f42','create','null');
INSERT INTO feed VALUES(14,1795335431400488,'','','','role_assignment','6ca3de666e0f489791f71cc8089d3f42','create','null');
INSERT INTO feed VALUES(15,1795335431400488,'','','','role_assignment','6ca3de666e0f489791f71cc8089d3f42','create','null');
INSERT INTO feed VALUES(16,1795335431400488,'','','','region','RegionOne','create','null');
INSERT INTO feed VALUES(17,1795335431400488,'','','','service','810794604c554c1888ec7a26c09afdc1','create','null');
INSERT INTO feed VALUES(18,1795335431400488,'','','','endpoint','15a1591c27ab46948939064511b6cd09','create','null');
INSERT INTO feed VALUES(19,1795335431400488,'','','','endpoint','203ccaeff6ff4434bf61964413b8298a','create','null');
INSERT INTO feed VALUES(20,1795335431400488,'','','','endpoint','e7f76fbffdca4a8b9b3857040a809b96','create','null');
INSERT INTO feed VALUES(21,1795335431400488,'','','','service','4e606ab8a6e24e9d936e0c6056add638','create','null');
INSERT INTO feed VALUES(22,1795335431400488,'','','','endpoint','5af74ae668ee4e48acd64323b4ed85c6','create','null');
INSERT INTO feed VALUES(23,1795335431400488,'','','','endpoint','c0b93ed718ef41eba3504851ba8a64f4','create','null');
INSERT INTO feed VALUES(24,1795335431400488,'','','','endpoint','e8861f3a99c8472ebb6440eef127d2b9','create','null');
INSERT INTO feed VALUES(25,1795335431400488,'','','','service','65c0333df48a4589a060728e7a7f7805','create','null');
INSERT INTO feed VALUES(26,1795335431400488,'','','','endpoint','a8ae5bed25194318a24f436e2f6fc4e4','create','null');
INSERT INTO feed VALUES(27,1795335431400488,'','','','endpoint','4b228ef56e26455ca02a3b8c387f103e','create','null');
INSERT INTO feed VALUES(28,1795335431400488,'','','','endpoint','a6b039281b244bf3af8af124ca544301','create','null');
INSERT INTO feed VALUES(29,1795335431400488,'','','','service','e8724ebdf98d460f89e636c5d6c949f6','create','null');
INSERT INTO feed VALUES(30,1795335431400488,'','','','endpoint','1e87efd281cf47588ad382eba4d81f98','create','null');
INSERT INTO feed VALUES(31,1795335431400488,'','','','endpoint','9c82a41b6f6740caa0d6084055deafc6','create','null');
INSERT INTO feed VALUES(32,1795335431400488,'','','','endpoint','d7f2080cf4ed4f2a91d4d2ee08d2f57b','create','null');
INSERT INTO feed VALUES(33,1795335431400488,'','','','service','2a956d4c9d6f4a6f97803af2ae7589e5','create','null');
INSERT INTO feed VALUES(34,1795335431400488,'','','','endpoint','2f68eed43b894f9c927f6e7a8ae81328','create','null');
INSERT INTO feed VALUES(35,1795335431400488,'','','','endpoint','03ba90ea3700470a9cc5c2aa1e20f6a2','create','null');
INSERT INTO feed VALUES(36,1795335431400488,'','','','endpoint','d4389132fc4746119eaf7a33f2bcbf69','create','null');
INSERT INTO feed VALUES(37,1795335432020005,'req-2950679c-0bf5-4c5d-b8e0-e8bc547c14b1','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','project','36f1181614284f288dccf99e9a671b27','create','null');
INSERT INTO feed VALUES(38,1795335432475392,'req-08adc74c-d275-428f-a27f-9c1990b38f82','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','user','9f32cb5adeff4d89b0df8efd43caf1a7','create','null');
INSERT INTO feed VALUES(39,1795335432479343,'req-6067160b-b116-4357-a604-41809560ed21','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','group','9f936befe58640b3b1e3630e21fab7fb','create','null');
INSERT INTO feed VALUES(40,1795335432481001,'req-5296aa98-8527-4f6b-9a92-a964e2042c9f','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','group','9f936befe58640b3b1e3630e21fab7fb','add_user','null');
INSERT INTO feed VALUES(41,1795335432483178,'req-1b70e47d-95ee-424f-ae70-c860e3fb9d3b','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','role','de43c06835364999a9cbd031934059a6','create','null');
INSERT INTO feed VALUES(42,1795335432485096,'req-b2f07895-1a19-4221-831c-ab4184ce316e','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','role_assignment','de43c06835364999a9cbd031934059a6','create','null');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('identity_schema',2);
INSERT INTO sqlite_sequence VALUES('feed_schema',2);
INSERT INTO sqlite_sequence VALUES('feed',42);
CREATE UNIQUE INDEX projects_name ON projects (domain_id, name);
CREATE INDEX projects_parent ON projects (parent_id);
CREATE INDEX project_tags_name ON project_tags (name);
CREATE UNIQUE INDEX users_name ON users (domain_id, name);
CREATE UNIQUE INDEX identity_groups_name ON identity_groups (domain_id, name);
CREATE INDEX memberships_group ON memberships (group_id);
CREATE UNIQUE INDEX roles_name ON roles (domain_id, name);
CREATE INDEX implied_roles_implied ON implied_roles (implied_role_id);
CREATE INDEX assignments_target ON assignments (target_id);
CREATE INDEX assignments_role ON assignments (role_id);
CREATE INDEX regions_parent ON regions (parent_region_id);
CREATE INDEX services_type ON services (type);
CREATE INDEX endpoints_service ON endpoints (service_id);
CREATE INDEX endpoints_region ON endpoints (region_id);
CREATE INDEX revocations_expires ON revocations (expires);
CREATE INDEX token_lineage_parent ON token_lineage (parent_id);
CREATE INDEX token_lineage_expires ON token_lineage (expires);
CREATE UNIQUE INDEX application_credentials_name ON application_credentials (user_id, name);
CREATE INDEX application_credentials_project ON application_credentials (project_id);
CREATE INDEX feed_at ON feed (at);
COMMIT;
