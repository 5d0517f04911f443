-- A server that came to its host while it ran says so for some time.
ALTER TABLE migrations ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
CREATE INDEX migrations_arrived ON migrations (arrived, updated_at);
