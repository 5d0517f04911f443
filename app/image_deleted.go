package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// deletedImagesPath is where the image service shows deleted images whose data it keeps.
const deletedImagesPath = "/internal/pending"

// deletedImage is one of them.
type deletedImage struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Name      string    `json:"name"`
	Bytes     int64     `json:"bytes"`
	DeletedAt time.Time `json:"deleted_at"`
	ScrubAt   time.Time `json:"scrub_at"`
}

// ListDeletedImages writes a table of the deleted images whose data is kept.
func ListDeletedImages(ctx context.Context, account Account, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tPROJECT\tMIB\tDELETED\tSCRUBBED IN")
	now := time.Now()
	err = cloud.eachDeletedImage(ctx, func(_ string, image deletedImage) error {
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s ago\t%s\n", plain(image.ID, 64), orDash(plain(image.Name, 40)), plain(image.Owner, 64),
			(image.Bytes+1<<20-1)>>20, age(now.Sub(image.DeletedAt)), until(image.ScrubAt, now))
		return err
	})
	return errors.Join(err, table.Flush())
}

// RestoreImage brings a deleted image back.
func RestoreImage(ctx context.Context, account Account, id string, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	root, err := cloud.imageRoot()
	if err != nil {
		return err
	}
	if err := cloud.service(root).Do(ctx, http.MethodPost, deletedImagesPath+"/"+url.PathEscape(id)+"/restore", nil, nil); err != nil {
		return fmt.Errorf("restore image %s: %w", id, refusal(err))
	}
	_, err = fmt.Fprintf(out, "Image %s is back.\n", id)
	return err
}

// ScrubImages has the data of deleted images be removed: of the one with the id, or, without
// one, of those whose time has come, or of all.
func ScrubImages(ctx context.Context, account Account, id string, all bool, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	scrubbed, now := 0, time.Now()
	err = cloud.eachDeletedImage(ctx, func(root string, image deletedImage) error {
		if image.ID != id && (id != "" || !all && image.ScrubAt.After(now)) {
			return nil
		}
		err := cloud.service(root).Do(ctx, http.MethodDelete, deletedImagesPath+"/"+url.PathEscape(image.ID), nil, nil)
		if err != nil && statusOf(err) != http.StatusNotFound { // the cloud's own routine may be first
			return fmt.Errorf("scrub image %s: %w", image.ID, refusal(err))
		}
		scrubbed++
		return nil
	})
	if err != nil {
		return err
	}
	if id != "" && scrubbed == 0 {
		return fmt.Errorf("there is no deleted image %s whose data is kept", id)
	}
	_, err = fmt.Fprintf(out, "Scrubbed: %d.\n", scrubbed)
	return err
}

// imageRoot is the address of the image service.
func (r *remote) imageRoot() (string, error) {
	for _, root := range r.roots {
		if strings.HasSuffix(root, "/image") {
			return root, nil
		}
	}
	return "", errors.New("the cloud has no image service in its catalog")
}

// eachDeletedImage walks through the deleted images whose data is kept.
func (r *remote) eachDeletedImage(ctx context.Context, do func(root string, image deletedImage) error) error {
	root, err := r.imageRoot()
	if err != nil {
		return err
	}
	for marker := ""; ; {
		var page struct{ Images []deletedImage }
		if err := r.service(root).Do(ctx, http.MethodGet, deletedImagesPath+"?marker="+url.QueryEscape(marker), nil, &page); err != nil {
			return fmt.Errorf("list deleted images: %w", refusal(err))
		}
		for _, image := range page.Images {
			if err := do(root, image); err != nil {
				return err
			}
			marker = image.ID
		}
		if len(page.Images) == 0 {
			return nil
		}
	}
}
