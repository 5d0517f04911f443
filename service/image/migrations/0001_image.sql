-- +goose Up
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
  tags BIGTEXT NOT NULL,
  properties BIGTEXT NOT NULL,
  content_id VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_owner ON images (owner, created_at, id);
CREATE INDEX images_name ON images (name, id);
CREATE INDEX images_content ON images (content_id);

CREATE TABLE image_properties (
  image_id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  value BIGTEXT NOT NULL,
  PRIMARY KEY (image_id, name)
);

CREATE TABLE image_tags (
  image_id VARCHAR(36) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  PRIMARY KEY (image_id, tag)
);

CREATE TABLE image_members (
  image_id VARCHAR(36) NOT NULL,
  member_id VARCHAR(255) NOT NULL,
  status VARCHAR(16) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (image_id, member_id)
);
CREATE INDEX image_members_member ON image_members (member_id, status);

CREATE TABLE image_contents (
  id VARCHAR(64) PRIMARY KEY,
  image_id VARCHAR(36) NOT NULL,
  state VARCHAR(16) NOT NULL,
  owner VARCHAR(255) NOT NULL,
  seen_at BIGINT NOT NULL
);
CREATE INDEX image_contents_state ON image_contents (state, id);
CREATE INDEX image_contents_image ON image_contents (image_id);

CREATE TABLE image_tombstones (
  id VARCHAR(36) PRIMARY KEY,
  deleted_at BIGINT NOT NULL
);
