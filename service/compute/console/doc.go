// Package console lets a browser or another client reach the display or the serial port of
// a server: it serves the pages below /console and turns the web socket /console/ws into a
// stream of bytes to the guest.
//
// It owns the pages (folder page, built with npm and embedded), the check of where a web
// socket comes from, and the copying. It does not own tokens (the compute service does) and
// does not know hosts (the app connects to them). The app imports it.
package console
