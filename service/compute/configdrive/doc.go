// Package configdrive renders a guest's config drive: the small read-only disk labelled config-2 on which a guest finds its metadata,
// user data and network description without any network (nova's "config drive", read by cloud-init and its kin).
//
// It owns the layout of the drive and the writing of its file system, ISO 9660 with Rock Ridge and Joliet names. It does not
// own what the metadata says: the caller passes finished documents. Everything here is a pure function of its arguments; the same
// arguments give the same bytes.
//
// The compute service imports it.
package configdrive
