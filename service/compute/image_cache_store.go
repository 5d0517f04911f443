package compute

import (
	"fmt"
	"time"

	"virga/core/db"
	"virga/service/compute/orders"
)

// imageCache is a row of the table image_caches: somebody wants the hosts of an aggregate to have images in their
// caches. It goes when its last host has answered.
type imageCache struct {
	ID string `db:"id"`
	// Aggregate is what it was at the time of the request.
	Aggregate aggregateDocument `db:"aggregate,json"`
	Images    []orders.Image    `db:"images,json"`
	Tally     cacheTally        `db:"tally,json"`
	UserID    string            `db:"user_id"`
	ProjectID string            `db:"project_id"`
	RequestID string            `db:"request_id"`
	// Total counts the hosts that were asked.
	Total     int       `db:"total"`
	CreatedAt time.Time `db:"created_at"`
}

// cacheTally counts hosts that answered and, over all of them, what became of the images.
type cacheTally struct {
	Hosts    int `json:"hosts"`
	Cached   int `json:"cached"`
	Existing int `json:"existing"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
}

// imageCacheHost is a row of the table image_cache_hosts: a host that has not answered yet.
type imageCacheHost struct {
	CacheID string `db:"cache_id"`
	Host    string `db:"host"`
	// Generation is that of the host's orders with which this one was given; 0 before it is the host's turn.
	Generation int64     `db:"generation"`
	CreatedAt  time.Time `db:"created_at"`
	OrderedAt  time.Time `db:"ordered_at"`
}

var (
	imageCacheColumns     = db.Columns(imageCache{}, "")
	imageCacheHostColumns = db.Columns(imageCacheHost{}, "")
)

func insertImageCache(tx *db.Tx, row *imageCache) error {
	if err := tx.Insert("image_caches", row); err != nil {
		return fmt.Errorf("insert image cache %s: %w", row.ID, err)
	}
	for _, host := range row.Aggregate.Hosts {
		if err := tx.Insert("image_cache_hosts", imageCacheHost{CacheID: row.ID, Host: host, CreatedAt: row.CreatedAt}); err != nil {
			return fmt.Errorf("insert image cache %s of host %s: %w", row.ID, host, err)
		}
	}
	return nil
}

func findImageCache(tx *db.Tx, id string) (*imageCache, error) {
	row := &imageCache{}
	err := tx.Get(row, "SELECT "+imageCacheColumns+" FROM image_caches WHERE id = ?", id)
	return row, err
}

func findImageCacheHost(tx *db.Tx, id, host string) (*imageCacheHost, error) {
	row := &imageCacheHost{}
	err := tx.Get(row, "SELECT "+imageCacheHostColumns+" FROM image_cache_hosts WHERE cache_id = ? AND host = ?", id, host)
	return row, err
}

// imageCachesOfHost returns what a host was ordered to cache after a generation, oldest first.
func imageCachesOfHost(tx *db.Tx, host string, since int64) ([]orders.CacheOrder, error) {
	var rows []struct {
		ID         string         `db:"id"`
		Generation int64          `db:"generation"`
		Images     []orders.Image `db:"images,json"`
	}
	err := tx.Select(&rows, "SELECT c.id, h.generation, c.images FROM image_cache_hosts h JOIN image_caches c ON c.id = h.cache_id"+
		" WHERE h.host = ? AND h.generation > ? AND h.ordered_at > 0 ORDER BY h.generation", host, since)
	list := make([]orders.CacheOrder, 0, len(rows))
	for _, row := range rows {
		list = append(list, orders.CacheOrder(row))
	}
	return list, err
}

// countCaching counts the hosts that are up and were ordered to cache images after a time.
func countCaching(tx *db.Tx, now, after time.Time) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(DISTINCT c.host) FROM image_cache_hosts c JOIN hosts h ON h.name = c.host"+
		" WHERE c.ordered_at > ? AND h.forced_down = 0 AND h.down_at > ?", after, now)
	return n, err
}

// nextCaching returns hosts that are up and whose turn it would be, at most limit.
func nextCaching(tx *db.Tx, now time.Time, limit int) ([]imageCacheHost, error) {
	var rows []imageCacheHost
	err := tx.Select(&rows, "SELECT "+db.Columns(imageCacheHost{}, "c.")+" FROM image_cache_hosts c JOIN hosts h ON h.name = c.host"+
		" WHERE c.ordered_at = 0 AND h.forced_down = 0 AND h.down_at > ? ORDER BY c.created_at, c.cache_id, c.host LIMIT ?", now, limit)
	return rows, err
}

// overdueCaching returns hosts that did not answer requests made before a time, and hosts that are no longer there; at most limit.
func overdueCaching(tx *db.Tx, before time.Time, limit int) ([]imageCacheHost, error) {
	var rows []imageCacheHost
	err := tx.Select(&rows, "SELECT "+db.Columns(imageCacheHost{}, "c.")+" FROM image_cache_hosts c LEFT JOIN hosts h ON h.name = c.host"+
		" WHERE c.created_at < ? OR h.name IS NULL ORDER BY c.created_at, c.cache_id, c.host LIMIT ?", before, limit)
	return rows, err
}

// orderCaching makes it a host's turn.
func orderCaching(tx *db.Tx, row imageCacheHost, now time.Time) error {
	generation, err := nextGeneration(tx, row.Host)
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE image_cache_hosts SET generation = ?, ordered_at = ? WHERE cache_id = ? AND host = ?", generation, now, row.CacheID, row.Host)
	return err
}

// settleImageCacheHost takes a host off a request and writes the tally; a request without hosts is forgotten.
func settleImageCacheHost(tx *db.Tx, row *imageCache, host string) error {
	if _, err := tx.Exec("DELETE FROM image_cache_hosts WHERE cache_id = ? AND host = ?", row.ID, host); err != nil {
		return err
	}
	if row.Tally.Hosts >= row.Total {
		_, err := tx.Exec("DELETE FROM image_caches WHERE id = ?", row.ID)
		return err
	}
	return tx.Update("image_caches", row, "id")
}
