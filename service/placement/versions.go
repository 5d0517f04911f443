package placement

import "virga/core/api"

// versions are the microversions of the API. Without a header a request gets 1.0. What
// each of them changed is told by the Since and Until of the routes and where the
// constants below are compared with.
func versions() *api.Versions {
	return &api.Versions{Service: "placement", Min: api.V(1, 0), Max: api.V(1, 39)}
}

// since tells whether a request has at least microversion 1.minor.
func since(r *api.Request, minor int) bool { return r.Version.AtLeast(api.V(1, minor)) }

// Minor numbers of the microversions that change behaviour inside a handler.
const (
	providerAggregatesLink  = 1
	listMemberOf            = 3
	listResources           = 4
	providerTraitsLink      = 6
	providerAllocationsLink = 11
	allocationsAsDict       = 12
	nestedProviders         = 14
	lastModified            = 15
	candidatesLimit         = 16
	candidatesTraits        = 17
	listTraits              = 18
	aggregatesGeneration    = 19
	createShowsProvider     = 20
	candidatesMemberOf      = 21
	forbiddenTraits         = 22
	errorCodes              = 23
	repeatedMemberOf        = 24
	granularGroups          = 25
	reservedMayBeTotal      = 26
	summariesOfAllClasses   = 27
	consumerGenerations     = 28
	nestedCandidates        = 29
	candidatesInTree        = 31
	forbiddenAggregates     = 32
	namedGroups             = 33
	candidateMappings       = 34
	rootRequired            = 35
	sameSubtree             = 36
	reparenting             = 37
	consumerTypes           = 38
	anyTraits               = 39
)
