package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxQuotaMiB keeps a quota in bytes within 63 bits.
const maxQuotaMiB = 1 << 42

// Imports are the settings of what images users may have: what they may have read from URLs
// (by default what the public Internet gives on the ports of the web), and how much.
type Imports struct {
	ImportMethods []string `name:"import-method" env:"VIRGA_IMPORT_METHOD" default:"glance-direct,web-download,copy-image" help:"Ways in which users may import images: glance-direct, web-download, copy-image, glance-download (from another region of the catalog, with the user's token); none: no way but uploads."`
	ImportSchemes []string `name:"import-scheme" env:"VIRGA_IMPORT_SCHEME" default:"https,http" help:"Schemes of URLs that images may be read from."`
	ImportPorts   []uint16 `name:"import-port" env:"VIRGA_IMPORT_PORT" default:"443,80" help:"Ports of servers that images may be read from."`
	ImportAllow   []string `name:"import-allow" env:"VIRGA_IMPORT_ALLOW" placeholder:"CIDR" help:"Network that images may be read from although it is private, or this machine's own. Others than public addresses are never reached else, whatever a name or a redirect says."`
	networks      []netip.Prefix

	ImageConversion   string            `name:"image-conversion" env:"VIRGA_IMAGE_CONVERSION" enum:",raw,qcow2" default:"" placeholder:"FORMAT" help:"Format (raw or qcow2) that disk images are converted to on import, by qemu-img within bounds; default: they stay as they are."`
	ImageUnpack       bool              `name:"image-decompression" env:"VIRGA_IMAGE_DECOMPRESSION" help:"Unpack on import what is packed with gzip and has the container format compressed."`
	ImageInject       map[string]string `name:"image-inject" env:"VIRGA_IMAGE_INJECT" placeholder:"NAME=VALUE" help:"Property that every imported image gets."`
	ImageInjectNotFor []string          `name:"image-inject-not-for" env:"VIRGA_IMAGE_INJECT_NOT_FOR" default:"admin" placeholder:"ROLE" help:"Role whose imports get no such properties."`

	QuotaImages    int   `name:"quota-images" env:"VIRGA_QUOTA_IMAGES" default:"1000" help:"Images that a project may have; 0: 1000, -1: any number."`
	QuotaImageSize int64 `name:"quota-image-size" env:"VIRGA_QUOTA_IMAGE_SIZE" default:"0" placeholder:"MIB" help:"MiB of data that the images of a project may have in all; 0: any amount."`
	QuotaStaged    int64 `name:"quota-image-stage" env:"VIRGA_QUOTA_IMAGE_STAGE" default:"0" placeholder:"MIB" help:"MiB of data that a project may have staged for imports; 0: any amount. Unified limits of the image service (image_count_total, image_size_total, image_stage_total, image_count_uploading) go before these quotas."`
	QuotaUploading int   `name:"quota-images-uploading" env:"VIRGA_QUOTA_IMAGES_UPLOADING" default:"0" help:"Images of a project that may be getting data at a time; 0: any number."`
}

// ImportNetworks are the networks of ImportAllow, after Complete.
func (i *Imports) ImportNetworks() []netip.Prefix { return i.networks }

// complete reads the networks and refuses what means nothing.
func (i *Imports) complete() error {
	if slices.Equal(i.ImportMethods, []string{"none"}) {
		i.ImportMethods = []string{}
	}
	for _, name := range i.ImportMethods {
		if !slices.Contains([]string{"glance-direct", "web-download", "copy-image", "glance-download"}, name) {
			return fmt.Errorf("import-method: %q is none of glance-direct, web-download, copy-image, glance-download", name)
		}
	}
	for _, name := range i.ImportSchemes {
		if name != "http" && name != "https" {
			return fmt.Errorf("import-scheme: %q is neither http nor https", name)
		}
	}
	for name := range i.ImageInject {
		if name == "" || len(name) > 255 || strings.HasPrefix(name, "os_glance_") {
			return fmt.Errorf("image-inject: %q is no name of a property", name)
		}
	}
	if i.QuotaImages < -1 || i.QuotaUploading < 0 || i.QuotaImageSize < 0 || i.QuotaImageSize > maxQuotaMiB || i.QuotaStaged < 0 || i.QuotaStaged > maxQuotaMiB {
		return errors.New("quota-images, quota-image-size, quota-images-uploading: a quota is not less than 0 (-1 images: any number), nor more than can be")
	}
	i.networks = nil
	for _, text := range i.ImportAllow {
		network, err := netip.ParsePrefix(text)
		if err != nil || network != network.Masked() {
			return fmt.Errorf("import-allow: %q is not a network such as 192.0.2.0/24", text)
		}
		i.networks = append(i.networks, network)
	}
	return nil
}
