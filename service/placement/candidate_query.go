package placement

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
)

// group is one group of a question for candidates. The group without suffix may be
// served by several providers of a tree, one with a suffix is served by one.
type group struct {
	suffix      string
	resources   []amount
	required    [][]string
	forbidden   []string
	memberOf    [][]string
	notMemberOf []string
	// inTree is a provider from whose tree the group is to be served, or empty.
	inTree string
}

// candidateQuery is a question for candidates.
type candidateQuery struct {
	// groups are sorted by suffix; the one without is the first.
	groups []group
	// limit is how many candidates are wanted; 0 for all.
	limit int
	// isolate: groups with suffixes are served by different providers.
	isolate bool
	// rootRequired and rootForbidden are traits of the root of the tree.
	rootRequired, rootForbidden []string
	// subtrees are sets of suffixes whose providers are to be in the subtree of one of them.
	subtrees [][]string
	// flat: the caller knows nothing of trees (before microversion 1.29).
	flat bool
}

// groupKeys tells the parameters of groups apart from others. A suffix is a number
// before microversion 1.33.
type groupKeys struct{ pattern *regexp.Regexp }

func groupKeysOf(r *api.Request) groupKeys {
	prefixes, suffix := "resources|required|member_of", ""
	switch {
	case since(r, namedGroups):
		prefixes, suffix = prefixes+"|in_tree", "[a-zA-Z0-9_-]{1,64}"
	case since(r, candidatesInTree):
		prefixes, suffix = prefixes+"|in_tree", "[1-9][0-9]*"
	case since(r, granularGroups):
		suffix = "[1-9][0-9]*"
	case since(r, candidatesMemberOf):
	case since(r, candidatesTraits):
		prefixes = "resources|required"
	default:
		prefixes = "resources"
	}
	return groupKeys{regexp.MustCompile("^(" + prefixes + ")(" + suffix + ")$|^(" + prefixes + ")$")}
}

// split returns the prefix and the suffix of a parameter of a group.
func (k groupKeys) split(key string) (prefix, suffix string, ok bool) {
	m := k.pattern.FindStringSubmatch(key)
	if m == nil {
		return "", "", false
	}
	if m[3] != "" {
		return m[3], "", true
	}
	return m[1], m[2], true
}

// readCandidateQuery reads the query of a question for candidates.
func readCandidateQuery(r *api.Request) (candidateQuery, error) {
	q := candidateQuery{flat: !since(r, nestedCandidates)}
	keys := groupKeysOf(r)
	first := map[string]int{
		"limit": candidatesLimit, "group_policy": granularGroups, "root_required": rootRequired, "same_subtree": sameSubtree,
	}
	err := checkQueryKeys(r, func(key string) bool {
		if minor, wide := first[key]; wide {
			return since(r, minor)
		}
		_, _, ok := keys.split(key)
		return ok
	})
	if err != nil {
		return q, err
	}
	if !since(r, granularGroups) && !r.Query.Has("resources") {
		return q, badQuery("'resources' is a required property")
	}
	if err := q.readWide(r); err != nil {
		return q, err
	}
	if err := q.readGroups(r, keys); err != nil {
		return q, err
	}
	return q, q.check(r)
}

// readWide reads the parameters that concern the question as a whole.
func (q *candidateQuery) readWide(r *api.Request) error {
	if r.Query.Has("limit") {
		text := r.Query["limit"][0]
		n, err := strconv.ParseUint(text, 10, 64)
		if (err != nil && !strings.Contains(err.Error(), "range")) || n == 0 || text[0] == '0' || text[0] == '+' {
			return badQuery("'%s' does not match '^[1-9][0-9]*$'%s", printable(text), failedValidating("pattern"))
		}
		q.limit = int(min(n, maxCandidates))
	}
	if r.Query.Has("group_policy") {
		policy := r.Query["group_policy"][0]
		if policy != "none" && policy != "isolate" {
			return badQuery("'%s' is not one of ['none', 'isolate']", printable(policy))
		}
		q.isolate = policy == "isolate"
	}
	if err := q.readRoot(r); err != nil {
		return err
	}
	for _, value := range r.Query["same_subtree"] {
		var suffixes []string
		for part := range strings.SplitSeq(value, ",") {
			suffix := strings.TrimSpace(part)
			if suffix == "" {
				return api.BadRequest("Empty string (unsuffixed group) can not be specified in `same_subtree` ").WithCode(codeQueryBadValue)
			}
			suffixes = append(suffixes, suffix)
		}
		q.subtrees = append(q.subtrees, suffixes)
	}
	return nil
}

func (q *candidateQuery) readRoot(r *api.Request) error {
	values := r.Query["root_required"]
	if len(values) > 1 {
		return api.BadRequest("Query parameter 'root_required' may be specified only once.").WithCode(codeQueryDuplicateKey)
	}
	if len(values) == 0 {
		return nil
	}
	if strings.HasPrefix(values[0], "in:") {
		return badQuery("The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: %s", printable(values[0]))
	}
	required, forbidden, err := parseTraits(r, values[0])
	if err != nil {
		return err
	}
	var conflicts []string
	for _, list := range required {
		q.rootRequired = append(q.rootRequired, list[0])
		if slices.Contains(forbidden, list[0]) {
			conflicts = append(conflicts, list[0])
		}
	}
	q.rootForbidden = forbidden
	if len(conflicts) > 0 {
		return api.BadRequest("Conflicting required and forbidden traits found in root_required: %s",
			strings.Join(conflicts, ", ")).WithCode(codeQueryBadValue)
	}
	return nil
}

// readGroups reads the parameters of all groups.
func (q *candidateQuery) readGroups(r *api.Request, keys groupKeys) error {
	groups := map[string]*group{}
	for _, key := range slices.Sorted(maps.Keys(r.Query)) {
		prefix, suffix, ok := keys.split(key)
		if !ok {
			continue
		}
		g := groups[suffix]
		if g == nil {
			g = &group{suffix: suffix}
			groups[suffix] = g
		}
		var err error
		switch prefix {
		case "resources":
			g.resources, err = parseResources(lastValue(r, key))
		case "required":
			g.required, g.forbidden, err = readTraits(r, suffix)
		case "member_of":
			g.memberOf, g.notMemberOf, err = readAggregates(r, suffix)
		case "in_tree":
			given := lastValue(r, key)
			if g.inTree, ok = normalUUID(strings.TrimSpace(given)); !ok {
				err = badQuery("Expected 'in_tree' parameter to be a format of uuid. Got: %s", printable(given))
			}
		}
		if err != nil {
			return err
		}
	}
	for _, suffix := range slices.Sorted(maps.Keys(groups)) {
		q.groups = append(q.groups, *groups[suffix])
	}
	return nil
}

// check refuses questions whose parts contradict each other.
func (q *candidateQuery) check(r *api.Request) error {
	var err error
	if since(r, sameSubtree) {
		err = q.checkSubtrees()
	} else {
		err = q.checkOrphans()
	}
	if err != nil {
		return err
	}
	if since(r, forbiddenTraits) {
		if err := q.checkForbidden(); err != nil {
			return err
		}
	}
	single := 0
	for _, g := range q.groups {
		if g.suffix != "" {
			single++
		}
	}
	if single > 1 && !r.Query.Has("group_policy") {
		return api.BadRequest("The \"group_policy\" parameter is required when specifying more than one \"resources{N}\" parameter.")
	}
	return nil
}

// checkSubtrees: groups without resources are there only to be named in same_subtree.
func (q *candidateQuery) checkSubtrees() error {
	named := map[string]bool{}
	for _, suffixes := range q.subtrees {
		for _, suffix := range suffixes {
			named[suffix] = true
		}
	}
	known := map[string]bool{}
	var suffixes, bad []string
	empty := 0
	for _, g := range q.groups {
		known[g.suffix] = true
		suffixes = append(suffixes, g.suffix)
		if len(g.resources) == 0 {
			empty++
			if !named[g.suffix] {
				bad = append(bad, g.suffix)
			}
		}
	}
	if empty == len(q.groups) {
		return api.BadRequest("There must be at least one resources or resources[$S] parameter.").WithCode(codeQueryMissingValue)
	}
	if len(bad) > 0 {
		return api.BadRequest("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - %s.",
			quoted(bad)).WithCode(codeQueryBadValue)
	}
	for _, suffix := range slices.Sorted(maps.Keys(named)) {
		if !known[suffix] {
			bad = append(bad, printable(suffix))
		}
	}
	if len(bad) > 0 {
		return api.BadRequest("Real suffixes should be specified in `same_subtree`: %s not found in %s.",
			quoted(bad), quoted(suffixes)).WithCode(codeQueryBadValue)
	}
	return nil
}

// quoted renders names as ['a', 'b'].
func quoted(names []string) string { return "['" + strings.Join(names, "', '") + "']" }

// checkOrphans: before microversion 1.36 every group has resources.
func (q *candidateQuery) checkOrphans() error {
	var traits, aggregates []string
	empty := 0
	for _, g := range q.groups {
		if len(g.resources) > 0 {
			continue
		}
		empty++
		if len(g.required) > 0 {
			traits = append(traits, "required"+g.suffix)
		}
		if len(g.memberOf) > 0 || len(g.notMemberOf) > 0 {
			aggregates = append(aggregates, "member_of"+g.suffix)
		}
	}
	switch {
	case len(traits) > 0:
		return api.BadRequest("All traits parameters must be associated with resources.  "+
			"Found the following orphaned traits keys: %s", strings.Join(traits, ", "))
	case len(aggregates) > 0:
		return api.BadRequest("All member_of parameters must be associated with resources. "+
			"Found the following orphaned member_of keys: %s", strings.Join(aggregates, ", "))
	case empty > 0:
		return api.BadRequest("All request groups must specify resources.")
	case len(q.groups) == 0:
		return api.BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
	}
	return nil
}

func (q *candidateQuery) checkForbidden() error {
	var conflicts []string
	for _, g := range q.groups {
		for _, list := range g.required {
			all := !slices.ContainsFunc(list, func(name string) bool { return !slices.Contains(g.forbidden, name) })
			if all {
				conflicts = append(conflicts, fmt.Sprintf("required%s: (%s)", g.suffix, strings.Join(inOrder(list), ", ")))
			}
		}
	}
	if len(conflicts) > 0 {
		return api.BadRequest("Conflicting required and forbidden traits found in the following traits keys: %s",
			strings.Join(inOrder(conflicts), ", "))
	}
	return nil
}

// checkNames refuses classes and traits that do not exist.
func (q *candidateQuery) checkNames(names standardNames, known *forest) error {
	for _, g := range q.groups {
		if class := missingClass(names, known, g.resources); class != "" {
			return noSuchClass(class)
		}
		if trait := missingTrait(names, known, append(slices.Clone(g.required), g.forbidden)...); trait != "" {
			return api.BadRequest("%s", noSuchTrait(trait))
		}
	}
	if trait := missingTrait(names, known, q.rootRequired, q.rootForbidden); trait != "" {
		return api.BadRequest("%s", noSuchTrait(trait))
	}
	return nil
}
