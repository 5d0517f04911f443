-- How far the snapshot that an order asks for has come, as its host reported.
ALTER TABLE guest_orders ADD COLUMN snapshot_phase VARCHAR(16) NOT NULL DEFAULT '';
