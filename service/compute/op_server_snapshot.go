package compute

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
	"virga/core/work"
	"virga/service/compute/orders"
)

// An image of a server is made by its host: it copies the root disk as it is at one moment and uploads the copy. The record of the image
// comes first, made as the caller, so that its rights and quotas are the caller's; the host gets the right to upload that one image's
// data and loses it when the image has them. Whatever goes wrong, the image goes again and the server stays what it was.

const (
	opSnapshot = "server_snapshot"
	opBackup   = "server_backup"
	// imageDeadline bounds a snapshot; most of its time goes by while the disk is copied and uploaded.
	imageDeadline = 24 * time.Hour
	// maxSilence is how long a host may say nothing in the middle of a snapshot: its agent may be about to come back.
	maxSilence = 5 * time.Minute
	// stepImage is the step that makes the record; a request is answered once it is over.
	stepImage = "image"
)

// imageParams is an image to be made of a server.
type imageParams struct {
	Image NewImage `json:"image"`
	// As is the caller, in whose name the image is made.
	As      *token.Identity `json:"as"`
	Quiesce string          `json:"quiesce,omitempty"`
	// BackupType and Rotation say of a backup which older ones go: all of the type but the newest so many.
	BackupType string `json:"backup_type,omitempty"`
	Rotation   int    `json:"rotation,omitempty"`
	// Offload says of a server that is shelved that it leaves its host.
	Offload bool `json:"offload,omitempty"`
}

type imageFrame struct {
	Host string `json:"host,omitempty"`
	// Before is what the guest was to be before.
	Before orders.Desired `json:"before,omitempty"`
	// Refused is the status with which the image service did not make the image.
	Refused int `json:"refused,omitempty"`
	// SilentSince is when the host was first noticed not to report.
	SilentSince time.Time `json:"silent_since,omitzero"`
}

type imageRun = work.Run[imageParams, imageFrame]

type imageStep = work.Step[imageParams, imageFrame]

// imageSteps make the image: the record, the copy on the host, its upload.
func (s *Service) imageSteps(wish func(*server) orders.Desired) []imageStep {
	return []imageStep{
		{Name: stepImage, Do: s.imageCreate, Undo: s.imageDrop},
		{Name: "order", Do: func(ctx context.Context, run *imageRun) error { return s.imageOrder(ctx, run, wish) }, Undo: s.imageUnorder},
		{Name: "taken", Do: s.imageReaches(orders.SnapshotTaken)},
		{Name: "uploading", Do: s.imageReaches(orders.SnapshotUploading)},
		{Name: "uploaded", Do: s.imageReaches(orders.SnapshotDone)},
	}
}

// serverSnapshot makes an image of a server, which runs on.
func (s *Service) serverSnapshot() work.Registrable {
	return work.Kind[imageParams, imageFrame]{
		Name: opSnapshot, Deadline: imageDeadline,
		Steps:    append(s.imageSteps(desiredOf), imageStep{Name: "settle", Do: s.imageSettle}),
		Finished: s.imageFinished, Failed: s.imageFailed,
	}
}

// serverBackup is serverSnapshot, and then removes the oldest backups.
func (s *Service) serverBackup() work.Registrable {
	return work.Kind[imageParams, imageFrame]{
		Name: opBackup, Deadline: imageDeadline,
		Steps: append(s.imageSteps(desiredOf), imageStep{Name: "settle", Do: s.imageSettle, Pivot: true},
			imageStep{Name: "rotate", Do: s.backupRotate, Tries: forEver}),
		Finished: s.imageFinished, Failed: s.imageFailed,
	}
}

// imageKinds are the operations that make images of servers, and those that live on them.
func (s *Service) imageKinds() []work.Registrable {
	return []work.Registrable{s.serverSnapshot(), s.serverBackup(), s.serverRebuild(),
		s.serverShelve(), s.serverOffload(), s.serverUnshelve()}
}

// imageTask is the task_state that a step of making an image is.
func imageTask(o work.Operation) string {
	switch {
	case o.StepName == "uploading":
		return "image_pending_upload"
	case o.StepName == "uploaded", o.StepName == "settle", o.StepName == "rotate":
		return "image_uploading"
	case o.Kind == opBackup:
		return "image_backup"
	case o.StepName == stepImage:
		return "image_snapshot_pending"
	}
	return "image_snapshot"
}

// imageCreate makes the record. That there is one of the id can only be of an earlier try: the id was made for this.
func (s *Service) imageCreate(ctx context.Context, run *imageRun) error {
	err := s.deps.Images.CreateImage(token.WithIdentity(ctx, run.Params.As), run.Params.Image)
	if status := api.StatusOf(err); err != nil && status != 409 {
		if status >= 400 && status < 500 {
			run.Frame.Refused = status
		}
		return s.neighbourTrouble(ctx, run.Operation, "image", err)
	}
	run.InCommit(func(tx *db.Tx) error {
		s.ringOperation(tx, run.Operation.ID)
		return nil
	})
	return nil
}

func (s *Service) imageDrop(ctx context.Context, run *imageRun) error {
	return s.dropImage(ctx, run.Params.Image.ID)
}

// dropImage deletes an image that is not wanted; one that its owner has protected meanwhile stays.
func (s *Service) dropImage(ctx context.Context, id string) error {
	err := s.deps.Images.DropImage(s.self(ctx), id)
	if status := api.StatusOf(err); err != nil && (status == 403 || status == 409) {
		s.log.WarnContext(ctx, "an image is left to its owner", "image", id, "error", err)
		return nil
	}
	return err
}

// imageOrder gives the host the right to upload, and the order to copy.
func (s *Service) imageOrder(ctx context.Context, run *imageRun, wish func(*server) orders.Desired) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	if row.Host == "" {
		return work.Failf("The server is on no host.")
	}
	if err := s.deps.Images.LetUpload(s.self(ctx), run.Params.Image.ID, nodeUser(row.Host)); err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "image", err)
	}
	run.Frame.Host, run.Frame.Before = row.Host, desiredOf(row)
	run.InCommit(func(tx *db.Tx) error {
		return s.orderGuestWith(tx, run.Operation, wish, func(body *orders.GuestOrder) {
			body.Snapshot = &orders.Snapshot{ImageID: run.Params.Image.ID, Quiesce: run.Params.Quiesce}
		})
	})
	return nil
}

// orderGuestWith orders a server's guest to be like its row, with something besides.
func (s *Service) orderGuestWith(tx *db.Tx, o work.Operation, wish func(*server) orders.Desired, edit func(*orders.GuestOrder)) error {
	row, err := findServer(tx, o.ResourceID)
	if err != nil {
		return err
	}
	order := &guestOrder{ServerID: row.ID, Host: row.Host, OperationID: o.ID, Epoch: o.Epoch, Desired: wish(row), Body: guestBody(row)}
	edit(&order.Body)
	if known, err := findOrder(tx, row.ID, row.Host); err == nil {
		order.RebootSeq, order.RebootHard = known.RebootSeq, known.RebootHard
	}
	return s.giveOrder(tx, order)
}

// imageUnorder orders the guest to be what it was, without a snapshot, and takes the right to upload back. A delete that cut the
// operation off makes the order needless.
func (s *Service) imageUnorder(ctx context.Context, run *imageRun) error {
	err := s.deps.Images.LetUpload(s.self(ctx), run.Params.Image.ID, "")
	if err != nil && api.StatusOf(err) != 404 {
		return err
	}
	if run.Operation.Cancelled || run.Frame.Host == "" {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error {
		known, err := findOrder(tx, run.Operation.ResourceID, run.Frame.Host)
		if errors.Is(err, db.ErrNotFound) || err == nil && known.OperationID != run.Operation.ID {
			return nil // nothing was ordered
		}
		if err != nil {
			return err
		}
		return s.orderGuestWith(tx, run.Operation, func(*server) orders.Desired { return run.Frame.Before }, func(*orders.GuestOrder) {})
	})
	return nil
}

// imageReaches waits until the snapshot has come to a phase.
func (s *Service) imageReaches(phase orders.SnapshotPhase) func(context.Context, *imageRun) error {
	return func(ctx context.Context, run *imageRun) error {
		order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
		now := s.clock.Now()
		switch {
		case err != nil:
			return err
		case order.SnapshotPhase.Reached(phase):
			run.Frame.SilentSince = time.Time{}
			return nil
		case order.failed() && order.ErrorClass != orders.Retry:
			return work.Fail(errors.New(order.ErrorMessage))
		case up:
			run.Frame.SilentSince = time.Time{}
		case run.Frame.SilentSince.IsZero():
			run.Frame.SilentSince = now
		case now.Sub(run.Frame.SilentSince) > maxSilence:
			return work.Failf("The server's host does not answer.")
		}
		return work.Wait(lookAgain)
	}
}

// imageSettle ends the order's wish for a snapshot. A guest that went off by itself meanwhile stays off.
func (s *Service) imageSettle(ctx context.Context, run *imageRun) error {
	order, _, err := s.readOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil {
		return err
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.orderGuestWith(tx, run.Operation, func(row *server) orders.Desired {
			if order.OperationID == run.Operation.ID && order.ReportedState == orders.StateStopped {
				return orders.Stopped
			}
			return desiredOf(row)
		}, func(*orders.GuestOrder) {})
	})
	return nil
}

// backupRotate removes the oldest backups of the type.
func (s *Service) backupRotate(ctx context.Context, run *imageRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := run.Params.As.Project.ID
	ids, err := s.deps.Images.Backups(s.self(ctx), row.ID, owner, run.Params.BackupType)
	if err != nil {
		return err
	}
	for _, id := range ids[min(len(ids), run.Params.Rotation):] {
		if err := s.dropImage(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) imageFinished(tx *db.Tx, run *imageRun) error {
	s.ringOperation(tx, run.Operation.ID)
	return s.recordOf(tx, run.Operation, "snapshot")
}

func (s *Service) imageFailed(tx *db.Tx, run *imageRun, _ string) error {
	s.ringOperation(tx, run.Operation.ID)
	if run.Operation.Cancelled {
		return nil
	}
	return s.recordOf(tx, run.Operation, "snapshot.error")
}

// imageAnswer is how long a request waits for the image's record to be there.
const imageAnswer = 30 * time.Second

// awaitRecord waits until the record of the image is there, so that whoever gets its id finds it. When that takes too long the
// operation goes on without anybody waiting.
func (s *Service) awaitRecord(ctx context.Context, operation, action string) error {
	bell := s.deps.Bus.Listen(operationTopic(operation))
	defer bell.Close()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	deadline := time.NewTimer(imageAnswer)
	defer deadline.Stop()
	for {
		var o work.Operation
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			o, err = work.Find(tx, operation)
			return err
		})
		switch {
		case err != nil:
			return err
		case o.State == work.Running && o.StepName != stepImage, o.State == work.Done:
			return nil
		case !o.FinishedAt.IsZero():
			return imageRefusal(&o, action)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return nil
		case <-bell.C:
		case <-ticker.C:
		}
	}
}

// imageRefusal is why an image was not made, in the compute API's words. The quotas of images are refused as those of servers.
func imageRefusal(o *work.Operation, action string) error {
	var frame imageFrame
	if err := json.Unmarshal([]byte(o.Frame), &frame); err != nil {
		return err
	}
	switch {
	case o.Cancelled:
		return stateConflict(action, o.ResourceID, "task_state", "deleting")
	case frame.Refused == 403 || frame.Refused == 413:
		return api.Forbidden("%s", o.Error)
	case frame.Refused != 0:
		return api.BadRequest("%s", o.Error)
	}
	return api.Unavailable("%s", o.Error)
}
