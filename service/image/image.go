package image

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
	"virga/service/image/ingest"
	"virga/service/image/sums"
)

// The states of an image, in the Image API's words.
const (
	statusQueued      = "queued"      // without data
	statusSaving      = "saving"      // an upload is running
	statusUploading   = "uploading"   // data is being staged, or is
	statusImporting   = "importing"   // an import is running
	statusActive      = "active"      // with data, which never changes again
	statusDeactivated = "deactivated" // with data that only administrators may download
	// statusPending is that of a deleted image whose data is kept; no API but the operator's shows it.
	statusPending = "pending_delete"
)

// Who may see an image, in the Image API's words.
const (
	visibilityPrivate   = "private"
	visibilityShared    = "shared"
	visibilityCommunity = "community"
	visibilityPublic    = "public"
)

const (
	// maxLabels is how many properties, how many tags and how many members an image may have.
	maxLabels = 128
	// maxPropertyBytes bounds the names and values of all properties of an image together.
	maxPropertyBytes = 64 << 10
	// maxText is the greatest length of a name, tag or property name, in characters.
	maxText = 255
	// unknown is the size of an image without data.
	unknown = -1
)

// image is an image record. Empty strings stand for null.
type image struct {
	ID              string            `db:"id"`
	Owner           string            `db:"owner"`
	Name            string            `db:"name"`
	Status          string            `db:"status"`
	Visibility      string            `db:"visibility"`
	DiskFormat      string            `db:"disk_format"`
	ContainerFormat string            `db:"container_format"`
	Size            int64             `db:"size"`         // bytes
	VirtualSize     int64             `db:"virtual_size"` // bytes
	Checksum        string            `db:"checksum"`
	HashAlgo        string            `db:"os_hash_algo"`
	HashValue       string            `db:"os_hash_value"`
	MinDisk         int64             `db:"min_disk"` // GiB
	MinRAM          int64             `db:"min_ram"`  // MiB
	Protected       bool              `db:"protected"`
	Hidden          bool              `db:"os_hidden"`
	Tags            []string          `db:"tags,json"` // sorted, each once
	Properties      map[string]string `db:"properties,json"`
	// ContentID names the content: stored when the image has data, on its way while it is
	// saving, staged or on its way there while it is uploading or importing, else empty.
	ContentID string `db:"content_id"`
	// ImportState tells how the last import has ended; empty: there was none, or one runs.
	ImportState string `db:"import_state"`
	// Places are where the data is; see Service.places. ImportingTo and ImportFailed are the
	// stores that an import goes to, and those that the last one has failed for, with commas.
	Places       []place `db:"places,json"`
	ImportingTo  string  `db:"importing_to"`
	ImportFailed string  `db:"import_failed"`
	// Uploader is the user id of a node that may upload the data; empty: only the owner may.
	Uploader  string    `db:"uploader"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
	// dropped are contents that a change takes from the image.
	dropped []string
	// callerMember is the caller's project where the image is shared with it.
	callerMember string
}

// PolicyTarget implements api.Target.
func (i *image) PolicyTarget() authz.Target {
	target := authz.Target{
		"project_id": i.Owner, "owner": i.Owner, "visibility": i.Visibility, "image_id": i.ID,
		"status": i.Status, "protected": i.Protected, "os_hidden": i.Hidden,
	}
	if i.Uploader != "" {
		target["uploader"] = i.Uploader
	}
	if i.callerMember != "" {
		target["member_id"] = i.callerMember
	}
	return target
}

// hasData tells whether the image's content is stored.
func (i *image) hasData() bool { return i.Status == statusActive || i.Status == statusDeactivated }

// hold notes what content the image has got.
func (i *image) hold(result ingest.Result) {
	i.Size, i.VirtualSize = result.Size, result.VirtualSize
	i.Checksum, i.HashAlgo, i.HashValue = result.MD5, sums.Algorithm, result.SHA512
}

// storedBytes is what the image's data takes up in stores; each copy counts.
func (i *image) storedBytes() int64 {
	if len(i.Places) == 0 {
		return max(0, i.Size)
	}
	copies := int64(0)
	for _, p := range i.Places {
		if p.URL == "" {
			copies++
		}
	}
	return copies * i.Size
}

// clone is a copy that can be changed without changing the image.
func (i *image) clone() *image {
	c := *i
	c.Tags, c.Properties = slices.Clone(i.Tags), maps.Clone(i.Properties)
	if c.Properties == nil {
		c.Properties = map[string]string{}
	}
	return &c
}

// setTags gives the image exactly these tags.
func (i *image) setTags(tags []string) {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	i.Tags = slices.Compact(tags)
}

// checkLimits refuses more labels than an image may have, and more text in them: lists hold many images whole.
func (i *image) checkLimits() error {
	if n := len(i.Properties); n > maxLabels {
		return errLimit("properties", n)
	}
	size := 0
	for name, value := range i.Properties {
		size += len(name) + len(value)
	}
	if size > maxPropertyBytes {
		return api.TooLarge("The properties of an image may have at most %d bytes in all. Attempted: %d", maxPropertyBytes, size)
	}
	if n := len(i.Tags); n > maxLabels {
		return errLimit("tags", n)
	}
	return nil
}

// loadImage finds the image of the path for a caller who may see it.
func (s *Service) loadImage(ctx context.Context, r *api.Request) (api.Target, error) {
	img, err := s.visibleImage(ctx, r, r.Param("image_id"))
	if err != nil {
		return nil, err
	}
	return img, nil
}

// visibleImage finds an image; one that the caller may not see is not found.
func (s *Service) visibleImage(ctx context.Context, r *api.Request, id string) (*image, error) {
	var img *image
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		img, err = findImageFor(tx, id, r.ProjectID())
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoImage(id)
	}
	if err != nil {
		return nil, err
	}
	if !r.Can("get_image", img.PolicyTarget()) {
		return nil, errNoImage(id)
	}
	return img, nil
}

func (s *Service) imageCreate(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	img, err := s.newImage(r, body)
	if err != nil {
		return nil, err
	}
	target := img.PolicyTarget()
	if !r.Can("add_image", target) {
		return nil, api.Forbidden("You are not permitted to create images owned by '%s'", img.Owner)
	}
	if err := s.mayShow(r, img, img.Visibility); err != nil {
		return nil, err
	}
	if err := s.learnLimits(ctx, img.Owner); err != nil {
		return nil, err
	}
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error { return s.insertAdmitted(tx, r, img) })
	if err != nil {
		return nil, err
	}
	header := http.Header{"Location": {r.URL("/v2/images/" + img.ID)}, "Openstack-Image-Store-Ids": {strings.Join(s.storeNames(), ",")}}
	if len(s.deps.ImportMethods) > 0 {
		header.Set("Openstack-Image-Import-Methods", strings.Join(s.deps.ImportMethods, ","))
	}
	return &api.Response{Header: header, Body: s.imageViewFor(r, img)}, nil
}

// insertAdmitted inserts a new image where its id is free and its owner may have one more.
func (s *Service) insertAdmitted(tx *db.Tx, r *api.Request, img *image) error {
	used, err := imageIDUsed(tx, img.ID)
	if err != nil {
		return err
	}
	if used {
		return api.Conflict("Image ID %s already exists!", img.ID)
	}
	if err := s.admit(tx, img.Owner); err != nil {
		return err
	}
	if err := insertImage(tx, img); err != nil {
		return err
	}
	return s.record(tx, r, feed.Change{ID: img.ID, Action: "create", OwnerProjectID: img.Owner, After: s.imageView(img)})
}

// newImage makes the image that the body of a create request describes.
func (s *Service) newImage(r *api.Request, body map[string]json.RawMessage) (*image, error) {
	now := s.deps.Clock.Now()
	img := &image{
		ID: s.deps.Clock.ID(), Owner: r.ProjectID(), Status: statusQueued, Visibility: visibilityShared,
		Size: unknown, VirtualSize: unknown, Properties: map[string]string{}, CreatedAt: now, UpdatedAt: now,
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if name == "id" {
			if err := json.Unmarshal(body[name], &img.ID); err != nil {
				return nil, wrongType(name)
			}
			continue
		}
		if err := s.checkSettable(name); err != nil {
			return nil, err
		}
		if err := s.setAttribute(img, name, body[name]); err != nil {
			return nil, err
		}
	}
	return img, img.checkLimits()
}

// mayShow enforces the rules for giving an image a visibility.
func (s *Service) mayShow(r *api.Request, img *image, visibility string) error {
	switch visibility {
	case visibilityPublic:
		return r.May("publicize_image", img.PolicyTarget())
	case visibilityCommunity:
		return r.May("communitize_image", img.PolicyTarget())
	}
	return nil
}

func (s *Service) imageShow(_ context.Context, r *api.Request) (any, error) {
	return s.imageViewFor(r, api.Loaded[*image](r)), nil
}

func (s *Service) imageDelete(ctx context.Context, r *api.Request) (any, error) {
	id := api.Loaded[*image](r).ID
	var content string
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		img, err := findImage(tx, id)
		if err != nil {
			return err
		}
		if img.Protected {
			return api.Forbidden("Image %s is protected and cannot be deleted.", id)
		}
		content = img.ContentID
		if err := s.engine.Preempt(tx, id, ""); err != nil {
			return err
		}
		if _, err := s.setAside(tx, img); err != nil {
			return err
		}
		if err := deleteImage(tx, img, s.deps.Clock.Now()); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: id, Action: "delete", OwnerProjectID: img.Owner, Before: s.imageView(img)})
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoImage(id)
	}
	if err != nil {
		return nil, err
	}
	s.uploads.stop(content)
	s.deps.Bus.Ring(topicContents)
	if s.deps.Cache != nil {
		s.deps.Bus.Ring(topicCache)
	}
	return nil, nil
}

// changeImage applies change to the image as it is now and returns what became of it.
// change may be called more than once and alters nothing but the image it is given.
func (s *Service) changeImage(ctx context.Context, r *api.Request, id, action string, change func(*image) error) (*image, error) {
	return s.changeWith(ctx, r, id, action, func(_ *db.Tx, img *image) error { return change(img) })
}

// changeWith is changeImage for changes that concern other rows, too.
func (s *Service) changeWith(ctx context.Context, r *api.Request, id, action string, change func(*db.Tx, *image) error) (*image, error) {
	var img *image
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		was, err := findImage(tx, id)
		if err != nil {
			return err
		}
		img = was.clone()
		if err := change(tx, img); err != nil {
			return err
		}
		if err := img.checkLimits(); err != nil {
			return err
		}
		img.UpdatedAt = s.deps.Clock.Now()
		if err := updateImage(tx, was, img); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: id, Action: action, OwnerProjectID: img.Owner, Before: s.imageView(was), After: s.imageView(img)})
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoImage(id)
	}
	return img, err
}

func (s *Service) imageDeactivate(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.switchImage(ctx, r, "deactivate", statusDeactivated)
}

func (s *Service) imageReactivate(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.switchImage(ctx, r, "reactivate", statusActive)
}

// switchImage moves an image that has data between active and deactivated.
func (s *Service) switchImage(ctx context.Context, r *api.Request, verb, status string) error {
	loaded := api.Loaded[*image](r)
	if loaded.Status == status {
		return nil
	}
	_, err := s.changeImage(ctx, r, loaded.ID, verb, func(img *image) error {
		if !img.hasData() {
			return api.Forbidden("Not allowed to %s image in status '%s'", verb, img.Status)
		}
		img.Status = status
		return nil
	})
	return err
}

func (s *Service) tagAdd(ctx context.Context, r *api.Request) (any, error) {
	tag := r.Param("tag")
	if err := checkText("tags", tag); err != nil {
		return nil, err
	}
	_, err := s.changeImage(ctx, r, api.Loaded[*image](r).ID, "update", func(img *image) error {
		img.setTags(append(img.Tags, tag))
		return nil
	})
	return nil, err
}

func (s *Service) tagRemove(ctx context.Context, r *api.Request) (any, error) {
	id, tag := api.Loaded[*image](r).ID, r.Param("tag")
	_, err := s.changeImage(ctx, r, id, "update", func(img *image) error {
		at, found := slices.BinarySearch(img.Tags, tag)
		if !found {
			return api.NotFound("Image %s has no tag %s.", id, tag)
		}
		img.Tags = slices.Delete(img.Tags, at, at+1)
		return nil
	})
	return nil, err
}
