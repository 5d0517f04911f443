// Package stream gives a node the bus of a controller over one WebSocket.
//
// Server is the controller's end, an http.Handler; Client is the node's end, a bus.Bus. The
// node opens the connection, so that it needs no listener of its own and no broker. Over it
// go bells, and questions and answers in both directions.
//
// Whose connection it is, is the business of who mounts the Server: it authenticates the
// request before ServeHTTP and decides in Config.Allowed, by the identity in the request's
// context, which topics and addresses a connection may use. What is refused is refused by
// itself; the connection goes on.
//
// # Loss
//
// Both ends say every 3 s that they are alive; an end that hears nothing for 9 s takes the
// connection for broken. The client comes back after a random time that grows with each
// failure and with the number of nodes that the controller serves, so that thousands do not
// come back at once. Then it listens and serves as before, and all its bells ring, because
// somebody may have rung meanwhile. Calls wait a moment for the connection to come back and
// fail with bus.ErrUnavailable.
//
// # Protocol
//
// The subprotocol "virga.bus.1" names the version. Each binary message is one frame (see
// frame.go) in MessagePack, at most 96 KiB long. Bodies travel in pieces of 64 KiB that take
// turns, so that a long answer delays no bell. Everything that one end can make the other
// keep is bounded; an end that goes beyond is disconnected.
//
// The package owns the two ends and the protocol. It knows nothing of tokens, certificates
// or brokers. Whoever wires processes imports it.
package stream
