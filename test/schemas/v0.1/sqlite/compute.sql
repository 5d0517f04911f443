PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE work_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO work_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO work_schema VALUES(2,1,1,'2026-11-22 08:17:11');
INSERT INTO work_schema VALUES(3,2,1,'2026-11-22 08:17:11');
INSERT INTO work_schema VALUES(4,3,1,'2026-11-22 08:17:11');
CREATE TABLE operations (
  id VARCHAR(64) PRIMARY KEY,
  kind VARCHAR(64) NOT NULL,
  version INTEGER NOT NULL,
  resource_kind VARCHAR(64) NOT NULL,
  resource_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  state VARCHAR(16) NOT NULL,
  step INTEGER NOT NULL,
  step_name VARCHAR(64) NOT NULL,
  step_started_at BIGINT NOT NULL,
  back_to INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  wake_at BIGINT NOT NULL,
  signals BIGINT NOT NULL,
  cancelled INTEGER NOT NULL,
  deadline BIGINT NOT NULL,
  lease_owner VARCHAR(64) NOT NULL,
  lease_until BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  params TEXT NOT NULL,
  frame TEXT NOT NULL,
  error TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL
, last_error VARCHAR(1000) NOT NULL DEFAULT '');
INSERT INTO operations VALUES('f0afc358-b87b-46eb-b6f6-34697915b404','server_create',1,'server','8cf7c671-ff0f-4fe7-b17e-774a0424464e','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','req-1021b80c-46e3-4921-9a9d-7151127d566f','done',4,'settle',1795335432568514,-1,0,1795335432576005,1,0,1795339032533073,'host-1',0,1,'{"nics":[{"key":"481af14e-ab20-4d56-8aad-c549d0a25cef","port_id":"f249888a-11da-4537-986b-e52986382e22","network_id":"a3948e70-de23-46ce-bac6-06ce894cea74","network_name":"street","mtu":1450}]}','{"host":"host-1","provider_id":"e269aa90-4530-427f-be34-87a200b760ec","decision":{"chosen":"host-1","hosts":[{"host":"host-1","fits":true,"weight":1048064}]}}','',1795335432533073,1795335432577791,1795335432577224,'');
INSERT INTO operations VALUES('8afc3792-e958-490f-ac65-61f66123a392','server_create',1,'server','bc20d5fc-d772-454c-bfa9-f604f2918353','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','req-4f103c49-78ab-4a9f-8666-89bcbddea944','done',4,'settle',1795335432609989,-1,0,1795335432616227,1,0,1795339032594078,'host-1',0,1,'{"nics":[{"key":"697ac008-505d-4c0c-b4a2-39392482f81d","network_id":"a3948e70-de23-46ce-bac6-06ce894cea74","network_name":"street","mtu":1450}]}','{"host":"host-1","provider_id":"e269aa90-4530-427f-be34-87a200b760ec","decision":{"chosen":"host-1","hosts":[{"host":"host-1","fits":true,"weight":1047936}]}}','',1795335432594078,1795335432620416,1795335432619649,'');
INSERT INTO operations VALUES('7feadd8d-35d6-4025-8ef1-ad0d66402251','server_delete',1,'server','bc20d5fc-d772-454c-bfa9-f604f2918353','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','req-26d77af3-d7a6-4182-8791-be1f6375a9e5','done',4,'forget',1795335432678650,-1,0,1795335432670354,2,0,4948935432663574,'host-1',0,1,'{}','{}','',1795335432663574,1795335432679574,1795335432679251,'');
CREATE TABLE operation_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  operation_id VARCHAR(64) NOT NULL,
  step VARCHAR(64) NOT NULL,
  "undone" INTEGER NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL,
  error TEXT NOT NULL
);
INSERT INTO operation_events VALUES(1,'f0afc358-b87b-46eb-b6f6-34697915b404','schedule',0,1795335432533073,1795335432538246,'');
INSERT INTO operation_events VALUES(2,'f0afc358-b87b-46eb-b6f6-34697915b404','claim',0,1795335432538246,1795335432547887,'');
INSERT INTO operation_events VALUES(3,'f0afc358-b87b-46eb-b6f6-34697915b404','network',0,1795335432547887,1795335432566178,'');
INSERT INTO operation_events VALUES(4,'f0afc358-b87b-46eb-b6f6-34697915b404','spawn',0,1795335432566178,1795335432568514,'');
INSERT INTO operation_events VALUES(5,'f0afc358-b87b-46eb-b6f6-34697915b404','settle',0,1795335432568514,1795335432577224,'');
INSERT INTO operation_events VALUES(6,'8afc3792-e958-490f-ac65-61f66123a392','schedule',0,1795335432594078,1795335432597581,'');
INSERT INTO operation_events VALUES(7,'8afc3792-e958-490f-ac65-61f66123a392','claim',0,1795335432597581,1795335432599838,'');
INSERT INTO operation_events VALUES(8,'8afc3792-e958-490f-ac65-61f66123a392','network',0,1795335432599838,1795335432609276,'');
INSERT INTO operation_events VALUES(9,'8afc3792-e958-490f-ac65-61f66123a392','spawn',0,1795335432609276,1795335432609989,'');
INSERT INTO operation_events VALUES(10,'8afc3792-e958-490f-ac65-61f66123a392','settle',0,1795335432609989,1795335432619649,'');
INSERT INTO operation_events VALUES(11,'7feadd8d-35d6-4025-8ef1-ad0d66402251','preempt',0,1795335432663574,1795335432667471,'');
INSERT INTO operation_events VALUES(12,'7feadd8d-35d6-4025-8ef1-ad0d66402251','guest',0,1795335432667471,1795335432670913,'');
INSERT INTO operation_events VALUES(13,'7feadd8d-35d6-4025-8ef1-ad0d66402251','network',0,1795335432670913,1795335432674755,'');
INSERT INTO operation_events VALUES(14,'7feadd8d-35d6-4025-8ef1-ad0d66402251','claim',0,1795335432674755,1795335432678650,'');
INSERT INTO operation_events VALUES(15,'7feadd8d-35d6-4025-8ef1-ad0d66402251','forget',0,1795335432678650,1795335432679251,'');
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
INSERT INTO feed VALUES(1,1795335431506013,'req-b193d9d6-202f-4e26-98c2-1ef522eead7b','node:host-1','','host','host-1','create','null');
INSERT INTO feed VALUES(2,1795335432522997,'req-1d1ce867-9fb8-4214-ab46-f6bf1bbc7c8b','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','flavor','6292452a-8795-4df2-abef-6ea5882c2504','create','null');
INSERT INTO feed VALUES(3,1795335432525024,'req-e82ab6a0-ef5e-4936-845a-e9f9130706af','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','flavor','6292452a-8795-4df2-abef-6ea5882c2504','update','null');
INSERT INTO feed VALUES(4,1795335432526265,'req-5b823319-aa06-457a-9da9-793030b2012b','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','keypair','875d259e9d8142fda8dcca90ea407edf/key','create','null');
INSERT INTO feed VALUES(5,1795335432528454,'req-6b32f434-c878-4504-8bb7-3ccea3e7eda7','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server_group','1654de34-2895-4724-b0f5-060f4f843ceb','create','null');
INSERT INTO feed VALUES(6,1795335432533149,'req-1021b80c-46e3-4921-9a9d-7151127d566f','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','8cf7c671-ff0f-4fe7-b17e-774a0424464e','create.start','null');
INSERT INTO feed VALUES(7,1795335432577770,'req-1021b80c-46e3-4921-9a9d-7151127d566f','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','8cf7c671-ff0f-4fe7-b17e-774a0424464e','create','null');
INSERT INTO feed VALUES(8,1795335432594147,'req-4f103c49-78ab-4a9f-8666-89bcbddea944','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','bc20d5fc-d772-454c-bfa9-f604f2918353','create.start','null');
INSERT INTO feed VALUES(9,1795335432620396,'req-4f103c49-78ab-4a9f-8666-89bcbddea944','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','bc20d5fc-d772-454c-bfa9-f604f2918353','create','null');
INSERT INTO feed VALUES(10,1795335432654759,'req-bc338512-1a94-4279-8c7f-afbafccaf7e0','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','8cf7c671-ff0f-4fe7-b17e-774a0424464e','tags','null');
INSERT INTO feed VALUES(11,1795335432663685,'req-26d77af3-d7a6-4182-8791-be1f6375a9e5','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','bc20d5fc-d772-454c-bfa9-f604f2918353','delete.start','null');
INSERT INTO feed VALUES(12,1795335432679528,'req-26d77af3-d7a6-4182-8791-be1f6375a9e5','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','server','bc20d5fc-d772-454c-bfa9-f604f2918353','delete','null');
CREATE TABLE compute_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO compute_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO compute_schema VALUES(2,1,1,'2026-11-22 08:17:11');
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
  detail TEXT NOT NULL,
  nics TEXT NOT NULL
);
INSERT INTO servers VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','first','first','active',1,'host-1','','1ad73e27-acca-4215-98b8-39df3b1ce269','6292452a-8795-4df2-abef-6ea5882c2504',1,128,1,'',0,0,'r-uodwmoal',1795335432532723,1795335432654672,1795335432577294,0,'{"flavor":{"id":"6292452a-8795-4df2-abef-6ea5882c2504","name":"hut","vcpus":1,"ram":128,"disk":1,"ephemeral":0,"swap":0,"extra_specs":{"hw:cpu_policy":"shared"}},"image":{"name":"system","sha512":"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4","size":1500,"virtual_size":1500,"disk_format":"raw","properties":{"hw_machine_type":"q35","stores":"file"}},"disk_config":"MANUAL","metadata":{"k":"v"},"project_name":"admin","user_name":"admin","seed":"c0ZNbXK4C6RbuF4VHye6Si+nR5pxrPKJMR7VbY/Hg/o="}','[{"port_id":"f249888a-11da-4537-986b-e52986382e22","network_id":"a3948e70-de23-46ce-bac6-06ce894cea74","network_name":"street","mac":"fa:16:3e:0a:be:7c","mtu":1450,"status":"DOWN","vif_type":"bridge","fixed_ips":[{"subnet_id":"f6161bde-06e5-4179-8c13-841b2bb7ec95","address":"10.9.0.2"}],"groups":[{"id":"000a7782-eb57-43b8-a31b-4a6c89adf308","name":"guards"}],"subnets":[{"id":"f6161bde-06e5-4179-8c13-841b2bb7ec95","network_id":"a3948e70-de23-46ce-bac6-06ce894cea74","cidr":"10.9.0.0/24","gateway_ip":"10.9.0.1","ip_version":4,"enable_dhcp":true,"dns_nameservers":["9.9.9.9"],"host_routes":[],"ipv6_address_mode":""}]}]');
INSERT INTO servers VALUES('bc20d5fc-d772-454c-bfa9-f604f2918353','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','gone','gone','deleted',0,'host-1','','1ad73e27-acca-4215-98b8-39df3b1ce269','6292452a-8795-4df2-abef-6ea5882c2504',1,128,1,'',0,0,'r-69eixk8d',1795335432593846,1795335432679282,1795335432620296,1795335432679282,'{"flavor":{"id":"6292452a-8795-4df2-abef-6ea5882c2504","name":"hut","vcpus":1,"ram":128,"disk":1,"ephemeral":0,"swap":0,"extra_specs":{"hw:cpu_policy":"shared"}},"image":{"name":"system","sha512":"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4","size":1500,"virtual_size":1500,"disk_format":"raw","properties":{"hw_machine_type":"q35","stores":"file"}},"disk_config":"MANUAL","metadata":{"k":"v"},"project_name":"admin","user_name":"admin"}','null');
CREATE TABLE server_user_data (
  server_id VARCHAR(36) PRIMARY KEY,
  user_data TEXT NOT NULL
);
INSERT INTO server_user_data VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','IyEvYmluL3NoCg==');
CREATE TABLE server_tags (
  server_id VARCHAR(36) NOT NULL,
  tag VARCHAR(80) NOT NULL,
  PRIMARY KEY (server_id, tag)
);
INSERT INTO server_tags VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','old');
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
  description TEXT,
  extra_specs TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO flavors VALUES('42','m1.nano',128,1,1,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('84','m1.micro',192,1,1,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('1','m1.tiny',512,1,1,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('2','m1.small',2048,1,20,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('3','m1.medium',4096,2,40,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('4','m1.large',8192,4,80,0,0,1.0,1,NULL,'{}',1795335431489773,1795335431489773);
INSERT INTO flavors VALUES('6292452a-8795-4df2-abef-6ea5882c2504','hut',128,1,1,0,0,1.0,1,NULL,'{"hw:cpu_policy":"shared"}',1795335432522820,1795335432524939);
CREATE TABLE flavor_access (
  flavor_id VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (flavor_id, project_id)
);
CREATE TABLE keypairs (
  num INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(16) NOT NULL,
  public_key TEXT NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL
);
INSERT INTO keypairs VALUES(1,'875d259e9d8142fda8dcca90ea407edf','key','ssh','ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIxvHyLB0j6Ix0dQZ8gPzSMcyLZUTl3gIbPmVKyNKqLB town','64:ca:d4:b8:06:f6:4c:df:18:9f:75:ac:9a:41:2f:7a',1795335432526009);
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
INSERT INTO server_groups VALUES('1654de34-2895-4724-b0f5-060f4f843ceb','a3d6f8ef4b54415986f236001017af81','875d259e9d8142fda8dcca90ea407edf','apart','anti-affinity',0,1795335432528221);
CREATE TABLE server_group_members (
  group_id VARCHAR(36) NOT NULL,
  server_id VARCHAR(36) NOT NULL,
  PRIMARY KEY (group_id, server_id)
);
INSERT INTO server_group_members VALUES('1654de34-2895-4724-b0f5-060f4f843ceb','8cf7c671-ff0f-4fe7-b17e-774a0424464e');
CREATE TABLE hosts (
  num INTEGER PRIMARY KEY AUTOINCREMENT,
  name VARCHAR(255) NOT NULL UNIQUE,
  service_id VARCHAR(36) NOT NULL UNIQUE,
  hypervisor_id VARCHAR(36) NOT NULL UNIQUE,
  zone VARCHAR(255) NOT NULL,
  facts TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  disabled_reason VARCHAR(255) NOT NULL,
  forced_down INTEGER NOT NULL,
  generation BIGINT NOT NULL,
  provided VARCHAR(128) NOT NULL,
  last_seen BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO hosts VALUES(1,'host-1','8dc8fe14-7a01-4e25-9429-421db5527d2e','e269aa90-4530-427f-be34-87a200b760ec','nova','{"hostname":"host-1","hypervisor_type":"fake","hypervisor_version":1000,"vcpus":512,"memory_mb":1048576,"local_gb":4096,"local_free_gb":4096,"cpu_info":{"arch":"x86_64","model":"fake","vendor":"Virga","features":[],"topology":{"cells":1,"sockets":1,"cores":512,"threads":1}},"host_ip":"127.0.0.1","virt":{"kind":"fake","reason":"guests are simulated"},"supported_guests":[{"arch":"x86_64","type":"fake","mode":"hvm"}],"agent_version":"v0.1","uptime_seconds":13737,"load":[10.69,7.56,4.72]}',0,'',0,3,'59d5f4f52c0ce80f1589a3f9f6a9c825665579afa370522d9dbc877cd1e9d1c3',1795335431506013,1795335431506013,1795335431506013);
CREATE TABLE guest_orders (
  server_id VARCHAR(36) NOT NULL,
  host VARCHAR(255) NOT NULL,
  generation BIGINT NOT NULL,
  operation_id VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  desired VARCHAR(16) NOT NULL,
  body TEXT NOT NULL,
  reboot_seq BIGINT NOT NULL,
  reboot_hard INTEGER NOT NULL,
  reboot_done BIGINT NOT NULL,
  settled_generation BIGINT NOT NULL,
  reported_generation BIGINT NOT NULL,
  reported_state VARCHAR(16) NOT NULL,
  reported_power INTEGER NOT NULL,
  error_class VARCHAR(16) NOT NULL,
  error_message TEXT NOT NULL,
  reported_at BIGINT NOT NULL,
  PRIMARY KEY (server_id, host)
);
INSERT INTO guest_orders VALUES('8cf7c671-ff0f-4fe7-b17e-774a0424464e','host-1',1,'f0afc358-b87b-46eb-b6f6-34697915b404',1,'running','{"server_id":"","generation":0,"operation_id":"","epoch":0,"desired":"","settled":false,"name":"first","hostname":"first","image":{"id":"1ad73e27-acca-4215-98b8-39df3b1ce269","sha512":"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4","size":1500,"disk_format":"raw","virtual_size":1500},"flavor":{"name":"hut","vcpus":1,"memory_mb":128,"root_gb":1,"ephemeral_gb":0,"swap_mb":0},"nics":[{"port_id":"f249888a-11da-4537-986b-e52986382e22","network_id":"a3948e70-de23-46ce-bac6-06ce894cea74","mac":"fa:16:3e:0a:be:7c","tap":"tapf249888a-11","mtu":1450}],"hints":{"machine":"q35"},"metadata":{"flavor_name":"hut","image_id":"1ad73e27-acca-4215-98b8-39df3b1ce269","project_id":"a3d6f8ef4b54415986f236001017af81","project_name":"admin","user_id":"875d259e9d8142fda8dcca90ea407edf","user_name":"admin","created_at":"2026-11-22T08:17:12.532723Z"}}',0,0,0,1,1,'running',1,'','',1795335432575327);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('work_schema',4);
INSERT INTO sqlite_sequence VALUES('feed_schema',2);
INSERT INTO sqlite_sequence VALUES('compute_schema',2);
INSERT INTO sqlite_sequence VALUES('hosts',1);
INSERT INTO sqlite_sequence VALUES('feed',12);
INSERT INTO sqlite_sequence VALUES('keypairs',1);
INSERT INTO sqlite_sequence VALUES('operation_events',15);
CREATE INDEX operations_due ON operations (finished_at, wake_at);
CREATE INDEX operations_resource ON operations (resource_id, finished_at);
CREATE INDEX operation_events_operation ON operation_events (operation_id);
CREATE INDEX operations_created ON operations (created_at, id);
CREATE INDEX feed_at ON feed (at);
CREATE INDEX servers_project ON servers (project_id, deleted_at, created_at, id);
CREATE INDEX servers_created ON servers (deleted_at, created_at, id);
CREATE INDEX servers_updated ON servers (updated_at);
CREATE INDEX servers_host ON servers (host, deleted_at);
CREATE INDEX server_tags_tag ON server_tags (tag);
CREATE INDEX flavor_access_project ON flavor_access (project_id);
CREATE UNIQUE INDEX keypairs_name ON keypairs (user_id, name);
CREATE INDEX server_groups_project ON server_groups (project_id, created_at);
CREATE INDEX server_group_members_server ON server_group_members (server_id);
CREATE INDEX guest_orders_host ON guest_orders (host, generation);
COMMIT;
