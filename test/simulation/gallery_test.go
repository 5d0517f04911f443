package simulation_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"virga/core/api"
	"virga/core/token"
	"virga/service/compute"
	"virga/service/compute/agent"
)

// gallery is the image service: one image that is always there, and those that are made of servers.
type gallery struct {
	mu     sync.Mutex
	images map[string]*picture
	used   map[string]bool
	count  int
}

type picture struct {
	compute.NewImage
	project, uploader string
	data              []byte // nil: it has none
	num               int
}

// images is the gallery as a host sees it; no host: as compute does.
type images struct {
	compute.ImageProxies // what compute passes on for clients of before 2.39 is not here
	*gallery
	host string
}

func (g *gallery) of(host string) images { return images{gallery: g, host: host} }

func (i images) find(id string) ([]byte, bool) {
	if id == imageID {
		return imageContent, true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.images[id] == nil || i.images[id].data == nil {
		return nil, false
	}
	return i.images[id].data, true
}

func (i images) Image(_ context.Context, id string) (compute.Image, error) {
	data, there := i.find(id)
	if !there {
		return compute.Image{}, api.NotFound("No image found with ID %s", id)
	}
	sum := sha512.Sum512(data)
	image := compute.Image{ID: id, Name: "tiny", Status: "active", DiskFormat: "raw", Size: int64(len(data)), VirtualSize: int64(len(data)),
		SHA512: hex.EncodeToString(sum[:])}
	if id != imageID {
		image.DiskFormat, image.VirtualSize = "qcow2", 1<<30
	}
	return image, nil
}

func (i images) Open(_ context.Context, id string) (io.ReadCloser, error) {
	data, there := i.find(id)
	if !there {
		return nil, fmt.Errorf("open %s: %w", id, agent.ErrNoImage)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (i images) CreateImage(ctx context.Context, image compute.NewImage) error {
	who, known := token.IdentityFrom(ctx)
	if !known {
		return errors.New("an image is made by nobody")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.used[image.ID] {
		return api.Conflict("Image ID %s already exists!", image.ID)
	}
	if i.images == nil {
		i.images, i.used = map[string]*picture{}, map[string]bool{}
	}
	i.count++
	i.used[image.ID], i.images[image.ID] = true, &picture{NewImage: image, project: who.Project.ID, num: i.count}
	return nil
}

func (i images) DropImage(_ context.Context, id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.images, id)
	return nil
}

func (i images) LetUpload(_ context.Context, id, userID string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.images[id] == nil {
		return api.NotFound("No image found with ID %s", id)
	}
	i.images[id].uploader = userID
	return nil
}

func (i images) Backups(_ context.Context, serverID, projectID, kind string) ([]string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var found []*picture
	for _, p := range i.images {
		if p.Properties["instance_uuid"] == serverID && p.Properties["backup_type"] == kind && p.project == projectID {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *picture) int { return b.num - a.num })
	var ids []string
	for _, p := range found {
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// Upload implements agent.Uploads.
func (i images) Upload(_ context.Context, id string, content io.Reader, _ int64) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.images[id]
	switch {
	case p == nil:
		return &agent.UploadError{Message: "The image was deleted meanwhile."}
	case p.data != nil:
		return nil
	case p.uploader != "node:"+i.host:
		return &agent.UploadError{Message: "You are not authorized to complete upload_image action."}
	}
	p.data = data
	return nil
}

// halves are the images that never got their data.
func (g *gallery) halves() (ids []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, p := range g.images {
		if p.data == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
