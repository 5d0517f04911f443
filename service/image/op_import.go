package image

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/image/ingest"
)

const (
	opImport = "image_import"
	// importDeadline bounds an import.
	importDeadline = 24 * time.Hour
	// lookAgain is how often an import that another process carries is looked at; its end rings.
	lookAgain = 10 * time.Second
)

// importParams is what was asked for, and what the image was then.
type importParams struct {
	Request    importBody `json:"request"`
	DiskFormat string     `json:"disk_format"`
	StagedID   string     `json:"staged_id"` // the content that was staged
	Stores     []string   `json:"stores"`    // where the data is to go, in this order
	// ContainerFormat is as DiskFormat; Inject are properties that the image gets besides.
	ContainerFormat string            `json:"container_format"`
	Inject          map[string]string `json:"inject,omitempty"`
	// Token is the sealed one of who asked, to be shown to another region's image service.
	Token string `json:"token,omitempty"`
}

// every tells whether all stores must get the data.
func (p importParams) every() bool {
	return p.Request.AllStoresMustHave == nil || *p.Request.AllStoresMustHave
}

type importFrame struct {
	// ContentID is the content that is being taken in, for the store with the number Next.
	ContentID string `json:"content_id,omitempty"`
	Next      int    `json:"next,omitempty"`
	// Held are the stores that have the data, Failed those that did not take it.
	Held   []place  `json:"held,omitempty"`
	Failed []string `json:"failed,omitempty"`
	// Result is what became known of the data; nil before the first store has it.
	Result *ingest.Result `json:"result,omitempty"`
	// Origin is what the image is besides its data; nil where it stays as it is.
	Origin *origin `json:"origin,omitempty"`
}

type importRun = work.Run[importParams, importFrame]

// imageImportKind gives an image the data of another place, or gives its data to more stores.
//
// Moving the bytes takes longer than a lease. The step has a transfer do it, which lives in
// one process with a row for its content, as uploads have, and leaves its outcome in the
// database; whichever process is rung then goes on with the operation. A transfer whose
// process dies leaves no outcome: its content is doomed and another transfer begins. Stores
// get the data one after the other, the second from the first: a source is read once.
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

// importTake has one store after the other take the data, and then gives it to the image.
func (s *Service) importTake(ctx context.Context, run *importRun) error {
	for run.Frame.Next < len(run.Params.Stores) {
		ended, running, err := s.transferOf(ctx, run.Frame.ContentID)
		switch {
		case err != nil:
			return err
		case running:
			return work.Wait(lookAgain)
		case ended == nil:
			return s.beginTransfer(ctx, &run.Frame.ContentID, s.importHaul(run))
		}
		if err := importNext(run, ended.Outcome); err != nil {
			return err
		}
	}
	if len(run.Frame.Held) == 0 && len(run.Params.Stores) > 0 {
		return work.Failf("None of the uploads finished!")
	}
	if err := s.learnLimits(ctx, run.Operation.ProjectID); err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error { return s.settleImport(tx, run) })
	return nil
}

// importNext notes what came of the transfer to one store.
func importNext(run *importRun, outcome transferOutcome) error {
	frame := &run.Frame
	name := run.Params.Stores[frame.Next]
	switch {
	case outcome.Error == "":
		frame.Held = append(frame.Held, place{Store: name, ContentID: frame.ContentID})
		if frame.Result == nil {
			frame.Result, frame.Origin = &outcome.Result, outcome.Origin
		}
	case !run.Params.every() && outcome.OfStore:
		frame.Failed = append(frame.Failed, name)
	case outcome.Passing:
		frame.ContentID = ""
		return errors.New(outcome.Error)
	default:
		return work.Fail(errors.New(outcome.Error))
	}
	frame.ContentID = ""
	frame.Next++
	return nil
}

// importUntake ends the transfer and has what was taken be removed.
func (s *Service) importUntake(_ context.Context, run *importRun) error {
	s.uploads.stop(run.Frame.ContentID)
	run.InCommit(func(tx *db.Tx) error {
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
		return doomTaken(tx, run)
	})
	return nil
}

// doomTaken has all that an import has taken be removed.
func doomTaken(tx *db.Tx, run *importRun) error {
	for _, held := range run.Frame.Held {
		if err := doomContent(tx, held.ContentID); err != nil {
			return err
		}
	}
	return doomContent(tx, run.Frame.ContentID)
}

// settleImport makes what was taken the image's data; what was staged is needed no more.
func (s *Service) settleImport(tx *db.Tx, run *importRun) error {
	was, err := findImage(tx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return doomTaken(tx, run) // its deletion comes just now
	}
	if err != nil {
		return err
	}
	img, held, action := was.clone(), run.Frame.Held, "update"
	if !img.hasData() {
		action = "activate"
		img.Status = statusActive
		img.hold(*run.Frame.Result)
		img.settleIn(held)
		if run.Frame.Origin != nil {
			run.Frame.Origin.give(img)
		}
		maps.Copy(img.Properties, run.Params.Inject)
		if err := img.checkLimits(); err != nil {
			return work.Fail(err)
		}
	} else if len(held) > 0 {
		if img.HashValue == "" { // it was at a URL, unseen
			img.hold(*run.Frame.Result)
		}
		img.settleIn(slices.Concat(s.places(img), held))
	}
	if err := s.admitBytes(tx, img.Owner, img.Size*int64(len(held))); err != nil {
		return work.Fail(err)
	}
	img.ImportState, img.ImportingTo, img.ImportFailed, img.UpdatedAt = importDone, "", strings.Join(run.Frame.Failed, ","), s.deps.Clock.Now()
	for _, p := range held {
		if err := setContentState(tx, p.ContentID, contentKept); err != nil {
			return err
		}
	}
	if err := doomContent(tx, run.Params.StagedID); err != nil {
		return err
	}
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
	return s.recordOf(tx, run.Operation, action, was, img)
}

// importEnded has the image wait for data again, without what was staged; one that had data
// keeps it where it was.
func (s *Service) importEnded(tx *db.Tx, run *importRun, _ string) error {
	if err := forgetTransfers(tx, run.Operation.ID); err != nil {
		return err
	}
	was, err := findImage(tx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) || err == nil && was.Status != statusImporting && was.ImportingTo == "" {
		return nil
	}
	if err != nil {
		return err
	}
	img := was.clone()
	if was.Status == statusImporting {
		img.Status, img.ContentID = statusQueued, ""
	}
	failed := run.Frame.Failed
	if run.Frame.Next < len(run.Params.Stores) { // the store that it was at
		failed = append(slices.Clone(failed), run.Params.Stores[run.Frame.Next])
	}
	img.ImportState, img.ImportingTo, img.ImportFailed, img.UpdatedAt = importFailed, "", strings.Join(failed, ","), s.deps.Clock.Now()
	if err := doomContent(tx, run.Params.StagedID); err != nil {
		return err
	}
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
	return s.recordOf(tx, run.Operation, "import.error", was, img)
}
