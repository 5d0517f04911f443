package placement

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"virga/core/api"
)

// checked wraps the handlers of all rows with the checks of the request's media types.
func checked(rows []api.Route) []api.Route {
	for i := range rows {
		handle, hasBody := rows[i].Handle, rows[i].Body != ""
		rows[i].Handle = func(ctx context.Context, r *api.Request) (any, error) {
			if err := checkMediaTypes(r.HTTP, hasBody); err != nil {
				return nil, err
			}
			return handle(ctx, r)
		}
	}
	return rows
}

// admitBody refuses a body by what its header says of it, before anybody reads it.
func admitBody(r *http.Request) error {
	if r.ContentLength <= 0 || r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil
	}
	return checkMediaTypes(r, true)
}

func checkMediaTypes(r *http.Request, hasBody bool) error {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" && (hasBody || r.ContentLength > 0) {
		return api.BadRequest(contentTypeIsMissing)
	}
	if hasBody {
		if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/json" {
			return api.Errorf(http.StatusUnsupportedMediaType, contentTypeIsNotJSON, contentType)
		}
	}
	if accept := r.Header.Get("Accept"); accept != "" && r.Method == http.MethodGet && !acceptsJSON(accept) {
		return api.Errorf(http.StatusNotAcceptable, acceptIsNotJSON)
	}
	return nil
}

func acceptsJSON(accept string) bool {
	for offer := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(offer, ";")
		switch strings.TrimSpace(media) {
		case "*/*", "application/*", "application/json":
			return true
		}
	}
	return false
}

// answer is a response with the headers about its age; a zero time means that it tells
// how things are now.
func (s *Service) answer(r *api.Request, body any, modified time.Time) *api.Response {
	return &api.Response{Body: body, Header: s.ageHeader(r, modified)}
}

func (s *Service) ageHeader(r *api.Request, modified time.Time) http.Header {
	header := http.Header{}
	if since(r, lastModified) {
		if modified.IsZero() {
			modified = s.deps.Clock.Now()
		}
		header.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
		header.Set("Cache-Control", "no-cache")
	}
	return header
}

// located adds the address of a new resource to a response.
func located(r *api.Request, response *api.Response, path string) *api.Response {
	if response.Header == nil {
		response.Header = http.Header{}
	}
	response.Header.Set("Location", r.URL(path))
	return response
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// normalUUID brings a UUID into its form of 36 lower-case characters; ok is false for
// anything else. The API takes UUIDs without dashes too.
func normalUUID(text string) (string, bool) {
	if len(text) != 36 && len(text) != 32 {
		return text, false
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return text, false
	}
	return id.String(), true
}

// providerUUID is the provider that the path names; what is no UUID names none.
func providerUUID(r *api.Request) (string, error) {
	id, ok := normalUUID(r.Param("uuid"))
	if !ok {
		return "", noProvider(printable(r.Param("uuid")))
	}
	return id, nil
}

// printable makes a client's text fit to be repeated in an error. What it had to cut is
// no name and no UUID any more.
func printable(text string) string {
	const most = 300
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= most {
		return text
	}
	cut := text[:most]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + "..."
}
