package image

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"virga/core/api"
)

// errorStyle renders errors as Glance's web framework does: JSON for clients that ask for
// it by name, a small page for all others. Clients take the message out of either, and
// show the text of the page as it is: quotes in it need no escape and have none.
func errorStyle(e *api.Error, r *api.Request) (string, []byte) {
	title := http.StatusText(e.Status)
	code := strconv.Itoa(e.Status) + " " + title
	if strings.Contains(r.HTTP.Header.Get("Accept"), "application/json") {
		return "application/json", jsonError(code, title, e.Message)
	}
	page := "<html>\n <head>\n  <title>" + code + "</title>\n </head>\n <body>\n  <h1>" + code + "</h1>\n  " +
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(e.Message) + "<br /><br />\n\n\n\n </body>\n</html>"
	return "text/html; charset=UTF-8", []byte(page)
}

func jsonError(code, title, message string) []byte {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Message string `json:"message"`
		Code    string `json:"code"`
		Title   string `json:"title"`
	}{message + "<br /><br />\n\n\n", code, title})
	if err != nil {
		panic("three strings are always JSON: " + err.Error())
	}
	return bytes.TrimSpace(body.Bytes())
}

// errNoImage is the answer for images that do not exist and for those that the caller may not see.
func errNoImage(id string) error { return api.NotFound("No image found with ID %s", id) }

// errLimit is the answer for the 129th of what an image may have 128 of.
func errLimit(what string, attempted int) error {
	return api.TooLarge("The limit has been exceeded on the number of allowed image %s. Attempted: %d, Maximum: %d", what, attempted, maxLabels)
}

// errReserved is the answer to setting what only the service sets.
func errReserved(name string) error { return api.Forbidden("Attribute '%s' is reserved.", name) }

// errReadOnly is the answer to setting what follows from the image.
func errReadOnly(name string) error { return api.Forbidden("Attribute '%s' is read-only.", name) }
