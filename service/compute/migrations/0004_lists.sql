-- +goose Up
-- The pieces of a server's view that come of detail and nics, ready to be sent.
ALTER TABLE servers ADD COLUMN card BIGTEXT;
-- The name that the hypervisor has of its host, of the facts.
ALTER TABLE hosts ADD COLUMN hostname VARCHAR(255) NOT NULL DEFAULT '';
CREATE INDEX servers_name ON servers (deleted_at, name, id);
CREATE INDEX servers_project_name ON servers (project_id, deleted_at, name, id);
CREATE INDEX servers_live_updated ON servers (deleted_at, updated_at, id);
CREATE INDEX servers_project_updated ON servers (project_id, deleted_at, updated_at, id);
