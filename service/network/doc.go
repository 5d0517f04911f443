// Package network is the network service: OpenStack's Network API v2.0 (Neutron).
//
// It owns networks, subnets, ports, routers, floating IPs, security groups with their
// rules, quotas, agents and hosts, and decides which addresses, segments and hosts things
// have. Its tables are those of migrations/0001_network.sql.
//
// It has no durable operations: each change of the API is one transaction, complete when
// it is committed. The same transaction raises the generation of every host that sees
// something of it, and a doorbell (bus topic "network.node." and the host's name) rings
// afterwards; the hosts' agents fetch the whole of what should be (package desired, routes
// under /internal/hosts) and report what is. A port whose reported status changed rings
// "network.port." and its id.
//
// It never touches a data plane: service/network/agent and service/network/fabric do. It
// has no neighbours; compute makes the ports of servers through the public API.
//
// Of Virga it imports core and fabric (to judge rules by compiling them); app imports it.
package network
