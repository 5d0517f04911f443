-- Until a host reports again, it counts as up for as long as the version before took it to be.
-- table: hosts
-- key: num number
UPDATE hosts SET down_at = last_seen + 60000000 WHERE num BETWEEN ? AND ? AND down_at = 0;
