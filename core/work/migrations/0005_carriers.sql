-- +goose Up
-- The processes that have operations in hand, and when each last said that it lives.
CREATE TABLE operation_carriers (
  name VARCHAR(64) PRIMARY KEY,
  signed_at BIGINT NOT NULL
);
