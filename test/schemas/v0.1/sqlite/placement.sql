PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO feed VALUES(1,1795335431530494,'req-fe2a0ab2-e3bb-485b-aa82-90f41039d9d9','compute','','resource_provider','e269aa90-4530-427f-be34-87a200b760ec','create','{"name":"host-1"}');
INSERT INTO feed VALUES(2,1795335431541115,'req-de4369ff-8e3b-4181-89e9-9c3a6fdf2377','compute','','resource_provider','e269aa90-4530-427f-be34-87a200b760ec','update_inventory','{"classes":["DISK_GB","MEMORY_MB","VCPU"]}');
INSERT INTO feed VALUES(3,1795335431545846,'req-278d3e7a-4e56-492f-89f0-1d60f9e5ddf8','compute','','resource_provider','e269aa90-4530-427f-be34-87a200b760ec','update_traits','{"traits":["COMPUTE_DEVICE_TAGGING","COMPUTE_IMAGE_TYPE_QCOW2","COMPUTE_IMAGE_TYPE_RAW","COMPUTE_NET_ATTACH_INTERFACE","COMPUTE_NODE","HW_ARCH_X86_64"]}');
INSERT INTO feed VALUES(4,1795335432545874,'req-996066ae-8568-445a-ba19-7105db5ed611','compute','','consumer','8cf7c671-ff0f-4fe7-b17e-774a0424464e','allocate','{"project_id":"a3d6f8ef4b54415986f236001017af81","resources":[{"amount":1,"class":"DISK_GB","provider":"e269aa90-4530-427f-be34-87a200b760ec"},{"amount":128,"class":"MEMORY_MB","provider":"e269aa90-4530-427f-be34-87a200b760ec"},{"amount":1,"class":"VCPU","provider":"e269aa90-4530-427f-be34-87a200b760ec"}]}');
INSERT INTO feed VALUES(5,1795335432599231,'req-076e4d8c-0109-4633-ace8-1acb33a16046','compute','','consumer','bc20d5fc-d772-454c-bfa9-f604f2918353','allocate','{"project_id":"a3d6f8ef4b54415986f236001017af81","resources":[{"amount":1,"class":"DISK_GB","provider":"e269aa90-4530-427f-be34-87a200b760ec"},{"amount":128,"class":"MEMORY_MB","provider":"e269aa90-4530-427f-be34-87a200b760ec"},{"amount":1,"class":"VCPU","provider":"e269aa90-4530-427f-be34-87a200b760ec"}]}');
INSERT INTO feed VALUES(6,1795335432678138,'req-b3b1882e-917c-406b-b576-7b3bab50f471','compute','','consumer','bc20d5fc-d772-454c-bfa9-f604f2918353','deallocate','null');
CREATE TABLE placement_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO placement_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO placement_schema VALUES(2,1,1,'2026-11-22 08:17:11');
CREATE TABLE resource_providers (
  uuid VARCHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(200) NOT NULL,
  parent VARCHAR(36) NOT NULL,
  root VARCHAR(36) NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO resource_providers VALUES('e269aa90-4530-427f-be34-87a200b760ec','host-1','','e269aa90-4530-427f-be34-87a200b760ec',4,1795335431512515,1795335432598720);
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
INSERT INTO inventories VALUES('e269aa90-4530-427f-be34-87a200b760ec','DISK_GB',4096,0,1,4096,1,1.0,1,1795335431540605,1795335431540605);
INSERT INTO inventories VALUES('e269aa90-4530-427f-be34-87a200b760ec','MEMORY_MB',1048576,512,1,1048576,1,1.0,128,1795335431540605,1795335431540605);
INSERT INTO inventories VALUES('e269aa90-4530-427f-be34-87a200b760ec','VCPU',512,0,1,512,1,4.0,1,1795335431540605,1795335431540605);
CREATE TABLE provider_traits (
  provider VARCHAR(36) NOT NULL REFERENCES resource_providers (uuid),
  trait VARCHAR(255) NOT NULL,
  PRIMARY KEY (provider, trait)
);
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','COMPUTE_DEVICE_TAGGING');
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','COMPUTE_IMAGE_TYPE_QCOW2');
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','COMPUTE_IMAGE_TYPE_RAW');
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','COMPUTE_NET_ATTACH_INTERFACE');
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','COMPUTE_NODE');
INSERT INTO provider_traits VALUES('e269aa90-4530-427f-be34-87a200b760ec','HW_ARCH_X86_64');
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
INSERT INTO consumers VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','',1,1795335432545222,1795335432545222);
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
INSERT INTO allocations VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','e269aa90-4530-427f-be34-87a200b760ec','DISK_GB',1,1795335432545222);
INSERT INTO allocations VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','e269aa90-4530-427f-be34-87a200b760ec','MEMORY_MB',128,1795335432545222);
INSERT INTO allocations VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','e269aa90-4530-427f-be34-87a200b760ec','VCPU',1,1795335432545222);
CREATE TABLE tree_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  root VARCHAR(36) NOT NULL,
  whole INTEGER NOT NULL
);
INSERT INTO tree_changes VALUES(1,'e269aa90-4530-427f-be34-87a200b760ec',1);
INSERT INTO tree_changes VALUES(2,'e269aa90-4530-427f-be34-87a200b760ec',0);
INSERT INTO tree_changes VALUES(3,'e269aa90-4530-427f-be34-87a200b760ec',1);
INSERT INTO tree_changes VALUES(4,'e269aa90-4530-427f-be34-87a200b760ec',0);
INSERT INTO tree_changes VALUES(5,'e269aa90-4530-427f-be34-87a200b760ec',0);
INSERT INTO tree_changes VALUES(6,'e269aa90-4530-427f-be34-87a200b760ec',0);
INSERT INTO tree_changes VALUES(7,'e269aa90-4530-427f-be34-87a200b760ec',0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('feed_schema',2);
INSERT INTO sqlite_sequence VALUES('placement_schema',2);
INSERT INTO sqlite_sequence VALUES('tree_changes',7);
INSERT INTO sqlite_sequence VALUES('feed',6);
CREATE INDEX feed_at ON feed (at);
CREATE UNIQUE INDEX resource_providers_name ON resource_providers (name);
CREATE INDEX resource_providers_root ON resource_providers (root);
CREATE INDEX resource_providers_parent ON resource_providers (parent);
CREATE INDEX inventories_class ON inventories (resource_class);
CREATE INDEX provider_traits_trait ON provider_traits (trait);
CREATE INDEX consumers_project ON consumers (project_id, user_id);
CREATE INDEX allocations_provider ON allocations (provider, resource_class);
COMMIT;
