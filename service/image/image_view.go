package image

import "time"

// imageView is an image as the API shows it: attributes and properties side by side. An
// attribute goes before a property of its name.
func (s *Service) imageView(img *image) map[string]any {
	self := "/v2/images/" + img.ID
	view := make(map[string]any, len(img.Properties)+24)
	for name, value := range img.Properties {
		view[name] = value
	}
	view["id"] = img.ID
	view["name"] = orNull(img.Name)
	view["status"] = img.Status
	view["visibility"] = img.Visibility
	view["protected"] = img.Protected
	view["os_hidden"] = img.Hidden
	view["owner"] = orNull(img.Owner)
	view["disk_format"] = orNull(img.DiskFormat)
	view["container_format"] = orNull(img.ContainerFormat)
	view["min_disk"] = img.MinDisk
	view["min_ram"] = img.MinRAM
	view["size"], view["virtual_size"] = nil, nil
	if img.hasData() {
		view["size"] = img.Size
		if img.VirtualSize != unknown { // of data at a URL it is not
			view["virtual_size"] = img.VirtualSize
		}
		view["stores"] = storeText(s.places(img))
	}
	if img.Status == statusImporting || img.ImportingTo != "" || img.ImportState != "" {
		view["os_glance_importing_to_stores"], view["os_glance_failed_import"] = img.ImportingTo, img.ImportFailed
	}
	view["checksum"] = orNull(img.Checksum)
	view["os_hash_algo"] = orNull(img.HashAlgo)
	view["os_hash_value"] = orNull(img.HashValue)
	view["created_at"] = isoTime(img.CreatedAt)
	view["updated_at"] = isoTime(img.UpdatedAt)
	view["tags"] = img.Tags
	if img.Tags == nil {
		view["tags"] = []string{}
	}
	view["self"] = self
	view["file"] = self + "/file"
	view["schema"] = "/v2/schemas/image"
	return view
}

type imagesView struct {
	Images []map[string]any `json:"images"`
	First  string           `json:"first"`
	Next   string           `json:"next,omitempty"`
	Schema string           `json:"schema"`
}

// orNull is the text, or null for the empty one.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// isoTime writes a time as the Image API does, to the second.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
