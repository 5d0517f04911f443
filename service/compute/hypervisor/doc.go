// Package hypervisor is the line between Virga and the machines that run guests: one narrow interface, Driver, and the
// plain values that cross it.
//
// It owns the vocabulary below that line (guest, image cache, power state, generation) and the contract every driver keeps;
// the contract stands in prose above each method of Driver and is checked by package suite, which every driver passes.
// It does not own servers, quotas, networks or credentials: a driver knows nothing of HTTP, SQL or tokens, and a Guest is
// all it is ever told.
//
// Two drivers exist. Package fake simulates guests in memory, for tests and for clouds that need no hypervisor. Package libvirt
// runs them under QEMU through libvirt's RPC.
//
// The node agent (service/compute/agent) and app's wiring import it; drivers import it; nothing else should.
package hypervisor
