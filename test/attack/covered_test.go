package attack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// known is an attack that succeeded somewhere in the field, and what shows that it does not here.
type known struct {
	number int
	what   string
	// advisories are where it succeeded; empty: in tests of others.
	advisories string
	// tests are names of attacks of the catalogue, and of tests as "folder TestName".
	tests []string
	// until names folders with what it is an attack on, or files and a word in them. As long as none of them is there, it
	// needs no test.
	until []string
}

// knownAttacks are those that a cloud has to survive.
func knownAttacks() []known {
	const (
		inspect, ingest, fetch, images = "service/image/inspect", "service/image/ingest", "service/image/store/http", "service/image"
		linux, responder, agent        = "service/network/fabric/linux", "service/network/responder", "service/network/agent"
		identity, compute, core        = "service/identity", "service/compute", "core/api"
		libvirt                        = "service/compute/hypervisor/libvirt"
		consoles, noDashboard          = "service/compute/console", "dashboard"
	)
	return []known{
		{1, "qcow2 whose data is a file of the host", "OSSA-2024-001 CVE-2024-32498 OSSA-2024-002 CVE-2024-40767",
			[]string{"a qcow2 whose data is a file of the host", "a qcow2 that says it is raw", inspect + " TestAdvisories"}, nil},
		{2, "qcow2 with a backing file", "OSSA-2015-014 OSSA-2015-011 CVE-2015-1850 OSSA-2016-001 CVE-2015-7548",
			[]string{"a qcow2 on top of a file of the host", images + " TestConversionThatIsRefused", libvirt + " TestBackingFileNamedByAnImageIsIgnored"}, nil},
		{3, "VMDK that names files of the host", "OSSA-2023-002 CVE-2022-47951", []string{"a VMDK that describes files of the host"}, nil},
		{4, "raw disk that becomes a qcow2", "OSSA-2026-002 CVE-2026-24708 OSSA-2016-007 CVE-2016-2140",
			[]string{inspect + " TestRawIsNeverAnotherFormat", images + " TestLocationsWhoseDataChanges", inspect + " TestPolyglotsAreRefused"}, nil},
		{5, "images that are bombs", "OSSA-2016-012 CVE-2015-5162 OSSA-2013-012 OSSA-2013-029",
			[]string{"a disk of exabytes in a few bytes", images + " TestImportOfASizeBomb", images + " TestConversionThatIsRefused", "service/image/convert TestTheToolIsBounded", inspect + " TestVirtualSizeLimit", inspect + " TestMemoryIsConstant"}, nil},
		{6, "import by an address that leads inside", "OSSA-2026-004 CVE-2026-34881",
			[]string{"imports from the inside of the cloud", fetch + " TestRedirectsAreCheckedLikeTheFirst", fetch + " TestRebindingIsPinned", images + " TestImportURLsThatLeadInside", images + " TestLocationsLeadNowhereInside",
				images + " TestImportFromAnotherRegionFails"}, nil},
		{7, "import by odd schemes and forms of addresses", "OSSN-0105 OSSN-0078",
			[]string{fetch + " TestAddresses", fetch + " TestURLs", images + " TestImportURLsThatAreRefusedAtOnce"}, nil},
		{8, "image locations of one's own choice", "OSSA-2014-041 CVE-2014-9493 OSSA-2015-002 CVE-2015-1195", []string{"a place of one's own choice", images + " TestLocationsThatAreRefused", images + " TestLocationsOfStoredData"}, nil},
		{9, "deleting an image while it is uploaded", "OSSA-2015-003 CVE-2014-9623 OSSA-2015-020 CVE-2015-5286",
			[]string{images + " TestDeleteWhileUploading", images + " TestDeleteAtTheEndOfAnUpload", ingest + " TestNothingRemainsOfRefusedContent"}, nil},
		{10, "uploads and images without end", "OSSA-2014-028 CVE-2014-5356 OSSN-0057",
			[]string{"a length that is not the length", "images without end", images + " TestImagesOfAProjectAreBounded", images + " TestRefusedUploads"}, nil},
		{11, "new data for an active image", "OSSA-2016-006 CVE-2016-0757 OSSN-0065", []string{"new data for an image that is in use", images + " TestLocationsWhoseDataChanges"}, nil},
		{12, "console by a page of somebody else", "OSSA-2015-005 CVE-2015-0259", []string{consoles + " TestForeignPagesAreRefused"}, nil},
		{13, "header Host that poisons", "OSSN-0101", []string{"another name in the header Host"}, nil},
		{14, "console token that is used again", "OSSA-2013-006 OSSN-0044",
			[]string{consoles + " TestTokenIsGoodOnce", compute + " TestConsoleTokenIsBoundAndGoodOnce"}, nil},
		{15, "tokens and secrets in logs", "OSSA-2020-001 CVE-2015-9543 OSSN-0023 OSSA-2017-002", []string{"test/attack TestAttacks", "core/token TestSecretsDoNotShow"}, nil},
		{16, "redirects that lead elsewhere", "OSSA-2021-002 CVE-2021-3654 OSSA-2020-008 CVE-2020-29565 OSSA-2012-012", []string{"a path that leads elsewhere"}, nil},
		{17, "metadata with forged headers", "OSSN-0074 OSSA-2013-033 OSSA-2014-024 CVE-2014-3517",
			[]string{"the role of node agents for a user", "a port that moves to another's server", responder + " TestMetadataIdentity"}, nil},
		{18, "identity headers of a client", "OSSA-2026-001 CVE-2026-22797", []string{"identity headers of a client", "an identity in a header", core + " TestIdentityHeadersAreDroppedAtTheEdge"}, nil},
		{19, "tokens that outlive what they stand on", "OSSA-2016-008 CVE-2016-4911 OSSA-2016-005 CVE-2015-7546 OSSN-0032 OSSN-0034 OSSA-2012-014 OSSA-2012-016 OSSA-2012-019",
			[]string{"a token made from a revoked one", "a token with other letters", "rescoping to live longer", "a token of a disabled user", "a token of a disabled project",
				"a token whose role was taken away", "a token from before a new password", identity + " TestRightsEndAtOnce"}, nil},
		{20, "signature of an address that was published", "OSSA-2025-002 CVE-2025-65073", []string{"a signature of somebody else, as a way to a token"}, nil},
		{21, "signed request that is repeated", "OSSA-2020-003 CVE-2020-12692",
			[]string{"a signed request, repeated later", identity + " TestARepeatedSignatureHoldsFifteenMinutes"}, nil},
		{22, "key pairs of others", "OSSA-2020-004 CVE-2020-12689 CVE-2020-12691 OSSA-2019-006 CVE-2019-19687",
			[]string{"a key pair made another's", "credentials of others", identity + " TestCredentialsAreTheirOwners"}, nil},
		{23, "delegation that gives more than it is", "OSSA-2026-005 CVE-2026-33551 OSSA-2014-018 CVE-2014-3476 OSSA-2014-022",
			[]string{"a credential that makes a stronger one", "a credential in another project", "a credential that outlives the role", "an access token that makes more than it is",
				"a trust that gives more than there is", identity + " TestADelegationLeavesNothingBehind", identity + " TestAKeyPairGivesNoMoreThanWhatItWasMadeUnder"}, nil},
		{24, "second door that skips the rules", "OSSA-2014-011 CVE-2014-0167", []string{"servers from what others own", "test/attack TestStrangersGetNothing"}, nil},
		{25, "children of others through one's own parent", "OSSN-0102 OSSN-0103 OSSA-2024-005 CVE-2024-53916",
			[]string{"children of others through one's own parent", "resources made in another project", "filters and tags on what others own"}, nil},
		{26, "ports that say they are another's", "OSSA-2014-008 CVE-2014-0056 OSSA-2015-018 CVE-2015-5240",
			[]string{"a port that says it is another's router's", "a port that says it is the network's own"}, nil},
		{27, "DHCP options with lines", "OSSA-2021-005 CVE-2021-40085 OSSN-0082", []string{"DHCP options with lines and scripts", linux + " TestNothingOfAUserIsRendered"}, nil},
		{28, "rules that break a firewall", "OSSA-2014-014 CVE-2014-0187 OSSA-2019-001 CVE-2019-9735 OSSA-2019-002 CVE-2019-10876 OSSA-2014-025 OSSA-2015-012",
			[]string{"rules that break a firewall", "thousands of address pairs", "a shared network without a firewall", agent + " TestBadRuleIsAnErrorOfItsPortAlone"}, nil},
		{29, "guests that speak for others on the wire", "OSSA-2021-001 CVE-2021-20267 OSSA-2016-009 OSSN-0027", []string{linux + " TestGoldenRules", linux + " TestBehaviour"}, nil},
		{30, "guests that reach the host by IPv6", "OSSN-0069 OSSN-0018", []string{linux + " TestHostHasNoIPv6OnGuestDevices"}, nil},
		{31, "connections that outlive an address or a rule", "OSSN-0020 OSSA-2015-021 CVE-2015-7713",
			[]string{linux + " TestWhichTranslationsAreStale", linux + " TestWhichConnectionsAreForbidden"}, nil},
		{32, "rules that become wider than they say", "OSSN-0095", []string{"rules that become wider than they say", "service/network/fabric TestPermitsNobodyByDefault"}, nil},
		{33, "one disk in two guests", "OSSA-2023-003 CVE-2023-2088 OSSA-2020-006 CVE-2020-17376 OSSN-0094", []string{compute + " TestAGuestIsNotStartedAgainWhileItMayRunElsewhere"}, nil},
		{34, "what is left on a disk of somebody before", "OSSA-2013-021 OSSA-2012-020 OSSN-0016", []string{libvirt + " TestDisksAreWhatTheGuestWasPromised"}, nil},
		{35, "changes that skip the scheduler", "OSSA-2017-005 CVE-2017-16239 OSSA-2017-006 CVE-2017-17051", []string{"a host of one's own choice", compute + " TestMovesThatFailAreUndone"}, nil},
		{36, "delete in the middle of a move", "OSSA-2015-017 CVE-2015-3280 OSSA-2016-011 OSSA-2015-015", []string{compute + " TestADeleteMayComeAtEveryBorderOfAMove"}, nil},
		{37, "a hundred at once over a quota", "CVE-2025-69233 OSSA-2013-008 OSSA-2012-005",
			[]string{"a hundred at once over a quota of seven: network", "a hundred at once over a quota of seven: compute", "groups and rules without end"}, nil},
		{38, "XML with entities", "OSSA-2023-001 CVE-2022-47950 OSSA-2013-004 OSSA-2013-023", nil, []string{"service/object"}},
		{39, "object names that climb", "OSSA-2011-001 OSSA-2012-008 CVE-2026-23954", []string{"paths that climb", "ids and names of identity that climb"}, nil},
		{40, "guessing a signed address of an object", "OSSA-2014-002 CVE-2014-0006 OSSA-2015-016 CVE-2015-5223", nil, []string{"service/object"}},
		{41, "copies and versions in others' containers", "OSSN-0077 OSSA-2015-006 CVE-2015-1856", nil, []string{"service/object"}},
		{42, "connections that are kept and never used", "OSSA-2016-004 CVE-2016-0737 CVE-2016-0738 OSSN-0008 CVE-2023-44487",
			[]string{core + " TestSlowBodiesAreCutOff", "thousands of handshakes that are never finished", images + " TestUploadThatStandsStill", images + " TestDownloadThatStandsStill"}, nil},
		{43, "metadata past the limit, little by little", "OSSA-2014-034 CVE-2014-7960", []string{"metadata past the limit, little by little"}, nil},
		{44, "unknown paths and lists without end", "OSSA-2021-006 CVE-2021-40797 OSSA-2014-038 CVE-2014-3708",
			[]string{"thousands of unknown paths and tokens", "lists without end", "patterns that never end", identity + " TestListsAreBounded", "lists of identity by what cannot be sorted by"}, nil},
		{45, "log-ins that cost too much", "OSSA-2026-009 CVE-2026-43002 OSSA-2014-040 OSSA-2014-013 CVE-2014-2828 OSSA-2012-002 OSSN-0099",
			[]string{"bodies without end", "a million brackets", "one method ten thousand times", "passwords of a megabyte", identity + " TestLineOfLoginsIsBounded",
				identity + " TestOneTimePasswordsAreNotGuessed", identity + " TestLoginsStarveNobody", identity + " TestGuessingDoesNotFillTheFeed"}, nil},
		{46, "finding out who has an account", "OSSA-2021-003 CVE-2021-38155", []string{"finding out who has an account", identity + " TestAbsentUsersCostAsMuch", identity + " TestFailedLoginsLockAnAccount"}, nil},
		{47, "names that are markup", "OSSA-2026-006 CVE-2026-40212 OSSA-2013-036 OSSA-2015-009 OSSA-2012-004", []string{"names that are markup", libvirt + " TestHostileNamesStayText"}, nil},
		{48, "names that a shell would run", "OSSN-0097", []string{"names that a shell would run", "app TestCredentialsSurviveHostilePasswords"}, nil},
		{49, "hints, data and tags without end", "OSSA-2012-009 OSSA-2012-003", []string{"user data, tags and hints without end", "names of 64 KB and of control characters", "a group and a tag without end"}, nil},
		{50, "endpoints that ask for secrets", "OSSA-2014-029 CVE-2014-3621", []string{"an endpoint that asks for a secret"}, nil},
		{51, "errors that tell of the inside", "OSSA-2019-003 CVE-2019-14433", []string{"errors that tell of the inside", core + " TestCausesAreLoggedAndNotTold"}, nil},
		{52, "archives that are cut off", "CVE-2026-40251", []string{inspect + " TestTruncatedImagesAreRefused", inspect + " TestBentHeadersAreRefused", "core/work TestPanicsAreFailures"}, nil},
		{53, "nodes that are not who they say", "OSSN-0096 OSSA-2019-005 CVE-2019-17134",
			[]string{"requests of node agents by others", "a name of the cloud's own in a request", "core/pki TestCertificatesThatAreRefused", "test/fleet TestNodesAreWhoTheyAre"}, nil},
		{54, "clocks that jump, full disks, torn files, two owners", "",
			[]string{"core/token TestCacheForgetsWhenTheClockIsSetBack", images + " TestFullStore", "service/compute/hypervisor/internal/fence TestATornLineIsIgnored", "app/folder TestWhoMayUseAFolder"}, nil},
		{55, "log-in page that leads elsewhere, session store without end", "OSSA-2014-040", nil, []string{noDashboard}},
	}
}

// TestKnownAttacksAreTried finds every test that the list names, and no attack that has none although there is what it is
// an attack on.
func TestKnownAttacksAreTried(t *testing.T) {
	names := map[string]bool{}
	for _, a := range slices.Concat(attacks(), fleetAttacks()) {
		if names[a.name] {
			t.Errorf("two attacks are called %q", a.name)
		}
		names[a.name] = true
	}
	for test := range testsOf(t, filepath.Join("..", "..")) {
		names[test] = true
	}
	for i, k := range knownAttacks() {
		if k.number != i+1 {
			t.Errorf("%d: %s stands in the place of %d", k.number, k.what, i+1)
		}
		for _, name := range k.tests {
			if !names[name] {
				t.Errorf("%d: %s: there is no test %q", k.number, k.what, name)
			}
		}
		if len(k.tests) > 0 {
			continue
		}
		if len(k.until) == 0 {
			t.Errorf("%d: %s: it names no test", k.number, k.what)
		}
		for _, folder := range k.until {
			path, word, _ := strings.Cut(folder, " ")
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				continue
			}
			text, err := os.ReadFile(filepath.Join("..", "..", path))
			if word == "" || err == nil && strings.Contains(string(text), word) {
				t.Errorf("%d: %s (%s): there is %s now, and no test", k.number, k.what, k.advisories, folder)
			}
		}
	}
}

// TestAdvisoriesOfTheCatalogueAreKnown finds every advisory that an attack names in the list.
func TestAdvisoriesOfTheCatalogueAreKnown(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range knownAttacks() {
		for advisory := range strings.FieldsSeq(k.advisories) {
			listed[advisory] = true
		}
	}
	for _, a := range attacks() {
		for advisory := range strings.FieldsSeq(a.advisory) {
			if !listed[advisory] && strings.HasPrefix(advisory, "OSS") {
				t.Errorf("%s of the attack %q is not in the list", advisory, a.name)
			}
		}
	}
}

// testsOf are the tests below a folder, as "folder TestName"; of tables of subtests the name alone is known.
func testsOf(t *testing.T, top string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "bin" || strings.HasPrefix(entry.Name(), ".") && path != top) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(top, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if fn, ok := declaration.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain" {
				found[filepath.ToSlash(folder)+" "+fn.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil || len(found) < 100 {
		t.Fatalf("%s tests found: %v", strconv.Itoa(len(found)), err)
	}
	return found
}
