// Package image is the image service: OpenStack's Image API v2 (Glance).
//
// It owns image records with their properties, tags and members, the states queued,
// saving, uploading, importing, active and deactivated, the truth about which content
// belongs to which image, and the catalog of metadata definitions. Tables: images (with
// image_properties and image_tags, which repeat two of its columns for filters),
// image_members, image_contents, image_transfers, image_tombstones, those of metadefs
// (metadef_namespaces, _definitions, _resource_types, _loaded), feed, and work's operations.
//
// Where an operator allows it, data stays at a URL (location.go, op_location.go) and is looked
// at each time that it is read.
//
// Each process has a cache for images whose data is far away, or that an operator queued
// (cache.go); image_cached says what is in it.
//
// Data of an image lies in one store or in several (place.go); an image knows its places.
// Every piece of content has an id of its own and a row in image_contents before its
// first byte is stored: incoming while an upload runs, taken when an import has it, kept by
// an image, doomed when it is to be removed. An import (op_import.go) is a durable operation
// that has a transfer move the bytes; the API calls it a task.
// Whatever dies at whatever point, Run finds the row and brings image and store back
// together; ids of deleted images are never used again.
//
// It does not own how bytes are kept (store), inspected (inspect), summed up (sums), taken
// in (ingest) or converted on import (convert): those are its subpackages. Neighbours reach it through its public
// API alone; node agents and services may read every image there. It never opens an
// image by a path that a client names, and by a URL only through
// store/http: its guard, or the operator's catalog of regions; and it keeps no transaction open while bytes move.
package image
