-- The openstack command looks for everything by its name, in whatever domain.
CREATE INDEX users_by_name ON users (name, id);
CREATE INDEX projects_by_name ON projects (name, id);
