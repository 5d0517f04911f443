package arch

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestMigrationsHaveNumbersOfTheirOwn: two changes that were made at the same time may both have taken the next
// number, and nothing starts with both.
func TestMigrationsHaveNumbersOfTheirOwn(t *testing.T) {
	count := 0
	for _, pattern := range []string{"core/*", "service/*", "app/*"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern), "migrations", "*.sql"))
		if err != nil {
			t.Fatal(err)
		}
		taken := map[string]string{}
		for _, path := range files {
			count++
			number, _, _ := strings.Cut(filepath.Base(path), "_")
			place := filepath.Join(filepath.Dir(path), number)
			if other := taken[place]; other != "" {
				t.Errorf("%s and %s have the same number", filepath.Base(other), path)
			}
			taken[place] = path
		}
	}
	if count < 20 {
		t.Errorf("only %d migrations were found: the pattern is wrong", count)
	}
}
