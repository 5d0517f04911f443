package console

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

// The pages are built from folder page by `make build`; a program that was built without them
// has none to serve.
//
//go:embed all:page/dist
var built embed.FS

// policy lets the pages load and reach nothing but what is theirs (CSP level 3). The terminal
// makes style elements of its own, the display's pointer is an image in the address.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// pages serves the pages. Their addresses hold a token, which must go nowhere else.
func pages() http.Handler {
	files, err := fs.Sub(built, "page/dist")
	if err != nil {
		panic(err) // the name above is wrong
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if info, err := fs.Stat(files, name); err != nil || info.IsDir() || strings.HasPrefix(name, ".") {
			http.NotFound(w, r)
			return
		}
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
