// Package events is the part of a service's API that tells of changes as they are made:
// GET /events, a stream of server-sent events (HTML Living Standard, section 9.2).
//
// A stream walks the service's feed (core/feed) from a number on, or from now, and goes on
// until the caller leaves, its token ends, or the service does. An event's id is the
// number of the change: whoever breaks off goes on behind it (Last-Event-ID, or ?after=),
// misses nothing and gets nothing twice. Administrators see every change; others see those
// of resources that belong to their own project, of kinds and with fields that the API
// shows them.
//
//	id: 17
//	event: server.create
//	data: {"sequence":17,"service":"compute","kind":"server","action":"create",…}
//
// All streams of a process share one reader of the feed (tail) that keeps the newest changes; a
// stream that is behind them reads the database by itself. Reader is the client's side. The
// package owns no table. Services import it; it imports core/api and core/feed.
package events
