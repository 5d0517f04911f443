package orders

// CacheOrder has a host bring images to its cache before a guest needs them. It stays until the host reports it.
type CacheOrder struct {
	ID         string  `json:"id"`
	Generation int64   `json:"generation"`
	Images     []Image `json:"images"`
}

// CacheReport is the body of PUT /internal/hosts/{host}/caches/{cache_id}: what became of each image, by its id.
type CacheReport struct {
	Images map[string]CacheStatus `json:"images"`
	// Errors says why, for those that are CacheFailed.
	Errors map[string]string `json:"errors,omitempty"`
}

// CacheStatus is what became of an image, in nova's words.
type CacheStatus string

// The statuses. Cached: it was brought. Existing: it was there. Skipped is never reported; the service says so of
// hosts that were away for too long.
const (
	CacheDone     CacheStatus = "cached"
	CacheExisting CacheStatus = "existing"
	CacheFailed   CacheStatus = "error"
	CacheSkipped  CacheStatus = "skipped"
)
