// Package app wires Virga together: it opens databases, makes the services, gives each
// the clients of its neighbours, starts the node agents and serves everything on one
// address.
//
// It is the only package that imports all others, and holds no rules of its own. Only
// cmd imports it.
package app
