package image

import (
	"context"
	"errors"
	"sync"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// topicContents is rung when there is content to remove.
const topicContents = "image:contents"

const (
	// sweepEvery is how often uploads say that they are alive, and dead ones are looked for.
	sweepEvery = 30 * time.Second
	// recoverAgain is when dead uploads are looked for again after that failed.
	recoverAgain = time.Second
	// deadAfter is how long the process of an upload may be silent before others take it for dead.
	deadAfter = 10 * sweepEvery
	// sweepPage is how many rows a sweep reads at a time.
	sweepPage = 200
)

// Run brings images and store together until ctx ends: at the start and now and then it
// has the images of broken-off uploads wait for data again and clears away what dead
// writers left in the store; on a doorbell it removes the data of deleted images.
//
// It also carries imports. All of it has ended when Run returns.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.carryTransfers(ctx, func(job func()) { all.Go(job) }) })
	all.Go(func() { s.reconcile(ctx) })
	if s.deps.Cache != nil {
		all.Go(func() { s.tendCache(ctx) })
	}
	return s.engine.Run(ctx)
}

// reconcile does the chores. An upload that ends while the database is away cannot write down
// how: its image waits for data again as soon as the database is back.
func (s *Service) reconcile(ctx context.Context) {
	bell := s.deps.Bus.Listen(topicContents)
	defer bell.Close()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var again <-chan time.Time
	recoverUploads := func() {
		again = nil
		if !s.chore(ctx, "recover uploads", s.recoverUploads) {
			again = time.After(recoverAgain)
		}
	}
	recoverUploads()
	s.chore(ctx, "sweep the store", s.sweepStore)
	for {
		s.chore(ctx, "remove doomed contents", s.removeDoomed)
		select {
		case <-ctx.Done():
			return
		case <-bell.C:
		case <-s.uploads.ended:
			recoverUploads()
		case <-again:
			recoverUploads()
		case <-tick.C:
			recoverUploads()
			s.chore(ctx, "sweep the store", s.sweepStore)
			s.chore(ctx, "scrub deleted images", s.scrubDue)
		}
	}
}

// chore does one piece of work and tells whether it went well; what fails is done at the next
// time.
func (s *Service) chore(ctx context.Context, what string, do func(context.Context) error) bool {
	err := do(ctx)
	if err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		s.deps.Log.WarnContext(ctx, what, "error", err)
	}
	return err == nil
}

// sweepStore removes what Puts of dead processes left; living ones hold theirs.
func (s *Service) sweepStore(ctx context.Context) error {
	var failed error
	for _, named := range s.stores {
		n, err := named.Store.Sweep(ctx, s.deps.Clock.Now())
		if n > 0 {
			s.deps.Log.InfoContext(ctx, "removed what broken-off uploads left in the store", "store", named.Name, "count", n)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// recoverUploads says that this process's uploads are alive and abandons dead ones: those
// in this process's name that it does not carry, and those of processes gone silent.
func (s *Service) recoverUploads(ctx context.Context) error {
	return s.eachContent(ctx, contentIncoming, func(c content) error {
		now := s.deps.Clock.Now()
		mine := c.Owner == s.deps.Owner
		if !mine && now.Sub(c.SeenAt) < deadAfter {
			return nil
		}
		abandoned := false
		err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
			if mine && s.uploads.runs(c.ID) {
				return touchContent(tx, c.ID, now)
			}
			var err error
			if abandoned, err = s.abandonUpload(tx, c.ID); err != nil || !abandoned {
				return err
			}
			return s.engine.SignalResource(tx, c.ImageID) // an import begins anew
		})
		if err == nil && abandoned {
			s.deps.Log.InfoContext(ctx, "an upload broke off", "image", c.ImageID, "content", c.ID, "owner", c.Owner)
		}
		return err
	})
}

// abandonUpload dooms the content of an upload that has ended without data, and has its
// image wait for another one; it tells whether that was needed.
func (s *Service) abandonUpload(tx *db.Tx, contentID string) (bool, error) {
	now := s.deps.Clock.Now()
	was, err := findUploading(tx, contentID)
	if err != nil {
		return false, err
	}
	abandoned, err := abandonUpload(tx, contentID, now)
	if err != nil || !abandoned || was == nil {
		return abandoned, err
	}
	img := was.clone()
	img.Status, img.ContentID, img.UpdatedAt = statusQueued, "", now
	return true, s.feed.Record(tx, feed.Change{At: now, RequestID: api.RequestID(tx.Context()), OperationID: "reconcile_contents", Kind: "image", ID: img.ID,
		Action: "upload.error", OwnerProjectID: img.Owner, Before: s.imageView(was), After: s.imageView(img)})
}

// removeDoomed removes contents that belong to no image. One that an upload of this
// process is still writing is left until the upload has ended.
func (s *Service) removeDoomed(ctx context.Context) error {
	return s.eachContent(ctx, contentDoomed, func(c content) error {
		if s.uploads.runs(c.ID) {
			return nil
		}
		if err := s.removeContent(ctx, c); err != nil {
			return err
		}
		return s.deps.DB.Write(ctx, func(tx *db.Tx) error { return forgetContent(tx, c.ID) })
	})
}

// eachContent calls do for every content in a state, outside of any transaction. One
// that fails does not keep the others from their turn.
func (s *Service) eachContent(ctx context.Context, state string, do func(content) error) error {
	var failed error
	for after := ""; ; {
		var page []content
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
			var err error
			page, err = listContents(tx, state, after, sweepPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range page {
			if err := do(c); err != nil {
				failed = errors.Join(failed, err)
			}
			after = c.ID
		}
		if len(page) < sweepPage || ctx.Err() != nil {
			return failed
		}
	}
}
