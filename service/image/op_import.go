package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/image/ingest"
	"virga/service/image/store"
)

const (
	opImport = "image_import"
	// importDeadline bounds an import.
	importDeadline = 24 * time.Hour
	// lookAgain is how often an import that another process carries is looked at; its end rings.
	lookAgain = 10 * time.Second
	// maxTransfers is how many imports move bytes in one process at a time.
	maxTransfers = 8
)

// importParams is what was asked for, and what the image was then.
type importParams struct {
	Request    importBody `json:"request"`
	DiskFormat string     `json:"disk_format"`
	StagedID   string     `json:"staged_id"` // the content that was staged
}

type importFrame struct {
	// ContentID is the content that is being taken in.
	ContentID string `json:"content_id,omitempty"`
}

type importRun = work.Run[importParams, importFrame]

// imageImportKind gives an image the data of another place.
//
// Moving the bytes takes longer than a lease. The step has a transfer do it, which lives in
// one process with a row for its content, as uploads have, and leaves its outcome in the
// database; whichever process is rung then settles the operation. A transfer whose process
// dies leaves no outcome: its content is doomed and another transfer begins.
func (s *Service) imageImportKind() work.Registrable {
	return work.Kind[importParams, importFrame]{
		Name: opImport, Deadline: importDeadline,
		Steps: []work.Step[importParams, importFrame]{
			{Name: "take", Do: s.importTake, Undo: s.importUntake},
		},
		Finished: func(tx *db.Tx, run *importRun) error {
			tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
			return forgetTransfers(tx, run.Operation.ID)
		},
		Failed: s.importEnded,
	}
}

func (s *Service) importTake(ctx context.Context, run *importRun) error {
	if run.Params.Request.Method.Name == importCopy {
		run.InCommit(func(tx *db.Tx) error { return setImportState(tx, run.Operation.ResourceID, importDone) })
		return nil // the only store has the content
	}
	var ended transfer
	var running bool
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		ended, err = findTransfer(tx, run.Frame.ContentID)
		if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		c, err := findContent(tx, run.Frame.ContentID)
		running = err == nil && c.State == contentIncoming
		if errors.Is(err, db.ErrNotFound) {
			err = nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case running:
		return work.Wait(lookAgain)
	case ended.ContentID == "":
		return s.beginTransfer(ctx, run)
	case ended.Outcome.Error != "" && ended.Outcome.Passing:
		run.Frame.ContentID = ""
		return errors.New(ended.Outcome.Error)
	case ended.Outcome.Error != "":
		return work.Fail(errors.New(ended.Outcome.Error))
	}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error { return s.admitBytes(tx, run.Operation.ProjectID, ended.Outcome.Result.Size) })
	if api.StatusOf(err) == http.StatusRequestEntityTooLarge {
		return work.Fail(err)
	}
	if err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error { return s.activateImport(tx, run, ended.Outcome.Result) })
	return nil
}

// importUntake ends the transfer and has what it took be removed.
func (s *Service) importUntake(_ context.Context, run *importRun) error {
	s.uploads.stop(run.Frame.ContentID)
	run.InCommit(func(tx *db.Tx) error {
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
		return doomContent(tx, run.Frame.ContentID)
	})
	return nil
}

// activateImport makes what was taken the image's data; what was staged is needed no more.
func (s *Service) activateImport(tx *db.Tx, run *importRun, result ingest.Result) error {
	was, err := findImage(tx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return doomContent(tx, run.Frame.ContentID) // its deletion comes just now
	}
	if err != nil {
		return err
	}
	img := was.clone()
	img.Status, img.ContentID, img.UpdatedAt, img.ImportState = statusActive, run.Frame.ContentID, s.deps.Clock.Now(), importDone
	img.hold(result)
	if err := setContentState(tx, img.ContentID, contentKept); err != nil {
		return err
	}
	if err := doomContent(tx, run.Params.StagedID); err != nil {
		return err
	}
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
	return s.recordOf(tx, run.Operation, "activate", was, img)
}

// importEnded has the image wait for data again, without what was staged.
func (s *Service) importEnded(tx *db.Tx, run *importRun, _ string) error {
	if err := forgetTransfers(tx, run.Operation.ID); err != nil {
		return err
	}
	was, err := findImage(tx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) || err == nil && was.Status != statusImporting {
		return nil
	}
	if err != nil {
		return err
	}
	img := was.clone()
	img.Status, img.ContentID, img.ImportState, img.UpdatedAt = statusQueued, "", importFailed, s.deps.Clock.Now()
	if err := doomContent(tx, run.Params.StagedID); err != nil {
		return err
	}
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
	return s.recordOf(tx, run.Operation, "import.error", was, img)
}

// beginTransfer registers a content and has its bytes moved; the operation waits to be rung.
func (s *Service) beginTransfer(ctx context.Context, run *importRun) error {
	select {
	case s.transfers <- struct{}{}:
	default:
		return work.Wait(time.Second)
	}
	id, o, params := s.deps.Clock.ID(), run.Operation, run.Params
	forget := s.uploads.expect(id)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		return insertContent(tx, content{ID: id, ImageID: o.ResourceID, State: contentIncoming, Owner: s.deps.Owner, SeenAt: s.deps.Clock.Now()})
	})
	if err != nil {
		forget()
		<-s.transfers
		return err
	}
	run.Frame.ContentID = id
	job := func(ctx context.Context) {
		defer func() { <-s.transfers }()
		ctx, end := s.uploads.begin(ctx, id)
		defer end()
		s.move(ctx, o, params, id)
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
func (s *Service) move(ctx context.Context, o work.Operation, params importParams, contentID string) {
	result, err := s.takeImport(ctx, params, contentID)
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err != nil && ctx.Err() != nil {
		// The process ends, or the import was given up: without an outcome another transfer
		// begins where one is still wanted.
		err = s.deps.DB.Write(settle, func(tx *db.Tx) error {
			if err := doomContent(tx, contentID); err != nil {
				return err
			}
			return s.engine.Signal(tx, o.ID)
		})
		if err != nil {
			s.deps.Log.ErrorContext(ctx, "give up a transfer; the next sweep will", "operation", o.ID, "content", contentID, "error", err)
		}
		return
	}
	outcome := transferOutcome{Result: result}
	if err != nil {
		s.deps.Log.InfoContext(ctx, "an import took nothing", "image", o.ResourceID, "operation", o.ID, "error", causeOf(err))
		outcome = outcomeOf(params, err)
	}
	if err := s.writeOutcome(settle, o, contentID, outcome); err != nil {
		s.deps.Log.ErrorContext(ctx, "write the outcome of a transfer; the import begins anew", "operation", o.ID, "content", contentID, "error", err)
	}
}

// takeImport takes the content of an import in.
func (s *Service) takeImport(ctx context.Context, params importParams, contentID string) (ingest.Result, error) {
	var body io.ReadCloser
	var length int64
	var err error
	if params.Request.Method.Name == importWeb {
		body, length, err = s.deps.Source.Open(ctx, params.Request.Method.URI)
	} else {
		body, length, err = s.deps.Store.Get(ctx, params.StagedID, 0, store.NoLimit)
	}
	if err != nil {
		return ingest.Result{}, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = body.Close() }()
	return ingest.Take(ctx, s.deps.Store, ingest.Request{ID: contentID, DiskFormat: params.DiskFormat, Body: body, Length: length,
		Limit: s.maxBytes(), MaxVirtualSize: s.deps.MaxVirtualSize})
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
func outcomeOf(params importParams, err error) transferOutcome {
	var source sourceTrouble
	if errors.As(err, &source) {
		return transferOutcome{Error: source.Error()}
	}
	if errors.Is(err, store.ErrNotFound) {
		return transferOutcome{Error: "The staged data is not there any more."}
	}
	told := uploadError(&image{DiskFormat: params.DiskFormat}, err, nil, nil)
	var known *api.Error
	if errors.As(told, &known) {
		return transferOutcome{Error: known.Message}
	}
	return transferOutcome{Error: "The image data could not be stored.", Passing: true}
}

// writeOutcome leaves the outcome of a transfer to the operation. Where another process has
// given the transfer up meanwhile, what was stored is removed.
func (s *Service) writeOutcome(ctx context.Context, o work.Operation, contentID string, outcome transferOutcome) error {
	forgotten := false
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := findContent(tx, contentID)
		if forgotten = errors.Is(err, db.ErrNotFound); forgotten || err == nil && c.State != contentIncoming {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := work.Find(tx, o.ID)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err != nil || !now.FinishedAt.IsZero() { // it has taken another content
			return setContentState(tx, contentID, contentDoomed)
		}
		state := contentTaken
		if outcome.Error != "" {
			state = contentDoomed
		}
		if err := setContentState(tx, contentID, state); err != nil {
			return err
		}
		if err := insertTransfer(tx, transfer{contentID, o.ID, outcome}); err != nil {
			return err
		}
		return s.engine.Signal(tx, o.ID)
	})
	if err == nil && forgotten {
		return s.deps.Store.Delete(ctx, contentID)
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
