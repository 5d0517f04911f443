package neighbour

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"virga/core/api"
	"virga/service/compute"
)

// Images is the image service, for compute.
type Images struct{ client api.Client }

// NewImages takes a client of the image API.
func NewImages(client api.Client) *Images { return &Images{client} }

var _ compute.Images = (*Images)(nil)

// Image implements compute.Images with GET /v2/images/{id}.
func (i *Images) Image(ctx context.Context, id string) (compute.Image, error) {
	var all map[string]any
	if err := i.client.Do(ctx, http.MethodGet, "/v2/images/"+url.PathEscape(id), nil, &all); err != nil {
		return compute.Image{}, refusal(err)
	}
	return readImage(all), nil
}

// readImage reads an image document: what is no attribute of the API is a property.
func readImage(all map[string]any) compute.Image {
	image := compute.Image{Properties: map[string]string{}}
	for key, value := range all {
		text, _ := value.(string)
		number, _ := value.(float64)
		switch key {
		case "id":
			image.ID = text
		case "name":
			image.Name = text
		case "status":
			image.Status = text
		case "disk_format":
			image.DiskFormat = text
		case "os_hash_value":
			image.SHA512 = text
		case "size":
			image.Size = int64(number)
		case "virtual_size":
			image.VirtualSize = int64(number)
		case "min_disk":
			image.MinDisk = int64(number)
		case "min_ram":
			image.MinRAM = int64(number)
		case "container_format", "visibility", "owner", "checksum", "os_hash_algo", "created_at", "updated_at", "file", "self", "schema",
			"stores", "direct_url":
		default:
			if text != "" && !strings.HasPrefix(key, "os_glance_") { // which only the image service itself writes
				image.Properties[key] = text
			}
		}
	}
	return image
}
