-- +goose Up
-- Where a guest's NUMA nodes are on the host, as JSON; NULL: it has none.
ALTER TABLE guest_orders ADD COLUMN placement BIGTEXT;
