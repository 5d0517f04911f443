package compute

import (
	"context"

	"virga/core/api"
	"virga/service/compute/orders"
)

// Images that name a kernel (kernel_id, and ramdisk_id) have their guests start from it, as once the images of Amazon: the disk is then the
// root file system alone.

// bootFile is a kernel or a ramdisk as it was when its server's image was chosen.
type bootFile struct {
	ID     string `json:"id"`
	SHA512 string `json:"sha512"`
	Size   int64  `json:"size"`
}

// kernelLess is the kernel_id that says that there is none.
const kernelLess = "nokernel"

// addKernel finds the kernel and the ramdisk that an image names, for the user who chose the image.
func (s *Service) addKernel(ctx context.Context, r *api.Request, image *imageSnapshot, memoryMiB int64) (err error) {
	kernel, ramdisk := kernelNames(image.Properties)
	if kernel == "" {
		return nil
	}
	if image.Kernel, err = s.bootFile(ctx, r, kernel, "aki"); err != nil {
		return err
	}
	taken := image.Kernel.Size
	if ramdisk != "" {
		if image.Ramdisk, err = s.bootFile(ctx, r, ramdisk, "ari"); err != nil {
			return err
		}
		taken += image.Ramdisk.Size
	}
	if taken >= memoryMiB<<20 {
		return api.BadRequest("Flavor's memory is too small for requested image.")
	}
	return nil
}

// kernelNames are the kernel and the ramdisk that an image's properties name, each empty if there is none.
func kernelNames(properties map[string]string) (kernel, ramdisk string) {
	if kernel = properties["kernel_id"]; kernel == "" || kernel == kernelLess {
		return "", ""
	}
	return imageID(kernel), imageID(properties["ramdisk_id"])
}

func kernelOfServer(row *server, _ task) string {
	kernel, _ := kernelNames(row.Detail.Image.Properties)
	return kernel
}

func ramdiskOfServer(row *server, _ task) string {
	_, ramdisk := kernelNames(row.Detail.Image.Properties)
	return ramdisk
}

func (s *Service) bootFile(ctx context.Context, r *api.Request, id, format string) (*bootFile, error) {
	image, err := s.deps.Images.Image(as(ctx, r), id)
	if status := api.StatusOf(err); err != nil && status >= 400 && status < 500 {
		return nil, api.BadRequest("Image %s could not be found.", oneLine(id, 60)).Because(err)
	}
	switch {
	case err != nil:
		return nil, unavailable("image", err)
	case image.Status != "active":
		return nil, api.BadRequest("Image %s is not active.", image.ID)
	case image.DiskFormat != format && image.DiskFormat != "raw":
		return nil, api.BadRequest("Image %s is unacceptable: its disk format is %s, and not %s or raw.", image.ID, oneLine(image.DiskFormat, 20), format)
	}
	return &bootFile{image.ID, image.SHA512, image.Size}, nil
}

// kernelOf is what a guest of the image starts from; nil: from its disks.
func kernelOf(image *imageSnapshot) *orders.Kernel {
	if image.Kernel == nil {
		return nil
	}
	kernel := &orders.Kernel{Image: image.Kernel.ordered(), CommandLine: image.Properties["os_command_line"]}
	if image.Ramdisk != nil {
		ramdisk := image.Ramdisk.ordered()
		kernel.Ramdisk = &ramdisk
	}
	return kernel
}

func (b *bootFile) ordered() orders.Image {
	return orders.Image{ID: b.ID, SHA512: b.SHA512, Size: b.Size, DiskFormat: "raw", VirtualSize: b.Size}
}
