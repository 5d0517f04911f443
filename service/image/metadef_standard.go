package image

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"virga/core/db"
)

//go:embed metadefs/*.json
var standardFiles embed.FS

// loadStandards gives the catalog the namespaces of the field, each once in the life of a
// cloud: what an administrator changes or deletes afterwards stays so.
func (s *Service) loadStandards(ctx context.Context) error {
	files, err := fs.Glob(standardFiles, "metadefs/*.json")
	if err != nil {
		return fmt.Errorf("list standard metadata definitions: %w", err)
	}
	var all []document
	for _, file := range files {
		text, err := standardFiles.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read standard metadata definitions: %w", err)
		}
		var bodies []document
		if err := json.Unmarshal(text, &bodies); err != nil {
			return fmt.Errorf("read standard metadata definitions of %s: %w", file, err)
		}
		all = append(all, bodies...)
	}
	var missing []document
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		missing, err = notLoaded(tx, all)
		return err
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		missing, err := notLoaded(tx, all)
		if err != nil {
			return err
		}
		for _, body := range missing {
			if err := s.loadStandard(tx, body); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil // another process of the cloud has loaded them at the same time
	}
	return err
}

// notLoaded are those of the standard namespaces that were never loaded.
func notLoaded(tx *db.Tx, all []document) ([]document, error) {
	loaded, err := standardsLoaded(tx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(body document) bool { return slices.Contains(loaded, body.text("namespace")) }), nil
}

func (s *Service) loadStandard(tx *db.Tx, body document) error {
	now := s.deps.Clock.Now()
	n := &namespace{ID: s.deps.Clock.ID(), Name: body.text("namespace"), DisplayName: body.text("display_name"), Description: body.text("description"),
		Visibility: visibilityPublic, Protected: true, Owner: "admin", CreatedAt: now, UpdatedAt: now}
	definitions, err := definitionsOf(n, body)
	if err != nil {
		return fmt.Errorf("load standard metadata definitions %s: %w", n.Name, err)
	}
	if err := noteStandardLoaded(tx, n.Name, now); err != nil {
		return err
	}
	if _, err := findNamespace(tx, n.Name); err == nil || !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return writeNamespace(tx, n, definitions)
}
