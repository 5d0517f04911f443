package compute_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"virga/core/api"
	"virga/service/compute"
	"virga/service/compute/agent"
)

// otherImageID is a second image of the estate, with the content of the first.
const otherImageID = "11111111-1111-4111-8111-222222222222"

// madeImage is an image that somebody had made.
type madeImage struct {
	compute.NewImage
	project  string
	uploader string
	data     []byte // nil: it has none
	num      int
}

// makeKept has room for images that are made, which newWorld has not.
func (w *world) makeKept() map[string]*madeImage {
	if w.made == nil {
		w.made = map[string]*madeImage{}
	}
	return w.made
}

func (w images) CreateImage(ctx context.Context, image compute.NewImage) error {
	leave, err := w.enter(ctx, "create image")
	defer leave()
	if err != nil {
		return err
	}
	kept := w.makeKept()
	if kept[image.ID] != nil || w.deleted[image.ID] {
		return api.Conflict("Image ID %s already exists!", image.ID)
	}
	w.nextID++
	kept[image.ID] = &madeImage{NewImage: image, project: projectOf(ctx), num: w.nextID}
	return nil
}

func (w images) DropImage(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete image")
	defer leave()
	if err != nil {
		return err
	}
	if w.deleted == nil {
		w.deleted = map[string]bool{}
	}
	w.deleted[id] = true
	delete(w.made, id)
	delete(w.images, id)
	return nil
}

func (w images) LetUpload(ctx context.Context, id, userID string) error {
	leave, err := w.enter(ctx, "let upload")
	defer leave()
	if err != nil {
		return err
	}
	if w.made[id] == nil {
		return api.NotFound("No image found with ID %s", id)
	}
	w.made[id].uploader = userID
	return nil
}

func (w images) Backups(ctx context.Context, serverID, projectID, kind string) ([]string, error) {
	leave, err := w.enter(ctx, "backups")
	defer leave()
	var found []*madeImage
	for _, image := range w.made {
		if image.Properties["instance_uuid"] == serverID && image.Properties["backup_type"] == kind && image.project == projectID {
			found = append(found, image)
		}
	}
	slices.SortFunc(found, func(a, b *madeImage) int { return b.num - a.num })
	var ids []string
	for _, image := range found {
		ids = append(ids, image.ID)
	}
	return ids, err
}

// uploads is the image service as the agent of a host sees it.
type uploads struct {
	*world
	user string
	link func() error
}

// Upload implements agent.Uploads.
func (u uploads) Upload(ctx context.Context, id string, content io.Reader, size int64) error {
	if err := u.link(); err != nil {
		return err
	}
	data, err := io.ReadAll(content)
	if err != nil || int64(len(data)) != size {
		return errors.Join(err, fmt.Errorf("%d bytes of %d", len(data), size))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	image := u.made[id]
	switch {
	case image == nil:
		return &agent.UploadError{Message: "The image was deleted meanwhile."}
	case image.data != nil:
		return nil
	case image.uploader != u.user:
		return &agent.UploadError{Message: "You are not authorized to complete upload_image action."}
	}
	sum := sha512.Sum512(data)
	image.data, image.uploader = data, ""
	u.images[id] = compute.Image{ID: id, Name: image.Name, Status: "active", DiskFormat: image.DiskFormat, Size: size, VirtualSize: 1 << 30,
		SHA512: hex.EncodeToString(sum[:]), MinDisk: image.MinDisk, MinRAM: image.MinRAM, Properties: image.Properties}
	return nil
}

// Open implements agent.Images.
func (u uploads) Open(_ context.Context, id string) (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	data := imageContent
	if u.deleted[id] {
		return nil, fmt.Errorf("open %s: %w", id, agent.ErrNoImage)
	}
	if id != imageID && id != otherImageID {
		if u.made[id] == nil || u.made[id].data == nil {
			return nil, fmt.Errorf("open %s: %w", id, agent.ErrNoImage)
		}
		data = u.made[id].data
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (w *world) setRefuse(refuse func(call string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = refuse
}
