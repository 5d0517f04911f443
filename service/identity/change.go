package identity

import (
	"context"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

// TopicChanged is rung after every change, for the other processes of this service and for
// those that remember what it said of tokens.
const TopicChanged = "identity.changed"

// change is a write transaction that knows who makes it, and what has to be forgotten
// once it is committed.
type change struct {
	*db.Tx
	service *Service
	request *api.Request
	now     time.Time
}

// change runs fn in a write transaction; request is nil for Virga's own changes. fn may
// be run again.
func (s *Service) change(ctx context.Context, request *api.Request, fn func(*change) error) error {
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(func() { s.deps.Bus.Ring(TopicChanged) })
		return fn(&change{Tx: tx, service: s, request: request, now: s.deps.Clock.Now()})
	})
}

// record writes the change into the feed: the resource as it was, nil when it is new, and
// as it is, nil when it is gone.
func (c *change) record(kind, action, id string, before, after any) error {
	entry := feed.Change{At: c.now, Kind: kind, Action: action, ID: id, Before: before, After: after}
	if kind == "project" {
		entry.OwnerProjectID = id
	}
	if c.request != nil {
		entry.RequestID, entry.UserID, entry.ProjectID = c.request.ID, c.request.UserID(), c.request.ProjectID()
	} else {
		entry.OperationID = "bootstrap"
	}
	return c.service.feed.Record(c.Tx, entry)
}

// forgetUser drops the user's identities once the change is committed.
func (c *change) forgetUser(id string) {
	c.AfterCommit(func() { c.service.cache.InvalidateUser(id) })
}

// forgetProject drops the identities that are scoped to the project.
func (c *change) forgetProject(id string) {
	c.AfterCommit(func() { c.service.cache.InvalidateProject(id) })
}

// forgetAll drops every identity: the change may concern any of them.
func (c *change) forgetAll() { c.AfterCommit(c.service.cache.InvalidateAll) }

// forgetActor drops the identities of a user, or of whoever may be in a group.
func (c *change) forgetActor(actorType, id string) {
	if actorType == actorUser {
		c.forgetUser(id)
		return
	}
	c.forgetAll()
}

// forgetTokens drops the identities of tokens with one of the audit ids.
func (c *change) forgetTokens(auditIDs []string) {
	voided := map[string]bool{}
	for _, id := range auditIDs {
		voided[id] = true
	}
	c.AfterCommit(func() {
		c.service.cache.InvalidateWhere(func(id *token.Identity) bool { return voided[id.AuditID()] || voided[id.AuditChainID()] })
	})
}

// forgetCatalog has the catalog read anew.
func (c *change) forgetCatalog() { c.AfterCommit(c.service.catalog.forget) }
