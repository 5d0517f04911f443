-- +goose Up
-- What a change of a set is about: which member, and the addresses that it has or had.
ALTER TABLE changes ADD COLUMN touched VARCHAR(2000) NOT NULL DEFAULT '';
