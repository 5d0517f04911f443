package main

import (
	"maps"
	"slices"
)

// selection says which of Tempest's tests belong to a service.
type selection struct {
	// include matches the names of tests, exclude takes some away; both are Python's regular
	// expressions.
	include, exclude string
	guests           guests
}

// services are the values of -service. Left out is what no cloud of today can pass: the
// APIs v2 of identity and v1 of image, agents of guests and the action resetNetwork of compute,
// which are gone everywhere, and what needs a block storage service.
var services = map[string]selection{
	"identity": {include: `^tempest\.api\.identity\.(admin\.)?v3\.`},
	"image":    {include: `^tempest\.api\.image\.v2\.`},
	"compute":  {include: `^tempest\.api\.compute\.`, exclude: `^tempest\.api\.compute\.(volumes\.|admin\.test_agents\.)|test_reset_network_inject_network_info`},
	"network":  {include: `^tempest\.api\.network\.`},
	"volume":   {include: `^tempest\.api\.volume\.`},
	"object":   {include: `^tempest\.api\.object_storage\.`},
	"scenario": {include: `^tempest\.scenario\.`},
	// guests are the tests that log in to guests.
	"guests": {include: `^tempest\.api\.compute\.(admin\.test_create_server|servers\.test_(attach_interfaces|create_server|device_tagging|server_actions|server_personality|server_rescue))\.`,
		guests: real},
	// smoke is what Tempest itself marks as the first to run, of the services that have no list of their own in CI.
	"smoke": {include: `^tempest\.api\.network\..*\[.*\bsmoke\b.*\]`},
}

func serviceNames() []string { return slices.Sorted(maps.Keys(services)) }
