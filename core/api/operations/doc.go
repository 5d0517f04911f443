// Package operations is the part of a service's API by which operators see and steer its
// durable operations: rows of the route table, rules of the policy, handlers and views.
//
// A service that has an engine appends Desk.Routes to its rows and Rules to its policy and
// has the schema operation_action among its own. `virga op` is the client. The package owns no table; the
// operations are core/work's. Services import it; it imports core/api and core/work.
package operations
