// Package image is the image service: OpenStack's Image API v2 (Glance).
//
// It owns image records with their properties, tags and members, the states queued,
// saving, active and deactivated, and the truth about which content belongs to which
// image. Tables: images (with image_properties and image_tags, which repeat two of its
// columns for filters), image_members, image_contents, image_tombstones, feed.
//
// Every piece of content has an id of its own and a row in image_contents before its
// first byte is stored: incoming while an upload runs, kept by an active image, doomed
// when it is to be removed. Whatever dies at whatever point, Run finds the row and
// brings image and store back together; ids of deleted images are never used again.
//
// It does not own how bytes are kept (store), inspected (inspect), summed up (sums) or
// taken in (ingest): those are its subpackages. Neighbours reach it through its public
// API alone; node agents and services may read every image there. It never opens an
// image by a path or location that a client names, and keeps no transaction open while
// bytes move.
package image
