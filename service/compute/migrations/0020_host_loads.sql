-- +goose Up
-- Which hosts got a server or lost one, and when: those whose servers are counted again by who keeps the numbers in memory.
CREATE TABLE server_places (
  seq SEQUENCE,
  host VARCHAR(255) NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX server_places_at ON server_places (at);
-- How many servers could not be made on a host since one could.
CREATE TABLE host_failures (
  host VARCHAR(255) PRIMARY KEY,
  failures BIGINT NOT NULL
);
