package image

import (
	"context"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// Where deleting is delayed, a deleted image is gone for everybody at once, and its data is
// kept a while, in which an operator may restore it. A routine scrubs what has waited long
// enough (scrubDue); until then it counts as the project's.

// pendingView is a deleted image as operators see it.
type pendingView struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Name      string    `json:"name"`
	Status    string    `json:"status"`
	Bytes     int64     `json:"bytes"`
	DeletedAt time.Time `json:"deleted_at"`
	ScrubAt   time.Time `json:"scrub_at"`
}

// setAside keeps an image that is being deleted, in the transaction that deletes it and
// before that does; it tells whether it did.
func (s *Service) setAside(tx *db.Tx, img *image) (bool, error) {
	if s.deps.DelayedDelete <= 0 || !img.hasData() {
		return false, nil
	}
	members, err := listMembers(tx, img.ID)
	if err != nil {
		return false, err
	}
	now := s.deps.Clock.Now()
	kept := img.clone()
	kept.Places = s.places(img)
	p := pending{ID: img.ID, Owner: img.Owner, Name: img.Name, Bytes: img.storedBytes(), DeletedAt: now, ScrubAt: now.Add(s.deps.DelayedDelete),
		Document: pendingDocument{Image: kept, Members: members}}
	if err := insertPending(tx, p); err != nil {
		return false, err
	}
	return true, keepPending(tx, img.ID)
}

// pendingList answers GET /internal/pending.
func (s *Service) pendingList(ctx context.Context, r *api.Request) (any, error) {
	var list []pending
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = listPending(tx, r.Query.Get("marker"), sweepPage)
		return err
	})
	views := []pendingView{}
	for _, p := range list {
		views = append(views, pendingView{p.ID, p.Owner, p.Name, statusPending, p.Bytes, p.DeletedAt.UTC(), p.ScrubAt.UTC()})
	}
	return map[string]any{"images": views}, err
}

// pendingScrub answers DELETE /internal/pending/{image_id}: it does not wait any longer.
func (s *Service) pendingScrub(ctx context.Context, r *api.Request) (any, error) {
	change := feed.Change{RequestID: r.ID, UserID: r.UserID(), ProjectID: r.ProjectID()}
	return nil, s.scrub(ctx, r.Param("image_id"), change)
}

// pendingRestore answers POST /internal/pending/{image_id}/restore.
func (s *Service) pendingRestore(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("image_id")
	var img *image
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		p, err := findPending(tx, id)
		if err != nil {
			return err
		}
		img = p.Document.Image
		img.UpdatedAt, img.ImportingTo = s.deps.Clock.Now(), ""
		if err := insertImage(tx, img); err != nil {
			return err
		}
		for _, m := range p.Document.Members {
			if err := insertMember(tx, m); err != nil {
				return err
			}
		}
		if err := restorePending(tx, id); err != nil {
			return err
		}
		if err := forgetPending(tx, id); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: id, Action: "restore", OwnerProjectID: img.Owner, After: s.imageView(img)})
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoImage(id)
	}
	if err != nil {
		return nil, err
	}
	return s.imageView(img), nil
}

// scrub has the data of a deleted image be removed.
func (s *Service) scrub(ctx context.Context, id string, change feed.Change) error {
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		p, err := findPending(tx, id)
		if err != nil {
			return err
		}
		if err := scrubPending(tx, id); err != nil {
			return err
		}
		if err := forgetPending(tx, id); err != nil {
			return err
		}
		change.At, change.Kind, change.ID, change.Action, change.OwnerProjectID = s.deps.Clock.Now(), "image", id, "scrub", p.Owner
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
		return s.feed.Record(tx, change)
	})
	if errors.Is(err, db.ErrNotFound) {
		return errNoImage(id)
	}
	return err
}

// scrubDue scrubs what has waited long enough.
func (s *Service) scrubDue(ctx context.Context) error {
	for {
		var ids []string
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
			ids, err = listToScrub(tx, s.deps.Clock.Now(), sweepPage)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			err := s.scrub(ctx, id, feed.Change{RequestID: api.RequestID(ctx), OperationID: "scrub_images"})
			if err != nil && api.StatusOf(err) != 404 { // another process was first
				return err
			}
		}
	}
}
