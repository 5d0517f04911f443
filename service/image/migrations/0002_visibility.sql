-- Public images are few among those of all projects.
CREATE INDEX images_visibility ON images (visibility, created_at, id);
