// Package fleet lets machines join a whole cloud in this process, with real TLS on loopback and
// simulated guests, and takes away from them what machines lose: controllers, certificates,
// membership. Nothing imports this package.
package fleet
