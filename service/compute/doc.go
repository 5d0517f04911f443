// Package compute is the compute service: OpenStack's Compute API v2.1 (Nova) and the
// control plane of servers behind it.
//
// It owns servers, flavors, key pairs, server groups, compute quotas, the hosts that run
// guests and the orders given to them. Its tables stand in migrations/.
//
// Durable operations: server_create, server_delete, server_start, server_stop,
// server_reboot, server_pause, server_unpause, server_suspend, server_resume, server_rescue, server_unrescue, server_soft_delete, server_restore, server_change_password, server_crash_dump, server_resize, server_migrate (one and the same but for their names),
// server_resize_confirm, server_resize_revert, server_live_migrate, server_evacuate, interface_attach, interface_detach. What an API client sees as
// a transitional state (BUILD, task_state) is what an unfinished operation looks like; rows
// hold vm_state and power_state alone.
//
// Reconcilers: hosts (a resource provider in placement for each host), addresses (the
// servers' cached network information), reclaim (servers whose delete can no longer be taken back),
// confirm (moves that nobody confirmed), drains (hosts that are to be empty), arrivals (ports of servers that arrived while they ran), aggregates (host aggregates in placement), image_caches (images that hosts of aggregates are to have beforehand), archive (old rows of deleted servers).
//
// Neighbours, as interfaces in neighbours.go: image, network, placement. It speaks to
// nothing else: node agents ask it (package orders), it never opens a connection to a host.
//
// It never runs guests, never stores images or disks and never decides about addresses.
// Only app's wiring imports it.
package compute
