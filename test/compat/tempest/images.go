package main

import (
	"fmt"
	"os"
	"path/filepath"
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
	return []string{"--policy-dir", policies, "--image-store", "second=" + filepath.Join(work, "second"), "--image-http-store", "--image-locations"}, nil
}
