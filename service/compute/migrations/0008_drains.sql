-- Hosts that operators want to be empty.
CREATE TABLE host_drains (
  host VARCHAR(255) NOT NULL PRIMARY KEY,
  reason VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  was_disabled INTEGER NOT NULL,
  was_reason VARCHAR(255) NOT NULL,
  started_at BIGINT NOT NULL
);
CREATE INDEX migrations_status ON migrations (status, updated_at);
CREATE INDEX migrations_source ON migrations (source_host, created_at);
