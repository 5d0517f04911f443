// Package cloud runs a whole cloud in the process of a test, on simulated guests and a free port of the loopback, and gives
// clients for it: the administrator, and members of projects that are made on the spot.
//
// Owns: starting, waiting and stopping. Tests under test/ that talk HTTP to a cloud import it; nothing else does.
package cloud
