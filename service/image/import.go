package image

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// The import methods, in the Image API's words.
const (
	importDirect = "glance-direct"   // what was staged
	importWeb    = "web-download"    // what a URL gives
	importCopy   = "copy-image"      // what the image has, into stores that lack it
	importPeer   = "glance-download" // what an image of another region has
)

// How the last import of an image has ended.
const (
	importDone   = "done"
	importFailed = "failed"
)

// importMethods are all methods.
func importMethods() []string { return []string{importDirect, importWeb, importCopy, importPeer} }

// Source reads what URLs of users give. Its errors tell users nothing of networks that only
// the service reaches.
type Source interface {
	// CheckURL refuses a URL that could not be read in any case.
	CheckURL(rawURL string) error
	// Open begins to read, and tells the size in bytes, or -1. The caller closes.
	Open(ctx context.Context, rawURL string) (io.ReadCloser, int64, error)
}

// importMethod is how the data comes, and from where.
type importMethod struct {
	Name string `json:"name"`
	URI  string `json:"uri,omitempty"`
	// Of an image of another region; the interface is public where none is named.
	Region    string `json:"glance_region,omitempty"`
	ImageID   string `json:"glance_image_id,omitempty"`
	Interface string `json:"glance_service_interface,omitempty"`
}

// iface is the interface of the other region's image service.
func (m importMethod) iface() string { return cmp.Or(m.Interface, "public") }

// importBody is an import request. Its form is kept as a task's input.
type importBody struct {
	Method            importMethod `json:"method"`
	Stores            []string     `json:"stores,omitempty"`
	AllStores         bool         `json:"all_stores,omitempty"`
	AllStoresMustHave *bool        `json:"all_stores_must_succeed,omitempty"`
}

// imageImport answers POST /v2/images/{image_id}/import.
func (s *Service) imageImport(ctx context.Context, r *api.Request) (any, error) {
	loaded := api.Loaded[*image](r)
	var body importBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := s.checkImport(r, loaded, body); err != nil {
		return nil, err
	}
	asked, err := s.storesAsked(r, body)
	if err != nil {
		return nil, err
	}
	if err := s.learnLimits(ctx, loaded.Owner); err != nil {
		return nil, err
	}
	_, err = s.changeWith(ctx, r, loaded.ID, "import", func(tx *db.Tx, img *image) error {
		if err := s.admitImport(tx, img, body); err != nil {
			return err
		}
		stores := asked
		if body.Method.Name == importCopy {
			if stores, err = s.storesLacking(img, asked, body.AllStores); err != nil {
				return err
			}
		}
		if body.Method.Name == importWeb || body.Method.Name == importPeer {
			if err := s.admitData(tx, img.Owner, 0); err != nil {
				return err
			}
		}
		_, err := s.startImport(tx, r, img, body, stores)
		return err
	})
	return nil, err
}

// startImport starts the operation that brings an image its data, and says so in the image.
func (s *Service) startImport(tx *db.Tx, r *api.Request, img *image, body importBody, stores []string) (operation string, err error) {
	if body.Method.Name != importCopy {
		img.Status = statusImporting
	}
	img.ImportState, img.ImportingTo, img.ImportFailed = "", strings.Join(slices.Sorted(slices.Values(stores)), ","), ""
	return s.engine.Start(tx, work.Order{Kind: opImport, ResourceKind: "image", ResourceID: img.ID, ProjectID: img.Owner, UserID: r.UserID(), RequestID: r.ID,
		Params: importParams{Request: body, DiskFormat: img.DiskFormat, StagedID: staged(img), Stores: stores, ContainerFormat: img.ContainerFormat, Inject: s.injected(r, body), Token: s.sealToken(r, body)}})
}

// staged is the content that was staged for an image.
func staged(img *image) string {
	if img.hasData() {
		return ""
	}
	return img.ContentID
}

// storesLacking are those of the stores asked for that lack an image's data. Who named one
// that has it is told so.
func (s *Service) storesLacking(img *image, asked []string, all bool) ([]string, error) {
	var lacking []string
	for _, name := range asked {
		has := slices.ContainsFunc(s.places(img), func(p place) bool { return p.Store == name })
		if has && !all {
			return nil, api.BadRequest("Image is already present at store '%s'", name)
		}
		if !has {
			lacking = append(lacking, name)
		}
	}
	return lacking, nil
}

// checkImport refuses what can be refused without the image as it is at the moment.
func (s *Service) checkImport(r *api.Request, img *image, body importBody) error {
	method := body.Method.Name
	if !slices.Contains(s.deps.ImportMethods, method) {
		return api.BadRequest("Unknown import method name '%s'.", method)
	}
	switch {
	case method == importCopy:
		return r.May("copy_image", img.PolicyTarget())
	case method != importPeer && body.Method.Region+body.Method.ImageID+body.Method.Interface != "":
		return api.BadRequest("The parameters 'glance_…' belong to the import method '%s', and to no other.", importPeer)
	case (method == importWeb) != (body.Method.URI != ""):
		return api.BadRequest("The parameter 'uri' belongs to the import method '%s', and to no other.", importWeb)
	case method == importWeb && s.deps.Source.CheckURL(body.Method.URI) != nil:
		return api.BadRequest("URI for web-download does not pass filtering: %s", body.Method.URI)
	case method == importPeer:
		return checkPeer(r, body)
	}
	return nil
}

// admitImport refuses an import for which the image is not in the right state.
func (s *Service) admitImport(tx *db.Tx, img *image, body importBody) error {
	switch {
	case body.Method.Name == importCopy && img.Status != statusActive:
		return api.Conflict("Only images with status active can be targeted for copying")
	case body.Method.Name == importCopy:
		return refuseSecond(tx, img.ID)
	case img.Status == statusActive:
		return api.Conflict("Image with status active cannot be target for import")
	case body.Method.Name == importDirect && img.Status != statusUploading:
		return api.Conflict("Image needs to be staged before 'glance-direct' method can be used")
	case (body.Method.Name == importWeb || body.Method.Name == importPeer) && img.Status != statusQueued:
		return api.Conflict("Image needs to be in 'queued' state to use '%s' method", body.Method.Name)
	case img.ContainerFormat == "":
		return api.Conflict("'container_format' needs to be set before import")
	case img.DiskFormat == "":
		return api.Conflict("'disk_format' needs to be set before import")
	case body.Method.Name != importDirect:
		return nil
	}
	staged, err := findContent(tx, img.ContentID)
	if err == nil && staged.State != contentKept {
		err = api.Conflict("The data of image %s is still being staged.", img.ID)
	}
	return err
}

// refuseSecond refuses an operation on an image while another one is not over.
func refuseSecond(tx *db.Tx, imageID string) error {
	running, err := work.Unfinished(tx, imageID)
	if err == nil && len(running) > 0 {
		return api.Conflict("New operation on image '%s' is not permitted as prior operation is still in progress", imageID)
	}
	return err
}

// imageStage answers PUT /v2/images/{image_id}/stage: the data is kept as it is, unseen,
// until it is imported.
func (s *Service) imageStage(ctx context.Context, r *api.Request) (any, error) {
	var bytes int64
	return nil, s.receive(ctx, r, reception{
		staged: &bytes,
		begin: func(img *image, contentID string) error {
			if img.Status != statusQueued {
				return api.Conflict("Image status transition from %s to uploading is not allowed", img.Status)
			}
			img.Status, img.ContentID = statusUploading, contentID
			return nil
		},
		action: "stage", store: s.firstStore().Name,
		take: func(ctx context.Context, _ *image, contentID string, body io.Reader, length int64) (err error) {
			bytes, err = s.stageContent(ctx, contentID, body, length)
			return err
		},
		finish: func(ctx context.Context, r *api.Request, id, contentID string) error {
			return s.finishReception(ctx, r, id, contentID, "staged", statusUploading, &bytes, func(*image) {})
		},
	})
}

// stageContent stores data without a look at it.
func (s *Service) stageContent(ctx context.Context, contentID string, body io.Reader, length int64) (int64, error) {
	stored, err := s.firstStore().Store.Put(ctx, contentID, &announced{r: body, size: length}, s.maxBytes())
	return stored.Size, err
}

// importShow tells the import methods.
func (s *Service) importShow(context.Context, *api.Request) (any, error) {
	return map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": s.deps.ImportMethods,
	}}, nil
}

// recordOf writes a change of an image that an operation made into the feed.
func (s *Service) recordOf(tx *db.Tx, o work.Operation, action string, was, img *image) error {
	return s.feed.Record(tx, feed.Change{At: s.deps.Clock.Now(), Kind: "image", ID: img.ID, Action: action, RequestID: o.RequestID, UserID: o.UserID, ProjectID: o.ProjectID,
		OperationID: o.ID, OwnerProjectID: img.Owner, Before: s.imageView(was), After: s.imageView(img)})
}

// noSource is the Source of a service that reads no URLs.
type noSource struct{}

// CheckURL implements Source.
func (noSource) CheckURL(string) error { return errNoSource }

// Open implements Source.
func (noSource) Open(context.Context, string) (io.ReadCloser, int64, error) {
	return nil, 0, errNoSource
}

var errNoSource = api.Errorf(http.StatusBadRequest, "URLs are not read here.")
