package main

import (
	"context"
	"errors"
	"os"

	"virga/app"
)

// eventList shows what was changed in a running cloud, by whom, from what to what.
type eventList struct {
	account
	Follow  bool     `short:"f" help:"Go on with changes as they are made."`
	Kind    []string `placeholder:"KIND" help:"Only changes of these kinds of resources: server, port, image …"`
	Action  []string `placeholder:"ACTION" help:"Only these: create, update, delete …"`
	ID      []string `name:"id" placeholder:"ID" help:"Only changes of these resources."`
	Project []string `placeholder:"ID" help:"Only changes of resources of these projects."`
	Limit   int      `default:"50" help:"How many of the newest changes to begin with."`
	JSON    bool     `name:"json" help:"Each change as a line of JSON, with the resource before and after."`
}

// Run implements the command.
func (c *eventList) Run(ctx context.Context) error {
	err := app.ShowEvents(ctx, c.app(), app.EventsWanted{Kinds: c.Kind, Actions: c.Action, IDs: c.ID, Projects: c.Project,
		Limit: max(c.Limit, 0), Follow: c.Follow, JSON: c.JSON}, os.Stdout)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
