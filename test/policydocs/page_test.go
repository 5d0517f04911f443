package main

import (
	"os"
	"path/filepath"
	"testing"
)

const committed = "../../docs/policy"

// TestDocumentsAreFresh compares what is committed with what the rules say now.
func TestDocumentsAreFresh(t *testing.T) {
	pages, err := documents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 7 {
		t.Errorf("%d pages were written, want six services and the overview", len(pages))
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(committed, name))
		if err != nil {
			t.Errorf("%v: run make docs", err)
			continue
		}
		if string(got) != want {
			t.Errorf("docs/policy/%s is stale: run make docs", name)
		}
	}
	entries, err := os.ReadDir(committed)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, written := pages[entry.Name()]; !written {
			t.Errorf("docs/policy/%s belongs to no service", entry.Name())
		}
	}
}
