// Package fleet is the service of the machines that make up the cloud: which nodes and
// controllers are members, by which keys they are known, and how a machine becomes one.
// Its API is Virga's own, below /fleet, and not in the catalog: clients of OpenStack have
// no use for it.
//
// It owns members with the pins of their keys, the certificates' dates and serial
// numbers, and join tokens. Tables: members, member_keys, join_tokens. It issues
// certificates by an authority (core/pki) that it is given, and never sees a member's
// private key.
//
// A join token is shown once and kept as a hash. It serves one key: who lost the answer
// asks again with the same key and gets it, whoever comes with another key is refused.
// The token carries the pin of the authority, so that the newcomer talks to this cloud
// and nobody else from its first byte on.
//
// A genuine certificate is not enough: the service is asked about each request of a member
// (Admit) whether the key is still one of a member's. So removing a member needs no
// revocation list and works within seconds in every process. A member's keys follow each
// other: a renewal that a key authenticates brings the next; once that has been used, the
// older one renews nothing any more. A member whose certificate has expired while it was
// cut off comes back by its key within a time of grace (memberRecover), later with a token.
//
// It has no neighbours, no durable operations and no agents. Only the wiring imports it.
package fleet
