package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// imagePolicy is the policy file of the cloud's images. The tests of locations remove some as
// an ordinary user, which glance's defaults leave to administrators now.
const imagePolicy = `"delete_image_location": "rule:context_is_admin or (role:member and project_id:%(project_id)s)"
`

// imageRules are the arguments of virga that turn on what its image service can do; work is
// the work folder.
func imageRules(work string) ([]string, error) {
	policies := filepath.Join(work, "policy")
	if err := os.MkdirAll(policies, 0o700); err != nil {
		return nil, fmt.Errorf("write the policy of images: %w", err)
	}
	if err := os.WriteFile(filepath.Join(policies, "image.yaml"), []byte(imagePolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write the policy of images: %w", err)
	}
	return []string{"--policy-dir", policies, "--image-store", "second=" + filepath.Join(work, "second"), "--image-http-store", "--image-locations",
		"--import-method", "glance-direct,web-download,copy-image,glance-download"}, nil
}

// otherImages is the type, in the catalog, of the second endpoint of images.
const otherImages = "image_remote"

// addImageEndpoint gives the catalog a second endpoint of images, as that of another worker
// behind another address is one: any process of a cloud imports and deletes what any other has
// staged.
func (c *client) addImageEndpoint(ctx context.Context) error {
	var made struct{ Service struct{ ID string } }
	service := map[string]any{"service": map[string]any{"name": otherImages, "type": otherImages}}
	if err := c.call(ctx, http.MethodPost, "/identity/v3/services", service, &made); err != nil {
		return err
	}
	endpoint := map[string]any{"endpoint": map[string]any{"service_id": made.Service.ID, "interface": "public", "region_id": "RegionOne",
		"url": strings.Replace(c.base, "127.0.0.1", "localhost", 1) + "/image"}}
	return c.call(ctx, http.MethodPost, "/identity/v3/endpoints", endpoint, nil)
}
