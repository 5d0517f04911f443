package image

import (
	"context"
	"encoding/json"
	"net/http"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// taskBody is the request POST /v2/tasks, by which administrators make an image and import
// its data at once.
type taskBody struct {
	Type  string `json:"type"`
	Input struct {
		From       string                     `json:"import_from"`
		Format     string                     `json:"import_from_format"`
		Properties map[string]json.RawMessage `json:"image_properties"`
	} `json:"input"`
}

// taskCreate answers POST /v2/tasks: the image and the import of its data begin together.
func (s *Service) taskCreate(ctx context.Context, r *api.Request) (any, error) {
	var body taskBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	img, request, err := s.newImport(r, body)
	if err != nil {
		return nil, err
	}
	stores, err := s.storesAsked(r, request)
	if err != nil {
		return nil, err
	}
	if err := s.learnLimits(ctx, img.Owner); err != nil {
		return nil, err
	}
	var o work.Operation
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.insertAdmitted(tx, r, img); err != nil {
			return err
		}
		if err := s.admitData(tx, img.Owner, 0); err != nil {
			return err
		}
		was := *img
		id, err := s.startImport(tx, r, img, request, stores)
		if err != nil {
			return err
		}
		if err := updateImage(tx, &was, img); err != nil {
			return err
		}
		if err := s.record(tx, r, feed.Change{ID: img.ID, Action: "import", OwnerProjectID: img.Owner, Before: s.imageView(&was), After: s.imageView(img)}); err != nil {
			return err
		}
		o, err = work.Find(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	view, err := s.viewTask(o)
	if err != nil {
		return nil, err
	}
	return &api.Response{Header: http.Header{"Location": {r.URL("/v2/tasks/" + o.ID)}}, Body: view}, nil
}

// newImport is the image and the import that a task asks for.
func (s *Service) newImport(r *api.Request, body taskBody) (*image, importBody, error) {
	request := importBody{Method: importMethod{Name: importWeb, URI: body.Input.From}}
	attributes := map[string]json.RawMessage{"disk_format": quoted(body.Input.Format), "container_format": quoted("bare")}
	for name, value := range body.Input.Properties {
		attributes[name] = value
	}
	img, err := s.newImage(r, attributes)
	if err != nil {
		return nil, request, err
	}
	if err := r.May("add_image", img.PolicyTarget()); err != nil {
		return nil, request, err
	}
	if err := s.mayShow(r, img, img.Visibility); err != nil {
		return nil, request, err
	}
	return img, request, s.checkImport(r, img, request)
}

// quoted is a text in JSON.
func quoted(text string) json.RawMessage {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always has a form
	}
	return encoded
}
