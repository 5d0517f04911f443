-- +goose Up
-- Programs that may ask users to hand them roles on (OAuth 1.0a). The secret is sealed.
CREATE TABLE consumers (
  id VARCHAR(64) PRIMARY KEY,
  description BIGTEXT NOT NULL,
  secret_sealed BIGTEXT NOT NULL,
  extra BIGTEXT NOT NULL
);
