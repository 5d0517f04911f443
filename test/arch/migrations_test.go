package arch

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// backfillNumber finds the migrations that are written in Go.
var backfillNumber = regexp.MustCompile(`Version: ([0-9]+), Batch:`)

// TestMigrationsHaveNumbersOfTheirOwn: two changes that were made at the same time may both have taken the next
// number, and nothing starts with both.
func TestMigrationsHaveNumbersOfTheirOwn(t *testing.T) {
	count := 0
	taken := map[string]string{}
	for _, s := range sources(t) {
		for _, found := range backfillNumber.FindAllStringSubmatch(s.text, -1) {
			if !s.test {
				taken[filepath.Join(root, s.folder, "migrations", fmt.Sprintf("%04s", found[1]))] = "a backfill in " + s.path
			}
		}
	}
	for _, pattern := range []string{"core/*", "service/*", "app/*"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern), "migrations", "*.sql"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			count++
			number, _, _ := strings.Cut(filepath.Base(path), "_")
			place := filepath.Join(filepath.Dir(path), number)
			if other := taken[place]; other != "" {
				t.Errorf("%s and %s have the same number", other, path)
			}
			taken[place] = path
		}
	}
	if count < 20 {
		t.Errorf("only %d migrations were found: the pattern is wrong", count)
	}
}
