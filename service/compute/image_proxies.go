package compute

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
)

// Images, until 2.35, and their properties, until 2.38, are the image service's; what stands
// here shows and changes them in nova's form.

type imageLinkView struct {
	Rel  string `json:"rel"`
	HRef string `json:"href"`
	Type string `json:"type,omitempty"`
}

type imageBrief struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Links []imageLinkView `json:"links"`
}

type imageView struct {
	imageBrief
	MinRAM     int64             `json:"minRam"`
	MinDisk    int64             `json:"minDisk"`
	Metadata   map[string]string `json:"metadata"`
	Created    string            `json:"created"`
	Updated    string            `json:"updated"`
	Status     string            `json:"status"`
	Progress   int               `json:"progress"`
	Size       *int64            `json:"OS-EXT-IMG-SIZE:size"`
	Server     map[string]any    `json:"server,omitempty"`
	DiskConfig string            `json:"OS-DCF:diskConfig,omitempty"`
}

// imageStatuses are nova's words for the image service's, and how far those have come.
var imageStatuses = map[string]struct {
	name     string
	progress int
}{"active": {"ACTIVE", 100}, "queued": {"SAVING", 25}, "saving": {"SAVING", 50}, "deleted": {"DELETED", 0}, "pending_delete": {"DELETED", 0}, "killed": {"ERROR", 0}}

func (s *Service) viewImageBrief(r *api.Request, image *ImageDocument) imageBrief {
	brief := imageBrief{ID: image.ID, Name: image.Name}
	for _, l := range linksOf(r, "images", image.ID) {
		brief.Links = append(brief.Links, imageLinkView{Rel: l.Rel, HRef: l.HRef})
	}
	brief.Links = append(brief.Links, imageLinkView{"alternate", s.deps.ImageEndpoint + "/images/" + image.ID, "application/vnd.openstack.image"})
	return brief
}

func (s *Service) viewImage(r *api.Request, image *ImageDocument) imageView {
	status, known := imageStatuses[image.Status]
	if !known {
		status.name = "UNKNOWN"
	}
	view := imageView{imageBrief: s.viewImageBrief(r, image), MinRAM: image.MinRAM, MinDisk: image.MinDisk, Metadata: nonNil(image.Properties),
		Created: secondTime(image.CreatedAt), Updated: secondTime(image.UpdatedAt), Status: status.name, Progress: status.progress}
	if image.SizeKnown {
		view.Size = &image.Size
	}
	if id := image.Properties["instance_uuid"]; id != "" {
		view.Server = map[string]any{"id": id, "links": linksOf(r, "servers", id)}
	}
	if text, given := image.Properties["auto_disk_config"]; given {
		view.DiskConfig = "MANUAL"
		if auto, _ := api.ParseBool(text); auto {
			view.DiskConfig = "AUTO"
		}
	}
	return view
}

// readImageFilter reads nova's filters; a server may be given by its address.
func readImageFilter(r *api.Request) (ImageFilter, error) {
	page, err := (api.Paging{Max: maxServersPage}).Read(r.Query)
	if err != nil {
		return ImageFilter{}, err
	}
	f := ImageFilter{Name: r.Query.Get("name"), Status: strings.ToLower(r.Query.Get("status")), Marker: page.Marker, Limit: page.Limit, Properties: map[string]string{}}
	if text := r.Query.Get("changes-since"); text != "" {
		if f.ChangedSince, err = parseTime(text); err != nil {
			return f, api.BadRequest("Invalid input for query parameters changes-since. Value: %s.", oneLine(text, 60))
		}
	}
	for name, into := range map[string]**int{"minRam": &f.MinRAM, "minDisk": &f.MinDisk} {
		if text := r.Query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return f, api.BadRequest("Invalid input for query parameters %s. Value: %s.", name, oneLine(text, 60))
			}
			*into = &n
		}
	}
	for name, values := range r.Query {
		if property, found := strings.CutPrefix(name, "property-"); found && property != "" {
			f.Properties[property] = values[0]
		}
	}
	for name, property := range map[string]string{"server": "instance_uuid", "type": "image_type"} {
		if text := r.Query.Get(name); text != "" {
			f.Properties[property] = imageID(text)
		}
	}
	return f, nil
}

func (s *Service) listImages(ctx context.Context, r *api.Request, view func(r *api.Request, image *ImageDocument) any) (any, error) {
	filter, err := readImageFilter(r)
	if err != nil {
		return nil, err
	}
	images, err := s.deps.Images.ListImages(as(ctx, r), filter)
	if err != nil {
		return nil, fromImages(err)
	}
	views := []any{}
	for i := range images {
		views = append(views, view(r, &images[i]))
	}
	var links []linkView
	if r.Query.Get("limit") != "" && len(images) > 0 {
		links = nextLinks(r, len(images) >= filter.Limit, images[len(images)-1].ID)
	}
	return withLinks("images", views, links), nil
}

// imageList answers GET /images.
func (s *Service) imageList(ctx context.Context, r *api.Request) (any, error) {
	return s.listImages(ctx, r, func(r *api.Request, image *ImageDocument) any { return s.viewImageBrief(r, image) })
}

// imageListDetail answers GET /images/detail.
func (s *Service) imageListDetail(ctx context.Context, r *api.Request) (any, error) {
	return s.listImages(ctx, r, func(r *api.Request, image *ImageDocument) any { return s.viewImage(r, image) })
}

// fromImages turns a refusal of the image service into nova's.
func fromImages(err error) error {
	if api.StatusOf(err) == http.StatusNotFound {
		return api.NotFound("Image not found.").Because(err)
	}
	return passedOn("image", err)
}

func (s *Service) findImage(ctx context.Context, r *api.Request) (*ImageDocument, error) {
	image, err := s.deps.Images.ImageDocument(as(ctx, r), r.Param("image_id"))
	if err != nil {
		return nil, fromImages(err)
	}
	return &image, nil
}

// imageShow answers GET /images/{image_id}.
func (s *Service) imageShow(ctx context.Context, r *api.Request) (any, error) {
	image, err := s.findImage(ctx, r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"image": s.viewImage(r, image)}, nil
}

// imageDelete answers DELETE /images/{image_id}.
func (s *Service) imageDelete(ctx context.Context, r *api.Request) (any, error) {
	err := s.deps.Images.DeleteImage(as(ctx, r), r.Param("image_id"))
	switch {
	case err == nil:
		return nil, nil
	case api.StatusOf(err) == http.StatusForbidden:
		return nil, api.Forbidden("You are not allowed to delete the image.").Because(err)
	}
	return nil, fromImages(err)
}

// imageMetadataList answers GET /images/{image_id}/metadata.
func (s *Service) imageMetadataList(ctx context.Context, r *api.Request) (any, error) {
	image, err := s.findImage(ctx, r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"metadata": nonNil(image.Properties)}, nil
}

// imageMetadataShow answers GET /images/{image_id}/metadata/{key}.
func (s *Service) imageMetadataShow(ctx context.Context, r *api.Request) (any, error) {
	image, err := s.findImage(ctx, r)
	if err != nil {
		return nil, err
	}
	key := r.Param("key")
	value, there := image.Properties[key]
	if !there {
		return nil, api.NotFound("The resource could not be found.")
	}
	return map[string]any{"meta": map[string]string{key: value}}, nil
}

// changeImageMetadata makes an image's properties be what change leaves of them.
func (s *Service) changeImageMetadata(ctx context.Context, r *api.Request, change func(properties map[string]string) error) (map[string]string, error) {
	image, err := s.findImage(ctx, r)
	if err != nil {
		return nil, err
	}
	after := maps.Clone(nonNil(image.Properties))
	if err := change(after); err != nil {
		return nil, err
	}
	limits, _, err := s.readLimits(ctx, r.ProjectID())
	if err != nil {
		return nil, err
	}
	if over(limits[quotaMetadata], 0, int64(len(after))) {
		return nil, api.Forbidden("Image metadata limit exceeded")
	}
	set := map[string]string{}
	for key, value := range after {
		if before, there := image.Properties[key]; !there || before != value {
			set[key] = value
		}
	}
	var remove []string
	for _, key := range slices.Sorted(maps.Keys(image.Properties)) {
		if _, stays := after[key]; !stays {
			remove = append(remove, key)
		}
	}
	if len(set)+len(remove) == 0 {
		return after, nil
	}
	if err := s.deps.Images.ChangeImageProperties(as(ctx, r), image.ID, set, remove); err != nil {
		return nil, fromImages(err)
	}
	return after, nil
}

// imageMetadataMerge answers POST /images/{image_id}/metadata, imageMetadataReplace PUT.
func (s *Service) imageMetadataMerge(ctx context.Context, r *api.Request) (any, error) {
	return s.writeImageMetadata(ctx, r, false)
}

func (s *Service) imageMetadataReplace(ctx context.Context, r *api.Request) (any, error) {
	return s.writeImageMetadata(ctx, r, true)
}

func (s *Service) writeImageMetadata(ctx context.Context, r *api.Request, whole bool) (any, error) {
	var body struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	after, err := s.changeImageMetadata(ctx, r, func(properties map[string]string) error {
		if whole {
			clear(properties)
		}
		maps.Copy(properties, body.Metadata)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"metadata": after}, nil
}

// imageMetadataSet answers PUT /images/{image_id}/metadata/{key}.
func (s *Service) imageMetadataSet(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Meta map[string]string `json:"meta"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	value, given := body.Meta[r.Param("key")]
	if !given {
		return nil, api.BadRequest("Request body and URI mismatch")
	}
	_, err := s.changeImageMetadata(ctx, r, func(properties map[string]string) error {
		properties[r.Param("key")] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.RawMessage(r.Body), nil
}

// imageMetadataDelete answers DELETE /images/{image_id}/metadata/{key}.
func (s *Service) imageMetadataDelete(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeImageMetadata(ctx, r, func(properties map[string]string) error {
		if _, there := properties[r.Param("key")]; !there {
			return api.NotFound("Invalid metadata key")
		}
		delete(properties, r.Param("key"))
		return nil
	})
	return nil, err
}
