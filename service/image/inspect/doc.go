// Package inspect recognises disk image formats from their own bytes and finds what makes an image unsafe to open.
//
// It owns the parsing of headers and the rules which images are refused. It does not own storing, converting or
// declaring images, runs no external tool, opens no file by name and follows no reference that it finds. It keeps a
// constant amount of memory whatever the headers claim. Any package of Virga may import it: the image service on
// upload, the compute and volume sides before a tool opens a disk that a guest could have written.
package inspect
