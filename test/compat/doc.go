// Package compat is other people's clients against a whole cloud on simulated guests: gophercloud through the main resources
// of every service, and, with the build tag e2e, the openstack command through the README's tour. They are unmodified: what they
// cannot read is Virga's mistake.
//
// Owns: what clients rely on across services. The services' own tests say what each answer holds. Nothing imports it.
package compat
