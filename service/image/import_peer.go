package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"virga/core/api"
	"virga/service/image/ingest"
)

// Peers read images of the image services of other regions as the bearer of a token. Their
// errors are those of a Source.
type Peers interface {
	// Show describes an image as its service does.
	Show(ctx context.Context, region, interfaceName, token, imageID string) (map[string]any, error)
	// Open begins to read an image's data, and tells its size in bytes, or -1. The caller closes.
	Open(ctx context.Context, region, interfaceName, token, imageID string) (io.ReadCloser, int64, error)
}

// Sealer keeps the token of who asked secret until an import needs it.
type Sealer interface {
	Seal(text []byte, about string) string
	Open(sealed, about string) ([]byte, error)
}

// sealedFor tells the vault what is sealed.
const sealedFor = "image import token"

// uuid is the form of an image's id.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

// checkPeer refuses an import from another region that does not say which image it means.
func checkPeer(r *api.Request, body importBody) error {
	switch {
	case body.Method.Region == "":
		return api.BadRequest("'glance_region' needs to be set for glance-download import method")
	case body.Method.ImageID == "":
		return api.BadRequest("'glance_image_id' needs to be set for glance-download import method")
	case !uuid.MatchString(body.Method.ImageID):
		return api.BadRequest("Remote image id does not look like a UUID: %s", body.Method.ImageID)
	case r.HTTP.Header.Get("X-Auth-Token") == "":
		return api.BadRequest("The import method '%s' needs a token to show to the other image service.", importPeer)
	}
	return nil
}

// sealToken seals the token with which an import from another region asks there.
func (s *Service) sealToken(r *api.Request, body importBody) string {
	if body.Method.Name != importPeer {
		return ""
	}
	return s.deps.Sealer.Seal([]byte(r.HTTP.Header.Get("X-Auth-Token")), sealedFor)
}

// origin is what an image of another region brings along besides its data.
type origin struct {
	DiskFormat      string            `json:"disk_format"`
	ContainerFormat string            `json:"container_format"`
	Properties      map[string]string `json:"properties"`
}

// give makes an image what its origin is.
func (o *origin) give(img *image) {
	img.DiskFormat, img.ContainerFormat = o.DiskFormat, o.ContainerFormat
	for name, value := range o.Properties {
		img.Properties[name] = value
	}
}

// errOrigin is for an image of another region that cannot be imported; its text is for users.
type errOrigin struct{ text string }

// Error implements error.
func (e errOrigin) Error() string { return e.text }

// openPeer opens the data of another region's image.
func (s *Service) openPeer(ctx context.Context, h importLoad) (from inflow, err error) {
	if s.deps.Peers == nil {
		return from, errNoSource
	}
	token, err := s.deps.Sealer.Open(h.params.Token, sealedFor)
	if err != nil {
		return from, errOrigin{"The token of who asked for the import can no longer be read."}
	}
	method := h.params.Request.Method
	shown, err := s.deps.Peers.Show(ctx, method.Region, method.iface(), string(token), method.ImageID)
	if err != nil {
		return from, err
	}
	if from.origin, from.length, from.sum, err = s.readOrigin(shown); err != nil {
		return from, err
	}
	body, length, err := s.deps.Peers.Open(ctx, method.Region, method.iface(), string(token), method.ImageID)
	if err != nil {
		return from, err
	}
	if length >= 0 && length != from.length {
		_ = body.Close()
		return from, errOrigin{fmt.Sprintf("Downloaded data size %d is different from expected %d", length, from.length)}
	}
	from.body = body
	return from, nil
}

// sameSum accepts content with a SHA-512; an empty one is not known.
func sameSum(sum string) func(ingest.Result) error {
	return func(result ingest.Result) error {
		if sum != "" && result.SHA512 != sum {
			return fmt.Errorf("%w: its SHA-512 is another", ingest.ErrChanged)
		}
		return nil
	}
}

// readOrigin takes what is wanted of another region's image, whose service is not trusted
// more than a user is.
func (s *Service) readOrigin(shown map[string]any) (from *origin, size int64, sum string, err error) {
	text := func(name string) string {
		value, _ := shown[name].(string)
		return value
	}
	if status := text("status"); status != statusActive {
		return nil, 0, "", errOrigin{fmt.Sprintf("Source image status should be active instead of %.32q", status)}
	}
	number, ok := shown["size"].(float64)
	if !ok || number < 0 || number > 1<<53 {
		return nil, 0, "", errOrigin{"Size attribute of remote image could not be determined."}
	}
	probe := &image{Status: statusQueued, Properties: map[string]string{}}
	for name, value := range shown {
		wanted := name == "disk_format" || name == "container_format"
		if !wanted && s.attributes[name] == nil && s.checkSettable(name) == nil {
			wanted = slices.ContainsFunc(s.deps.CopiedProperties, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		}
		if !wanted {
			continue
		}
		if err := s.setJSON(probe, name, value); err != nil {
			return nil, 0, "", errOrigin{"The source image has an attribute that cannot be taken over."}
		}
	}
	if err := errors.Join(checkFormats(probe), probe.checkLimits()); err != nil {
		return nil, 0, "", errOrigin{"The source image has no formats, or more properties than an image may have."}
	}
	if text("os_hash_algo") == "sha512" {
		sum = text("os_hash_value")
	}
	return &origin{probe.DiskFormat, probe.ContainerFormat, probe.Properties}, int64(number), sum, nil
}

// setJSON sets an attribute or property from a decoded value.
func (s *Service) setJSON(img *image, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.setAttribute(img, name, text)
}
