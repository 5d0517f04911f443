package compute

import "virga/core/api"

// The microversions at which something changes here, by what they brought
// (nova/api/openstack/rest_api_version_history.rst).
var (
	vKeypairType        = api.V(2, 2)
	vExtendedAttributes = api.V(2, 3)
	vIPv6Filter         = api.V(2, 5)
	vPublicAccess       = api.V(2, 7)
	vRemoteConsoles     = api.V(2, 6)
	vConsoleMKS         = api.V(2, 8)
	vLocked             = api.V(2, 9)
	vKeypairUser        = api.V(2, 10)
	vForcedDown         = api.V(2, 11)
	vGroupProject       = api.V(2, 13)
	vEvacuateLocal      = api.V(2, 14)
	vSoftAffinity       = api.V(2, 15)
	vHostStatus         = api.V(2, 16)
	vCrashDump          = api.V(2, 17)
	vDescription        = api.V(2, 19)
	vDeletedActions     = api.V(2, 21)
	vForceComplete      = api.V(2, 22)
	vMigrationKind      = api.V(2, 23)
	vMigrationAbort     = api.V(2, 24)
	vMigrateAuto        = api.V(2, 25)
	vTags               = api.V(2, 26)
	vCPUInfoObject      = api.V(2, 28)
	vConsoleTokens      = api.V(2, 31)
	vEvacuateForce      = api.V(2, 29)
	vMigrateForce       = api.V(2, 30)
	vHypervisorPaging   = api.V(2, 33)
	vMigrateAsync       = api.V(2, 34)
	vKeypairPaging      = api.V(2, 35)
	vNoProxies          = api.V(2, 36)
	vNetworksRequired   = api.V(2, 37)
	vStatusChecked      = api.V(2, 38)
	vNoImageMeta        = api.V(2, 39)
	vUsagePaging        = api.V(2, 40)
	vAggregateUUID      = api.V(2, 41)
	vDeviceTags         = api.V(2, 42)
	vNoHosts            = api.V(2, 43)
	vImageID            = api.V(2, 45)
	vRebuildKey         = api.V(2, 54)
	vNoAddressActions   = api.V(2, 44)
	vEmbeddedFlavor     = api.V(2, 47)
	vDiagnostics        = api.V(2, 48)
	vAttachTag          = api.V(2, 49)
	vGroupQuotas        = api.V(2, 50)
	vActionUpdated      = api.V(2, 51)
	vTagsAtCreate       = api.V(2, 52)
	vServiceUUID        = api.V(2, 53)
	vFlavorDescription  = api.V(2, 55)
	vMigrateHost        = api.V(2, 56)
	vNoPersonality      = api.V(2, 57)
	vActionPaging       = api.V(2, 58)
	vMigrationPaging    = api.V(2, 59)
	vFlavorSpecs        = api.V(2, 61)
	vEventHost          = api.V(2, 62)
	vCertificates       = api.V(2, 63)
	vGroupRules         = api.V(2, 64)
	vAbortQueued        = api.V(2, 65)
	vChangesBefore      = api.V(2, 66)
	vVolumeType         = api.V(2, 67)
	vNoForce            = api.V(2, 68)
	vInterfaceTag       = api.V(2, 70)
	vServerGroups       = api.V(2, 71)
	vLockedReason       = api.V(2, 73)
	vRequestedHost      = api.V(2, 74)
	vUnshelveZone       = api.V(2, 77)
	vUnshelveHost       = api.V(2, 91)
	vWholeUpdate        = api.V(2, 75)
	vTopology           = api.V(2, 78)
	vKeepAttachment     = api.V(2, 79)
	vMigrationOwner     = api.V(2, 80)
	vAggregateImages    = api.V(2, 81)
	vMoreFilters        = api.V(2, 83)
	vEventDetails       = api.V(2, 84)
	vSpecsChecked       = api.V(2, 86)
	vHypervisorUptime   = api.V(2, 88)
	vHostname           = api.V(2, 90)
	vKeypairImport      = api.V(2, 92)
	vFQDN               = api.V(2, 94)
	vEvacuateStopped    = api.V(2, 95)
	vPinnedZone         = api.V(2, 96)
	vConsoleSpiceDirect = api.V(2, 99)
	vShares             = api.V(2, 97)
	vImageProperties    = api.V(2, 98)
	vHintsShown         = api.V(2, 100)
	vStrictQueries      = api.V(2, 102)
	vNoVolumeBoot       = api.V(2, 103)
	vZoneRepinned       = api.V(2, 104)
)

// microversions is what clients are told.
func microversions() *api.Versions {
	return &api.Versions{Service: "compute", Legacy: "X-OpenStack-Nova-API-Version", Min: api.V(2, 1), Max: vZoneRepinned}
}

// before is the last version without something.
func before(v api.Version) api.Version { return api.V(v.Major, v.Minor-1) }

// createFields bounds the fields of a create's body that not every version has.
var createFields = map[string]struct{ since, until api.Version }{
	"description":                {since: vDescription},
	"tags":                       {since: vTagsAtCreate},
	"personality":                {until: before(vNoPersonality)},
	"trusted_image_certificates": {since: vCertificates},
	"host":                       {since: vRequestedHost},
	"hypervisor_hostname":        {since: vRequestedHost},
	"hostname":                   {since: vHostname},
}

// inVersion tells whether something bounded is there in a version.
func inVersion(v, since, until api.Version) bool {
	return (since.IsZero() || v.AtLeast(since)) && (until.IsZero() || !until.Before(v))
}

// eventsSince are the names of external events that not every version takes.
func eventsSince() map[string]api.Version {
	return map[string]api.Version{"volume-extended": api.V(2, 51), "power-update": api.V(2, 76), "accelerator-request-bound": api.V(2, 82), "volume-reimaged": api.V(2, 93)}
}

// tagsDevices tells whether devices can have tags at a create: a mistake took them away in
// between.
func tagsDevices(v api.Version) bool {
	return v.AtLeast(vDeviceTags) || v.AtLeast(api.V(2, 32)) && v.Before(vNetworksRequired)
}
