// Command tempest runs Tempest, the field's own suite, unmodified against a cloud of its own.
//
//	go run ./test/compat/tempest -service identity [-regex REGEX] [-binary bin/virga] [-update]
//
// It starts bin/virga with simulated guests, furnishes what Tempest expects to be there (two
// images, two flavors), writes a tempest.conf from what the cloud announces, runs the tests
// of one service and prints each failure and each skip with its reason. Tests named in
// passing/SERVICE.txt must pass: one that fails, is skipped or does not exist any more is a
// failure of the run. -update adds what passed to the list, which therefore only grows. The
// last line is "N passed, N failed, N skipped".
//
// The service "guests" are the tests of compute that log in to guests: real ones of the tiny
// image, on the machine's libvirt and QEMU in namespaces of the command's own, as root.
//
// It needs Debian's package tempest. It is imported by nobody.
package main
