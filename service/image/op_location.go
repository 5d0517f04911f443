package image

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/image/ingest"
	"virga/service/image/sums"
)

// opLocation is the kind of operation that makes a URL the place of an image's data.
const opLocation = "image_location"

// locationBody is a request for a location in API v2.17. It is kept as a task's input.
type locationBody struct {
	URL        string              `json:"url"`
	Validation *locationValidation `json:"validation_data,omitempty"`
}

// locationValidation is what the data must turn out to be.
type locationValidation struct {
	HashAlgo  string `json:"os_hash_algo"`
	HashValue string `json:"os_hash_value"`
}

// locationParams is what was asked for, and what the image was then.
type locationParams struct {
	Request    locationBody `json:"request"`
	DiskFormat string       `json:"disk_format"`
}

type locationFrame struct {
	// ContentID names the look at the data; nothing is stored under it.
	ContentID string `json:"content_id,omitempty"`
}

type locationRun = work.Run[locationParams, locationFrame]

// locationAdd answers POST /v2/images/{image_id}/locations.
func (s *Service) locationAdd(ctx context.Context, r *api.Request) (any, error) {
	loaded := api.Loaded[*image](r)
	var body locationBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	parsed, err := url.Parse(body.URL)
	switch {
	case s.deps.Remote == nil || err == nil && parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, api.Forbidden("http store must be enabled to use location API by normal user.")
	case err != nil || s.deps.Source.CheckURL(body.URL) != nil:
		return nil, api.BadRequest("Invalid location: its URL is not allowed.")
	}
	if said := body.Validation; said != nil {
		if said.HashAlgo != sums.Algorithm {
			return nil, api.BadRequest("os_hash_algo must be %s, not %s", sums.Algorithm, said.HashAlgo)
		}
		if raw, err := hex.DecodeString(said.HashValue); err != nil || len(raw) != 64 {
			return nil, api.BadRequest("os_hash_value: (%s) is not the correct size for (%s) (should be (64) bytes)", said.HashValue, said.HashAlgo)
		}
	}
	if err := s.learnLimits(ctx, loaded.Owner); err != nil {
		return nil, err
	}
	_, err = s.changeWith(ctx, r, loaded.ID, "location", func(tx *db.Tx, img *image) error {
		if img.Status != statusQueued {
			return api.Conflict("It's not allowed to add locations if image status is %s.", img.Status)
		}
		if err := checkFormats(img); err != nil {
			return err
		}
		if err := s.admitData(tx, img.Owner, 0); err != nil {
			return err
		}
		img.Status, img.ImportState, img.ImportingTo, img.ImportFailed = statusImporting, "", storeHTTP, ""
		_, err := s.engine.Start(tx, work.Order{Kind: opLocation, ResourceKind: "image", ResourceID: img.ID, ProjectID: img.Owner, UserID: r.UserID(), RequestID: r.ID,
			Params: locationParams{Request: body, DiskFormat: img.DiskFormat}})
		return err
	})
	return nil, err
}

// locationList answers GET /v2/images/{image_id}/locations.
func (s *Service) locationList(_ context.Context, r *api.Request) (any, error) {
	return s.locationViews(api.Loaded[*image](r)), nil
}

// imageLocationKind makes a URL the place of an image's data, when what is there has been
// read once: it is then known, of the declared format, and safe.
func (s *Service) imageLocationKind() work.Registrable {
	return work.Kind[locationParams, locationFrame]{
		Name: opLocation, Deadline: importDeadline,
		Steps: []work.Step[locationParams, locationFrame]{
			{Name: "examine", Do: s.locationExamine, Undo: s.locationForget},
		},
		Finished: func(tx *db.Tx, run *locationRun) error {
			tx.AfterCommit(func() { s.deps.Bus.Ring(topicContents) })
			return forgetTransfers(tx, run.Operation.ID)
		},
		Failed: s.locationEnded,
	}
}

// locationExamine has the data be read, and then makes the image active.
func (s *Service) locationExamine(ctx context.Context, run *locationRun) error {
	ended, running, err := s.transferOf(ctx, run.Frame.ContentID)
	switch {
	case err != nil:
		return err
	case running:
		return work.Wait(lookAgain)
	case ended == nil:
		params := run.Params
		return s.beginTransfer(ctx, &run.Frame.ContentID, haul{operation: run.Operation, diskFormat: params.DiskFormat, look: true,
			carry: func(ctx context.Context, _ string) (transferOutcome, error) {
				result, err := s.examine(ctx, params)
				return transferOutcome{Result: result}, err
			}})
	case ended.Outcome.Error != "" && ended.Outcome.Passing:
		run.Frame.ContentID = ""
		return errors.New(ended.Outcome.Error)
	case ended.Outcome.Error != "":
		return work.Fail(errors.New(ended.Outcome.Error))
	}
	if want := run.Params.Request.Validation; want != nil && !strings.EqualFold(want.HashValue, ended.Outcome.Result.SHA512) {
		return work.Failf("os_hash_value: (%s) not matched with actual os_hash_value: (%s)", want.HashValue, ended.Outcome.Result.SHA512)
	}
	run.InCommit(func(tx *db.Tx) error { return s.settleLocation(tx, run, ended.Outcome.Result) })
	return nil
}

// examine reads the data at the URL.
func (s *Service) examine(ctx context.Context, params locationParams) (ingest.Result, error) {
	if s.deps.Remote == nil {
		return ingest.Result{}, errNoSource
	}
	length, err := s.deps.Remote.Size(ctx, params.Request.URL)
	if err != nil {
		return ingest.Result{}, err
	}
	body, _, err := s.deps.Source.Open(ctx, params.Request.URL)
	if err != nil {
		return ingest.Result{}, err
	}
	defer func() { _ = body.Close() }()
	return ingest.Examine(ctx, ingest.Request{DiskFormat: params.DiskFormat, Body: body, Length: length, Limit: s.maxBytes(), MaxVirtualSize: s.deps.MaxVirtualSize})
}

// locationForget ends the look at the data.
func (s *Service) locationForget(_ context.Context, run *locationRun) error {
	s.uploads.stop(run.Frame.ContentID)
	run.InCommit(func(tx *db.Tx) error { return doomContent(tx, run.Frame.ContentID) })
	return nil
}

// settleLocation makes the image active with its URL.
func (s *Service) settleLocation(tx *db.Tx, run *locationRun, result ingest.Result) error {
	was, err := findImage(tx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return nil // its deletion comes just now
	}
	if err != nil {
		return err
	}
	img := was.clone()
	img.Status, img.ImportState, img.ImportingTo, img.UpdatedAt = statusActive, importDone, "", s.deps.Clock.Now()
	img.hold(result)
	img.settleIn(slices.Concat(img.Places, []place{{Store: storeHTTP, URL: run.Params.Request.URL}}))
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	return s.recordOf(tx, run.Operation, "activate", was, img)
}

// locationEnded has the image wait for data again.
func (s *Service) locationEnded(tx *db.Tx, run *locationRun, _ string) error {
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
	img.Status, img.ImportState, img.ImportingTo, img.ImportFailed, img.UpdatedAt = statusQueued, importFailed, "", storeHTTP, s.deps.Clock.Now()
	if err := updateImage(tx, was, img); err != nil {
		return err
	}
	return s.recordOf(tx, run.Operation, "import.error", was, img)
}
