package compute

import (
	"slices"

	"virga/core/api"
)

// Whether a server of a flavor can be made from an image.

// snapshotOf is an image as a server remembers it.
func snapshotOf(image *Image) imageSnapshot {
	return imageSnapshot{Name: image.Name, SHA512: image.SHA512, Size: image.Size, VirtualSize: image.VirtualSize,
		DiskFormat: image.DiskFormat, MinDisk: image.MinDisk, MinRAM: image.MinRAM, Properties: image.Properties}
}

// checkImage tells whether a server of the flavor can run from the image.
func checkImage(image *Image, f *flavor) error {
	disk := f.RootGiB * gib
	switch {
	case image.Status != "active":
		return api.BadRequest("Image %s is not active.", image.ID)
	case !isBootable(image.DiskFormat):
		return api.BadRequest("Image %s is unacceptable: servers boot from images of disk format raw, qcow2, iso or ami, not %s.", image.ID, image.DiskFormat)
	case image.MinRAM > f.MemoryMiB:
		return api.BadRequest("Flavor's memory is too small for requested image.")
	case f.RootGiB > 0 && image.MinDisk > f.RootGiB:
		return api.BadRequest("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, "+
			"minimum size is %d bytes.", disk, image.MinDisk*gib)
	case f.RootGiB > 0 && image.VirtualSize > disk:
		return api.BadRequest("Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", disk, image.VirtualSize)
	}
	return nil
}

// isBootable tells whether servers are made from images of a disk format.
func isBootable(diskFormat string) bool {
	return slices.Contains([]string{"raw", "qcow2", "iso", "ami"}, diskFormat)
}

// diskOf is what the disks of a flavor need on the host, in GiB. What boots from a CD has no root disk of the image's.
func diskOf(f *flavor, image *imageSnapshot) int64 {
	root := f.RootGiB
	if root == 0 && image.DiskFormat != "iso" {
		root = (image.VirtualSize + gib - 1) / gib
	}
	return root + f.Ephemeral + (f.SwapMiB+1023)/1024
}
