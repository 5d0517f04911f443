// Package pki is how Virga's own processes know each other: a certificate authority, the
// certificates that it issues to nodes and controllers, and TLS settings that use them.
//
// It owns the authority's key while it is in memory, the form of a certificate (who it
// is for is a URI, virga://KIND/NAME, see RFC 5280 4.2.1.6) and a process's folder of
// credentials. It does not own who is a member: that a certificate is genuine does not
// say that its holder has not been removed since; the fleet service knows that by the
// key's pin. Keys are ECDSA on P-256, and Virga's own speak TLS 1.3 with each other and
// nothing older.
//
// Whoever opens or accepts connections may import it.
package pki
