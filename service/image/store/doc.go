// Package store says what a place for image content must do; its subpackages are such places.
//
// It owns the contract, its errors and the rule for ids. It knows nothing of image records, formats or owners: content
// is bytes under an opaque id and never changes once it is there. The image service and what caches images on hosts
// may import it; drivers import it and nothing of the service.
package store
