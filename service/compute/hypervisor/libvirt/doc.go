// Package libvirt runs guests under QEMU through libvirt's RPC, on the host it runs on.
//
// It owns, below one directory, the image cache and everything that belongs to guests:
//
//	lock                          held by the one process that uses the directory
//	generations                   the newest generation seen of each guest
//	images/ID.DIGEST.FORMAT       images cached once per host, as transferred
//	guests/ID/guest.json          what the guest was last asked to be
//	guests/ID/root.qcow2          its disk, copy-on-write on top of the cached image
//	guests/ID/snapshot-IMAGE.qcow2  a flat copy of it on its way to the image service
//	guests/ID/aside/              its former disks, until it is sure that they are not wanted back
//	guests/ID/ephemeral.raw, swap.raw, config.iso, console.log
//
// and in libvirt the domains named virga-ID. A domain without a guest directory here is somebody else's and is never listed.
// No state lives in memory: what a guest is follows from these files and from libvirt, so guests are adopted after a restart.
// It does not own tap devices; the network fabric makes them before and removes them after.
//
// Images are untrusted bytes. No tool opens one to find out what it is: qemu-img only ever sees overlays, with formats stated and backing
// chains cut, under limits; QEMU is told the whole chain, so that what an image says about other files is ignored.
//
// app's wiring imports it, and virga doctor for Check.
package libvirt
