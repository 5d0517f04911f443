// Package wire tests a whole cloud over HTTP as a client sees it, on simulated guests: without root, without a hypervisor,
// as a part of `make test`.
//
// It asks what no package's own tests can: that a mistake of a client is answered in the style of the API that it was made
// in, never with a status of 500 or more, and that it leaves nothing half-made behind in any service.
//
// cloud_test.go runs the cloud in this process, world_test.go lists everything in it. Nothing imports this package.
package wire
