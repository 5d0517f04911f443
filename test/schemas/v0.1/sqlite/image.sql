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
INSERT INTO feed VALUES(1,1795335432487373,'req-ca74c235-0b4e-435b-8f28-774ee3204823','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','image','1ad73e27-acca-4215-98b8-39df3b1ce269','create','null');
INSERT INTO feed VALUES(2,1795335432488658,'req-1eee989b-b7a9-4251-ad73-13a77636dd44','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','image','1ad73e27-acca-4215-98b8-39df3b1ce269','upload','null');
INSERT INTO feed VALUES(3,1795335432491833,'req-1eee989b-b7a9-4251-ad73-13a77636dd44','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','image','1ad73e27-acca-4215-98b8-39df3b1ce269','activate','null');
INSERT INTO feed VALUES(4,1795335432493856,'req-bd89426c-92c5-4c50-a373-58324f9b0f98','875d259e9d8142fda8dcca90ea407edf','a3d6f8ef4b54415986f236001017af81','image','1ad73e27-acca-4215-98b8-39df3b1ce269','member.create','{"member":"36f1181614284f288dccf99e9a671b27"}');
CREATE TABLE image_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO image_schema VALUES(1,0,1,'2026-11-22 08:17:11');
INSERT INTO image_schema VALUES(2,1,1,'2026-11-22 08:17:11');
CREATE TABLE images (
  id VARCHAR(36) PRIMARY KEY,
  owner VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL,
  status VARCHAR(16) NOT NULL,
  visibility VARCHAR(16) NOT NULL,
  disk_format VARCHAR(16) NOT NULL,
  container_format VARCHAR(16) NOT NULL,
  size BIGINT NOT NULL,
  virtual_size BIGINT NOT NULL,
  checksum VARCHAR(32) NOT NULL,
  os_hash_algo VARCHAR(64) NOT NULL,
  os_hash_value VARCHAR(128) NOT NULL,
  min_disk BIGINT NOT NULL,
  min_ram BIGINT NOT NULL,
  protected INTEGER NOT NULL,
  os_hidden INTEGER NOT NULL,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  content_id VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
INSERT INTO images VALUES('1ad73e27-acca-4215-98b8-39df3b1ce269','a3d6f8ef4b54415986f236001017af81','system','active','shared','raw','bare',1500,1500,'818f9edca80ddd5cf5c7c86500724ed2','sha512','621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4',0,0,0,0,'["x"]','{"hw_machine_type":"q35"}','8c73f8aa-bc4a-408a-a9c5-ef47fccdb3ad',1795335432487113,1795335432491758);
CREATE TABLE image_properties (
  image_id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (image_id, name)
);
INSERT INTO image_properties VALUES('1ad73e27-acca-4215-98b8-39df3b1ce269','hw_machine_type','q35');
CREATE TABLE image_tags (
  image_id VARCHAR(36) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  PRIMARY KEY (image_id, tag)
);
INSERT INTO image_tags VALUES('1ad73e27-acca-4215-98b8-39df3b1ce269','x');
CREATE TABLE image_members (
  image_id VARCHAR(36) NOT NULL,
  member_id VARCHAR(255) NOT NULL,
  status VARCHAR(16) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (image_id, member_id)
);
INSERT INTO image_members VALUES('1ad73e27-acca-4215-98b8-39df3b1ce269','36f1181614284f288dccf99e9a671b27','pending',1795335432493713,1795335432493713);
CREATE TABLE image_contents (
  id VARCHAR(64) PRIMARY KEY,
  image_id VARCHAR(36) NOT NULL,
  state VARCHAR(16) NOT NULL,
  owner VARCHAR(255) NOT NULL,
  seen_at BIGINT NOT NULL
);
INSERT INTO image_contents VALUES('8c73f8aa-bc4a-408a-a9c5-ef47fccdb3ad','1ad73e27-acca-4215-98b8-39df3b1ce269','kept','host-1',1795335432488559);
CREATE TABLE image_tombstones (
  id VARCHAR(36) PRIMARY KEY,
  deleted_at BIGINT NOT NULL
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('feed_schema',2);
INSERT INTO sqlite_sequence VALUES('image_schema',2);
INSERT INTO sqlite_sequence VALUES('feed',4);
CREATE INDEX feed_at ON feed (at);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_owner ON images (owner, created_at, id);
CREATE INDEX images_name ON images (name, id);
CREATE INDEX images_content ON images (content_id);
CREATE INDEX image_members_member ON image_members (member_id, status);
CREATE INDEX image_contents_state ON image_contents (state, id);
CREATE INDEX image_contents_image ON image_contents (image_id);
COMMIT;
