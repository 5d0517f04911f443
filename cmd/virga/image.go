package main

import (
	"context"
	"os"

	"virga/app"
)

// imageAdmin is the group of commands for deleted images whose data is kept.
type imageAdmin struct {
	Deleted imageDeleted `cmd:"" help:"List deleted images whose data is kept."`
	Restore imageRestore `cmd:"" help:"Bring a deleted image back."`
	Scrub   imageScrub   `cmd:"" help:"Remove the data of deleted images: of those whose time has come, of all, or of one."`
}

type imageDeleted struct{ account }

// Run implements the command.
func (c *imageDeleted) Run(ctx context.Context) error {
	return app.ListDeletedImages(ctx, c.app(), os.Stdout)
}

type imageRestore struct {
	account
	ID string `arg:"" help:"Id of the image."`
}

// Run implements the command.
func (c *imageRestore) Run(ctx context.Context) error {
	return app.RestoreImage(ctx, c.app(), c.ID, os.Stdout)
}

type imageScrub struct {
	account
	All bool   `help:"Those whose time has not come, too."`
	ID  string `arg:"" optional:"" help:"Id of the one image to scrub, at once."`
}

// Run implements the command.
func (c *imageScrub) Run(ctx context.Context) error {
	return app.ScrubImages(ctx, c.app(), c.ID, c.All, os.Stdout)
}
