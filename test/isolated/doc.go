// Package isolated runs a test binary in mount, network and process namespaces of its own, with its own libvirtd when
// asked, so that end-to-end tests touch nothing of the host: no packet leaves the machine, no domain, bridge or file
// outlives the tests.
//
// A package of end-to-end tests says in its TestMain
//
//	func TestMain(m *testing.M) { isolated.Main(m, isolated.Options{Libvirt: true, Commands: []string{"nft"}}) }
//
// and finds itself, in every test, as root on what looks like an idle machine: loopback is up and alone, /run,
// /var/lib/libvirt, /etc/libvirt and their like are empty or fresh, /run/netns is ready for named network namespaces,
// and libvirtd answers at LibvirtSocket. What a test needs and the machine lacks makes the whole package fail with one
// line; nothing is skipped.
//
// The test binary runs three times over: the caller's process waits; the first process of the new namespaces prepares
// them, reaps orphans and ends with the tests, upon which the kernel kills whatever is left (guests included); the
// third runs the tests.
//
// It owns the namespaces and the daemons in them. Test packages import it; nothing else does.
package isolated
