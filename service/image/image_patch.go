package image

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// The two media types of the Image API's JSON patch: an early draft, in which the
// operation's name is a member with the path as its value, and the one of RFC 6902.
const (
	patchDraft = "application/openstack-images-v2.0-json-patch"
	patchRFC   = "application/openstack-images-v2.1-json-patch"
)

// patchChange is one operation of a patch.
type patchChange struct {
	op    string // add, replace or remove
	name  string
	value json.RawMessage
	// fresh is set for the draft's add, which refuses what is there already.
	fresh bool
	// at is the position of a location, places are those to be added.
	at     string
	places []newPlace
}

func (s *Service) imageUpdate(ctx context.Context, r *api.Request) (any, error) {
	changes, err := s.readPatch(r)
	if err != nil {
		return nil, err
	}
	loaded := api.Loaded[*image](r)
	if len(changes) == 0 {
		return s.imageViewFor(r, loaded), nil
	}
	if err := s.askSources(ctx, r, loaded, changes); err != nil {
		return nil, err
	}
	img, err := s.changeWith(ctx, r, loaded.ID, "update", func(tx *db.Tx, img *image) error {
		for _, change := range changes {
			if err := s.applyChange(r, img, change); err != nil {
				return err
			}
		}
		for _, contentID := range img.dropped {
			if err := doomContent(tx, contentID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(img.dropped) > 0 {
		s.deps.Bus.Ring(topicContents)
	}
	return s.imageViewFor(r, img), nil
}

// readPatch reads the operations and refuses all that can be refused without the image.
func (s *Service) readPatch(r *api.Request) ([]patchChange, error) {
	mediaType, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if err != nil || mediaType != patchDraft && mediaType != patchRFC {
		e := api.Errorf(http.StatusUnsupportedMediaType, "Image PATCH expects Content-Type one of: %s, %s", patchDraft, patchRFC)
		e.Header = http.Header{"Accept-Patch": {patchDraft + ", " + patchRFC}}
		return nil, e
	}
	var raw []map[string]json.RawMessage
	if err := r.Decode(&raw); err != nil {
		return nil, err
	}
	read := readRFC
	if mediaType == patchDraft {
		read = readDraft
	}
	changes := make([]patchChange, 0, len(raw))
	for _, members := range raw {
		change, pointer, err := read(members)
		if err != nil {
			return nil, err
		}
		if change.name, change.at, err = readPointer(pointer); err != nil {
			return nil, err
		}
		value, given := members["value"]
		if change.op != "remove" && !given {
			return nil, api.BadRequest(`Operation "%s" requires a member named "value".`, change.op)
		}
		change.value = value
		if change.name == "locations" {
			err = s.readLocations(&change)
		} else {
			err = s.checkSettable(change.name)
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func readRFC(members map[string]json.RawMessage) (patchChange, string, error) {
	var op, pointer string
	if json.Unmarshal(members["op"], &op) != nil {
		return patchChange{}, "", api.BadRequest("Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace.")
	}
	if op != "add" && op != "remove" && op != "replace" {
		return patchChange{}, "", api.BadRequest("Invalid operation: `%s`. It must be one of the following: add, remove, replace.", op)
	}
	if json.Unmarshal(members["path"], &pointer) != nil {
		return patchChange{}, "", api.BadRequest("Unable to find 'path' in JSON Schema change")
	}
	return patchChange{op: op}, pointer, nil
}

func readDraft(members map[string]json.RawMessage) (patchChange, string, error) {
	change, pointer := patchChange{}, ""
	for _, op := range []string{"add", "remove", "replace"} {
		path, given := members[op]
		if !given {
			continue
		}
		if change.op != "" || json.Unmarshal(path, &pointer) != nil {
			return change, "", api.BadRequest(`Operation objects must contain only one member named "add", "remove", or "replace", which is a path.`)
		}
		change.op, change.fresh = op, op == "add"
	}
	if change.op == "" {
		return change, "", api.BadRequest(`Operation objects must contain exactly one member named "add", "remove", or "replace".`)
	}
	return change, pointer, nil
}

// badEscape finds a ~ that is no escape of a JSON pointer (RFC 6901).
var badEscape = regexp.MustCompile(`~([^01]|$)`)

// readPointer takes the name out of a JSON pointer, which names an attribute and nothing
// inside it, but for a position in the list of locations.
func readPointer(pointer string) (name, at string, err error) {
	switch {
	case !strings.HasPrefix(pointer, "/"):
		return "", "", api.BadRequest("Pointer `%s` does not start with \"/\".", pointer)
	case badEscape.MatchString(pointer):
		return "", "", api.BadRequest("Pointer `%s` contains \"~\" not part of a recognized escape sequence.", pointer)
	}
	path := pointer[1:]
	if at, found := strings.CutPrefix(path, "locations/"); found {
		return "locations", at, nil
	}
	name = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(path, "~1", "/"), "~0", "~"))
	if strings.Contains(path, "/") || name == "" {
		return "", "", api.BadRequest("Invalid JSON pointer for this resource: '%s'", pointer)
	}
	return name, "", nil
}

// applyChange applies one operation to an image.
func (s *Service) applyChange(r *api.Request, img *image, change patchChange) error {
	if change.name == "locations" {
		return s.changeLocations(r, img, change)
	}
	_, isProperty := img.Properties[change.name]
	isAttribute := s.attributes[change.name] != nil
	switch {
	case change.op == "remove" && isAttribute:
		return api.Forbidden("Property %s may not be removed.", change.name)
	case change.op != "add" && !isAttribute && !isProperty:
		return api.Conflict("Property %s does not exist.", change.name)
	case change.fresh && (isAttribute || isProperty):
		return api.Conflict("Property %s already present.", change.name)
	case change.op == "remove":
		delete(img.Properties, change.name)
		return nil
	case change.name == "owner" && r.May("context_is_admin", img.PolicyTarget()) != nil:
		return api.Forbidden("Owner can't be updated by non admin.")
	}
	was := img.Visibility
	if err := s.setAttribute(img, change.name, change.value); err != nil {
		return err
	}
	if img.Visibility != was {
		return s.mayShow(r, img, img.Visibility)
	}
	return nil
}
