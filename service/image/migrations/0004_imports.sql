-- What is known of an import that another process may have to settle.
ALTER TABLE images ADD COLUMN import_state VARCHAR(16) NOT NULL DEFAULT '';

CREATE TABLE image_transfers (
  content_id VARCHAR(64) PRIMARY KEY,
  operation_id VARCHAR(64) NOT NULL,
  outcome BIGTEXT NOT NULL
);
CREATE INDEX image_transfers_operation ON image_transfers (operation_id);
