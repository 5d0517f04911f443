// Package e2e holds the end-to-end tests: the real binary, real guests under QEMU, real packets, and as clients the
// unmodified `openstack` command and gophercloud.
//
//	make test-e2e                    # as root
//	make test-e2e RUN=TestCloud      # one of them
//
// The tests run in namespaces of their own (package isolated), whose network namespace plays the host of the cloud: what
// happens there is "outside" for the guests. VIRGA_BIN names the binary, VIRGA_GUEST_IMAGE the image of
// packaging/guest. What is missing makes the package fail with one line.
//
// TestHosts has three further machines (isolated.Machine), joined by a bridge: a controller and two nodes, each with a
// libvirtd of its own.
//
// process_test.go runs the binary, openstack_test.go and gophercloud_test.go are the clients, guest_test.go logs in to
// guests, world_test.go lists everything that a cloud leaves on a machine. Nothing imports this package.
package e2e
