package agent

import (
	"context"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// kernelOf is what the guest is to start from: of a rescued one, its rescue's.
func kernelOf(order *orders.GuestOrder) *orders.Kernel {
	if order.Desired == orders.Rescued && order.Rescue != nil {
		return order.Rescue.Kernel
	}
	return order.Kernel
}

// filesOf are the images that the guest uses as they lie in the cache.
func filesOf(order *orders.GuestOrder) (files []*orders.Image) {
	if order.Storage.ISO != nil {
		files = append(files, order.Storage.ISO)
	}
	for _, kernel := range []*orders.Kernel{kernelOf(order), order.Kernel} {
		if kernel != nil {
			files = append(files, &kernel.Image)
			if kernel.Ramdisk != nil {
				files = append(files, kernel.Ramdisk)
			}
		}
	}
	return files
}

// cacheFiles has in the host's cache what the guest is to start from besides its root disk, and describes the guest's disks.
func (g *guest) cacheFiles(ctx context.Context, order *orders.GuestOrder, want *hypervisor.Guest) error {
	want.Storage = storageOf(&order.Storage)
	if order.Storage.ISO != nil {
		image, err := g.cacheImage(ctx, order.Storage.ISO, order.Receive, hypervisor.DiskISO)
		if err != nil {
			return err
		}
		want.Storage.ISO = &image
	}
	kernel := kernelOf(order)
	if kernel == nil {
		return nil
	}
	image, err := g.cacheImage(ctx, &kernel.Image, order.Receive, hypervisor.DiskKernel)
	if err != nil {
		return err
	}
	want.Kernel = &hypervisor.Kernel{Image: image, CommandLine: kernel.CommandLine}
	if kernel.Ramdisk == nil {
		return nil
	}
	ramdisk, err := g.cacheImage(ctx, kernel.Ramdisk, order.Receive, hypervisor.DiskRamdisk)
	want.Kernel.Ramdisk = &ramdisk
	return err
}

// storageOf is what an order says of a guest's disks, without the ISO.
func storageOf(from *orders.Storage) hypervisor.Storage {
	storage := hypervisor.Storage{RootBus: from.RootBus, SwapBus: from.SwapBus, CDROMBus: from.CDROMBus, SCSIModel: from.SCSIModel,
		DriveIsCD: from.DriveIsCD, Limits: hypervisor.DiskLimits{
			ReadBytes: hypervisor.Rate(from.Limits.ReadBytes), WriteBytes: hypervisor.Rate(from.Limits.WriteBytes),
			TotalBytes: hypervisor.Rate(from.Limits.TotalBytes), ReadOps: hypervisor.Rate(from.Limits.ReadOps),
			WriteOps: hypervisor.Rate(from.Limits.WriteOps), TotalOps: hypervisor.Rate(from.Limits.TotalOps),
		}}
	for _, disk := range from.Ephemerals {
		storage.Ephemerals = append(storage.Ephemerals, hypervisor.Ephemeral(disk))
	}
	return storage
}
