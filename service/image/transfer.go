package image

import (
	"context"
	"errors"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/image/convert"
	"virga/service/image/store"
)

// maxTransfers is how many imports move bytes in one process at a time.
const maxTransfers = 8

// transferOf finds how the transfer of a content has ended, or that it still runs. Neither
// means that it is to begin.
func (s *Service) transferOf(ctx context.Context, contentID string) (ended *transfer, running bool, err error) {
	if contentID == "" {
		return nil, false, nil
	}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		found, err := findTransfer(tx, contentID)
		if err == nil {
			ended = &found
		}
		if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		c, err := findContent(tx, contentID)
		running = err == nil && c.State == contentIncoming
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		return err
	})
	return ended, running, err
}

// haul is what a transfer is to do.
type haul struct {
	operation  work.Operation
	diskFormat string
	to         string // the store that gets the content
	look       bool   // nothing is stored, the data is only looked at
	// carry takes the content in under an id.
	carry     func(ctx context.Context, contentID string) (transferOutcome, error)
	contentID string
}

// beginTransfer registers a content, notes its id and has its bytes moved; the operation
// waits to be rung.
func (s *Service) beginTransfer(ctx context.Context, noted *string, h haul) error {
	select {
	case s.transfers <- struct{}{}:
	default:
		return work.Wait(time.Second)
	}
	id := s.deps.Clock.ID()
	h.contentID = id
	forget := s.uploads.expect(id)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		return insertContent(tx, content{ID: id, ImageID: h.operation.ResourceID, State: contentIncoming, Owner: s.deps.Owner, SeenAt: s.deps.Clock.Now(), Store: h.to})
	})
	if err != nil {
		forget()
		<-s.transfers
		return err
	}
	*noted = id
	job := func(ctx context.Context) {
		defer func() { <-s.transfers }()
		ctx, end := s.uploads.begin(ctx, id)
		defer end()
		s.move(ctx, h)
	}
	select {
	case s.jobs <- job:
		return work.Wait(lookAgain)
	case <-ctx.Done():
		forget()
		<-s.transfers
		return context.Cause(ctx) // the row is that of a dead transfer
	}
}

// move takes a content in and leaves the outcome in the database.
func (s *Service) move(ctx context.Context, h haul) {
	outcome, err := h.carry(ctx, h.contentID)
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err != nil && ctx.Err() != nil {
		// The process ends, or the import was given up: without an outcome another transfer
		// begins where one is still wanted.
		err = s.deps.DB.Write(settle, func(tx *db.Tx) error {
			if err := doomContent(tx, h.contentID); err != nil {
				return err
			}
			return s.engine.Signal(tx, h.operation.ID)
		})
		if err != nil {
			s.deps.Log.ErrorContext(ctx, "give up a transfer; the next sweep will", "operation", h.operation.ID, "content", h.contentID, "error", err)
		}
		return
	}
	if err != nil {
		s.deps.Log.InfoContext(ctx, "a transfer took nothing", "image", h.operation.ResourceID, "operation", h.operation.ID, "store", h.to, "error", causeOf(err))
		outcome = outcomeOf(h.diskFormat, err)
	}
	if err := s.writeOutcome(settle, h, outcome); err != nil {
		s.deps.Log.ErrorContext(ctx, "write the outcome of a transfer; the import begins anew", "operation", h.operation.ID, "content", h.contentID, "error", err)
	}
}

// sourceTrouble is an error of a Source: its text is for users, its cause for the log alone.
type sourceTrouble interface {
	error
	Cause() error
}

// causeOf is an error as operators read it.
func causeOf(err error) error {
	var source sourceTrouble
	if errors.As(err, &source) {
		return source.Cause()
	}
	return err
}

// outcomeOf says to the user why nothing was taken. What the content or the source is to
// blame for would be no better another time.
func outcomeOf(diskFormat string, err error) transferOutcome {
	var source sourceTrouble
	if errors.As(err, &source) {
		return transferOutcome{Error: source.Error()}
	}
	if errors.Is(err, store.ErrNotFound) {
		return transferOutcome{Error: "The staged data is not there any more."}
	}
	var from errOrigin
	if errors.As(err, &from) {
		return transferOutcome{Error: from.text}
	}
	if errors.Is(err, convert.ErrFailed) {
		return transferOutcome{Error: "The image data could not be converted."}
	}
	if told := toldOf(diskFormat, err); told != "" {
		return transferOutcome{Error: told, OfStore: errors.Is(err, store.ErrNoSpace)}
	}
	return transferOutcome{Error: "The image data could not be stored.", Passing: true, OfStore: true}
}

// writeOutcome leaves the outcome of a transfer to the operation. Where another process has
// given the transfer up meanwhile, what was stored is removed.
func (s *Service) writeOutcome(ctx context.Context, h haul, outcome transferOutcome) error {
	forgotten := false
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := findContent(tx, h.contentID)
		if forgotten = errors.Is(err, db.ErrNotFound); forgotten || err == nil && c.State != contentIncoming {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := work.Find(tx, h.operation.ID)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err != nil || !now.FinishedAt.IsZero() { // it has taken another content
			return setContentState(tx, h.contentID, contentDoomed)
		}
		state := contentTaken
		if outcome.Error != "" || h.look {
			state = contentDoomed
		}
		if err := setContentState(tx, h.contentID, state); err != nil {
			return err
		}
		if err := insertTransfer(tx, transfer{h.contentID, h.operation.ID, outcome}); err != nil {
			return err
		}
		return s.engine.Signal(tx, h.operation.ID)
	})
	if err == nil && forgotten {
		return s.removeContent(ctx, content{ID: h.contentID, Store: h.to})
	}
	return err
}

// carryTransfers runs transfers until ctx ends, and waits for them.
func (s *Service) carryTransfers(ctx context.Context, run func(func())) {
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-s.jobs:
			run(func() { job(ctx) })
		}
	}
}
