package conf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Images are the settings of where the data of images is, and of how long.
type Images struct {
	ImageStores []string `name:"image-store" env:"VIRGA_IMAGE_STORE" placeholder:"NAME=DIR" help:"Further store of images, with a name and a folder; data goes there when a client names it. The first store is called file and has the folder of --images-dir. Processes that share one of the folders share all of them."`
	ImageHTTP   bool     `name:"image-http-store" env:"VIRGA_IMAGE_HTTP_STORE" help:"Have a read-only store called http: images whose data stays at a URL, which has to be one that images may be imported from."`
	ImagePlaces bool     `name:"image-locations" env:"VIRGA_IMAGE_LOCATIONS" help:"Show where the data of images is, and let who may change an image name URLs as such places (needs --image-http-store). Data without a known checksum may change at its URL; what a store keeps is never named by a path."`
	ImageCache  int64    `name:"image-cache" env:"VIRGA_IMAGE_CACHE" default:"10240" placeholder:"MIB" help:"MiB of images that this process keeps a copy of in the data folder: of those whose data is at a URL, and those that an administrator queues; what was not read for longest makes room. 0: no cache."`
	// DelayedDelete 0 removes the data at once.
	DelayedDelete time.Duration `name:"image-delayed-delete" env:"VIRGA_IMAGE_DELAYED_DELETE" default:"0" placeholder:"DURATION" help:"How long the data of deleted images is kept, so that an administrator can restore them (virga image); it counts as the project's until then. 0: it is removed at once."`
	// CachingHosts is nova's precache_concurrency.
	CachingHosts int `name:"image-precache-concurrency" env:"VIRGA_IMAGE_PRECACHE_CONCURRENCY" default:"1" help:"How many hosts fetch images at the same time when an administrator has those of an aggregate brought to its hosts beforehand."`
	// ImageIdle 0 stands for the service's own default, which is the same.
	ImageIdle time.Duration `name:"image-idle-timeout" env:"VIRGA_IMAGE_IDLE_TIMEOUT" default:"2m" placeholder:"DURATION" help:"How long a client that uploads or downloads an image may stand still before it is cut off."`

	stores []ImageStore
}

// ImageStore is a further store of images.
type ImageStore struct{ Name, Dir string }

// maxImageStores bounds the stores, whose names are written into the records of images.
const maxImageStores = 15

// storeName is what a store may be called.
var storeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`)

// FurtherImageStores are the stores of ImageStores, after Complete.
func (i *Images) FurtherImageStores() []ImageStore { return i.stores }

// complete reads the stores and refuses what means nothing.
func (i *Images) complete() error {
	i.stores = nil
	seen := map[string]bool{"file": true, "http": true}
	for _, text := range i.ImageStores {
		name, dir, found := strings.Cut(text, "=")
		if !found || dir == "" || !storeName.MatchString(name) || seen[name] || strings.HasPrefix(name, "os_glance_") {
			return fmt.Errorf("image-store: %q is not NAME=DIR with a name of its own (letters, digits, _ and -; neither file nor http)", text)
		}
		seen[name] = true
		dir, err := filepath.Abs(dir)
		if err != nil {
			return fmt.Errorf("image-store: %w", err)
		}
		i.stores = append(i.stores, ImageStore{Name: name, Dir: dir})
	}
	if i.ImageIdle < 0 {
		return fmt.Errorf("image-idle-timeout: %s is less than nothing", i.ImageIdle)
	}
	if i.DelayedDelete < 0 {
		return fmt.Errorf("image-delayed-delete: %s is less than nothing", i.DelayedDelete)
	}
	if i.CachingHosts < 0 {
		return fmt.Errorf("image-precache-concurrency: %d is less than nothing", i.CachingHosts)
	}
	if i.ImageCache < 0 || i.ImageCache > maxQuotaMiB {
		return fmt.Errorf("image-cache: %d is no number of MiB", i.ImageCache)
	}
	if len(i.stores) > maxImageStores {
		return fmt.Errorf("image-store: %d stores are more than %d", len(i.stores), maxImageStores)
	}
	return nil
}
