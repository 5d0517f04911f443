package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"virga/app/folder"
)

// factImages is the id of the folder that the cloud's images are in.
const factImages = "images-folder"

// hasImages tells whether the folder for images is the one that the cloud's images are in. A
// folder tells by a file which one it is; the first folder of a cloud is that of its images.
// Controllers that share it all serve images, any other passes requests for images on.
func (cl *cloud) hasImages(ctx context.Context) (bool, error) {
	if cl.conf.Server() == "" { // there is no other process
		return true, nil
	}
	path := filepath.Join(cl.conf.ImagesDir, ".virga-images")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("open image store: %w", err)
	}
	mine := strings.TrimSpace(string(text))
	known, err := cl.cluster.Known(ctx, factImages)
	if err != nil {
		return false, fmt.Errorf("open image store: %w", err)
	}
	if known == "" {
		if mine == "" {
			if mine, err = cl.markImages(path); err != nil {
				return false, fmt.Errorf("open image store: %w", err)
			}
		}
		if known, err = cl.cluster.Fact(ctx, factImages, mine); err != nil {
			return false, err
		}
	}
	if mine != known {
		cl.log.WarnContext(ctx, "images are elsewhere: this process passes requests for them on. It serves them, too, when the setting images-dir names the"+
			" folder that they are in (shared between the hosts, by NFS for example). If that folder is lost, write its id into the file to begin with an empty one",
			"file", path, "id", known)
	}
	return mine == known, nil
}

// markImages gives the folder an id. Of several processes that do so at once in a shared
// folder one is first, and the others take its id.
func (cl *cloud) markImages(path string) (string, error) {
	fresh := filepath.Join(filepath.Dir(path), ".virga-images-"+cl.folder.Process())
	id := cl.clock.ID()
	if err := folder.Write(fresh, []byte(id+"\n")); err != nil {
		return "", err
	}
	err := os.Link(fresh, path)
	if err = errors.Join(ignore(err, fs.ErrExist), os.Remove(fresh)); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

// ignore is err, unless it is the one that is expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
