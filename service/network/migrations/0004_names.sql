-- The openstack command looks for everything by its name.
CREATE INDEX networks_name ON networks (name, id);
CREATE INDEX ports_name ON ports (name, id);
CREATE INDEX ports_mac_address ON ports (mac_address);
CREATE INDEX security_groups_name ON security_groups (name, id);
CREATE INDEX routers_name ON routers (name, id);
CREATE INDEX floating_ips_address ON floating_ips (floating_address);
