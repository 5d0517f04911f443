// Package api is the kit from which every HTTP API of Virga is made.
//
// A service states its API as a Table: literal Route rows with method, path, policy
// rule, handler, microversion range, loader of the target and body schema. The kit
// derives the rest: routing with 404 and 405, version negotiation, authentication,
// policy enforcement, body limits and JSON Schema validation, error rendering in the
// API's own style, request ids, metrics, and the tests in package apitest that hold
// for every row.
//
// The way of a request: Edge (request id, foreign identity headers stripped, prefix)
// → Table: route → version → authenticate → load the target → policy → body →
// handler → response. Handlers take (ctx, *Request) and return a value or an error;
// they never write to the connection themselves.
//
// The package owns no resource. Services import it; it imports core/token and
// core/authz.
package api
