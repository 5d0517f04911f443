-- How much of each rate limit a project has used: the limit is free again at free_at. A row
-- whose time is over means the same as none.
CREATE TABLE rate_limits (
	project_id VARCHAR(64) NOT NULL,
	rule VARCHAR(160) NOT NULL,
	free_at BIGINT NOT NULL,
	PRIMARY KEY (project_id, rule)
);
CREATE INDEX rate_limits_free ON rate_limits (free_at);
