// Package app wires Virga together, by role: it opens databases, makes the services that a
// process has, gives each the clients of its neighbours in this process and in others, starts
// the node agents and serves everything on one address.
//
// It is the only package that imports all others, and holds no rules of its own. Only
// cmd, and tests, import it.
package app
