-- A port is made ready on a second host while its server goes there.
ALTER TABLE ports ADD COLUMN migrating_to VARCHAR(255) NOT NULL DEFAULT '';
CREATE INDEX ports_migrating_to ON ports (migrating_to);
