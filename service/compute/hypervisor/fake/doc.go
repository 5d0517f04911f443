// Package fake simulates guests: a hypervisor driver without a hypervisor.
//
// It owns the simulated guests and, when given a directory, a file per guest, so that a cloud of simulated guests survives a restart
// of Virga. It is deterministic (no chance, no time of its own) and can be told to fail or to be slow, verb by verb. Guests are
// ready at once. It keeps the contract of hypervisor.Driver and passes its suite; image bytes are read and verified, then
// forgotten.
//
// app's wiring, tests and simulations import it.
package fake
