-- Until an agent reports again, it counts as alive for as long as the version before took it to be.
-- table: agents
-- key: id
UPDATE agents SET dead_at = heartbeat_at + 30000000 WHERE id BETWEEN ? AND ? AND dead_at = 0;
