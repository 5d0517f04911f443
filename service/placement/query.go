package placement

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"virga/core/api"
)

// amount is how much of a class is asked for.
type amount struct {
	class string
	count int64
}

// badQuery is the 400 for a query that the API does not have.
func badQuery(format string, args ...any) *api.Error {
	return api.BadRequest("Invalid query string parameters: "+format, args...)
}

// unexpected says that a parameter is not known; where names may have suffixes, it fits none of their patterns.
func unexpected(r *api.Request, key string) string {
	if strings.HasSuffix(r.HTTP.URL.Path, "/allocation_candidates") && since(r, granularGroups) {
		suffix := `([1-9][0-9]*)?$`
		if since(r, namedGroups) {
			suffix = `([a-zA-Z0-9_-]{1,64})?$`
		}
		return fmt.Sprintf("'%s' does not match any of the regexes: '^member_of%s', '^required%s', '^resources%s'", printable(key), suffix, suffix, suffix) +
			failedValidating("additionalProperties")
	}
	return fmt.Sprintf("Additional properties are not allowed ('%s' was unexpected)", printable(key)) + failedValidating("additionalProperties")
}

// checkQueryKeys refuses parameters that are not allowed and text that is none.
func checkQueryKeys(r *api.Request, allowed func(key string) bool) error {
	for _, key := range slices.Sorted(maps.Keys(r.Query)) {
		for _, text := range append([]string{key}, r.Query[key]...) {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return badQuery("the text is not valid UTF-8")
			}
		}
		if !allowed(key) {
			return badQuery("%s", unexpected(r, key))
		}
	}
	return nil
}

// lastValue is the value of a parameter that may stand once; the last one counts.
func lastValue(r *api.Request, key string) string {
	values := r.Query[key]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

const resourcesForm = "Badly formed resources parameter. Expected resources query string parameter in form: " +
	"?resources=VCPU:2,MEMORY_MB:1024. Got: %s."

// parseResources reads "VCPU:2,MEMORY_MB:1024".
func parseResources(text string) ([]amount, error) {
	if strings.TrimSpace(text) == "" {
		return nil, api.BadRequest(resourcesForm, "empty string")
	}
	var amounts []amount
	for part := range strings.SplitSeq(text, ",") {
		class, number, found := strings.Cut(part, ":")
		if !found || strings.Contains(number, ":") {
			return nil, api.BadRequest(resourcesForm, printable(part))
		}
		count, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return nil, api.BadRequest("Requested resource %s expected positive integer amount. Got: %s.",
				printable(class), printable(number))
		}
		if count < 1 {
			return nil, api.BadRequest("Requested resource %s requires amount >= 1. Got: %d.", printable(class), count)
		}
		amounts = slices.DeleteFunc(amounts, func(a amount) bool { return a.class == class })
		amounts = append(amounts, amount{class, count})
	}
	return amounts, nil
}

// parseTraits reads one required parameter: "A,!B" or "in:A,B". Required is a list of
// lists; one trait of each is needed.
func parseTraits(r *api.Request, text string) (required [][]string, forbidden []string, err error) {
	if list, anyOf := strings.CutPrefix(text, "in:"); anyOf {
		return parseAnyTraits(r, text, list)
	}
	mayForbid := since(r, forbiddenTraits)
	form := "HW_CPU_X86_VMX,CUSTOM_MAGIC"
	if mayForbid {
		form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
	}
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(part)
		bare := strings.TrimLeft(name, "!")
		switch {
		case bare == "":
			return nil, nil, badQuery("Expected 'required' parameter value of the form: %s. Got an empty trait in: %s", form, printable(text))
		case bare == name:
			required = append(required, []string{name})
		case !mayForbid:
			return nil, nil, badQuery("Expected 'required' parameter value of the form: %s. Got: %s", form, printable(text))
		default:
			forbidden = append(forbidden, bare)
		}
	}
	return required, forbidden, nil
}

func parseAnyTraits(r *api.Request, text, list string) ([][]string, []string, error) {
	const form = "in:HW_CPU_X86_VMX,CUSTOM_MAGIC"
	if !since(r, anyTraits) {
		return nil, nil, badQuery("The format '%s' only supported since microversion 1.39. Got: %s", form, printable(text))
	}
	var names []string
	for part := range strings.SplitSeq(list, ",") {
		name := strings.TrimSpace(part)
		if name == "" {
			return nil, nil, badQuery("Expected 'required' parameter value of the form: %s. Got an empty trait in: %s", form, printable(text))
		}
		if strings.HasPrefix(name, "!") {
			return nil, nil, badQuery("The format '%s' does not support forbidden traits. Got: %s", form, printable(text))
		}
		names = append(names, name)
	}
	return [][]string{names}, nil, nil
}

// readTraits reads all required parameters with a suffix; before microversion 1.39 only
// the last one counts.
func readTraits(r *api.Request, suffix string) (required [][]string, forbidden []string, err error) {
	values := r.Query["required"+suffix]
	if !since(r, anyTraits) && len(values) > 1 {
		values = values[len(values)-1:]
	}
	for _, value := range values {
		more, not, err := parseTraits(r, value)
		if err != nil {
			return nil, nil, err
		}
		required, forbidden = append(required, more...), append(forbidden, not...)
	}
	return required, forbidden, nil
}

// readAggregates reads all member_of parameters with a suffix: one aggregate of each
// list of required is needed, none of forbidden.
func readAggregates(r *api.Request, suffix string) (required [][]string, forbidden []string, err error) {
	values := r.Query["member_of"+suffix]
	if len(values) > 1 && !since(r, repeatedMemberOf) {
		return nil, nil, api.BadRequest("Multiple member_of%s parameters are not supported", suffix)
	}
	for _, value := range values {
		list, not := strings.CutPrefix(value, "!")
		list, several := strings.CutPrefix(list, "in:")
		if !several && strings.Contains(list, ",") {
			return nil, nil, api.BadRequest("Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword "+
				"using the valid microversion. Got: %s", printable(value))
		}
		var uuids []string
		for text := range strings.SplitSeq(list, ",") {
			uuid, ok := normalUUID(text)
			if !ok {
				return nil, nil, badQuery("Expected 'member_of' parameter to contain valid UUID(s). Got: %s", printable(text))
			}
			uuids = append(uuids, uuid)
		}
		switch {
		case !not:
			required = append(required, uuids)
		case !since(r, forbiddenAggregates):
			return nil, nil, api.BadRequest("Forbidden member_of%s parameters are not supported in the specified microversion", suffix)
		default:
			forbidden = append(forbidden, uuids...)
		}
	}
	return required, forbidden, nil
}

// missingClass names the first class that neither the standard nor the forest has.
func missingClass(names standardNames, f *forest, amounts []amount) string {
	for _, a := range amounts {
		if !names.knownClass[a.class] && !f.classes[a.class] {
			return printable(a.class)
		}
	}
	return ""
}

// missingTrait names the first trait that neither the standard nor the forest has.
func missingTrait(names standardNames, f *forest, lists ...[]string) string {
	for _, list := range lists {
		for _, name := range list {
			if !names.knownTraits[name] && !f.traits[name] {
				return printable(name)
			}
		}
	}
	return ""
}

// noSuchClass is the 400 for a class in a query.
func noSuchClass(name string) *api.Error {
	return api.BadRequest("Invalid resource class in resources parameter: No such resource class %s.", name)
}

// noSuchTrait is the text for a trait in a query.
func noSuchTrait(name string) string { return fmt.Sprintf("No such trait(s): %s.", name) }

// providerFilter says which providers a list shows.
type providerFilter struct {
	uuid, name, inTree string
	byUUID, byTree     bool
	resources          []amount
	required           [][]string
	forbidden          []string
	memberOf           [][]string
	notMemberOf        []string
}

// readProviderFilter reads the query of a list of providers.
func readProviderFilter(r *api.Request) (providerFilter, error) {
	var f providerFilter
	first := map[string]int{
		"uuid": 0, "name": 0, "member_of": listMemberOf, "resources": listResources, "in_tree": nestedProviders, "required": listTraits,
	}
	err := checkQueryKeys(r, func(key string) bool {
		minor, known := first[key]
		return known && since(r, minor)
	})
	if err != nil {
		return f, err
	}
	f.name = lastValue(r, "name")
	for key, target := range map[string]*string{"uuid": &f.uuid, "in_tree": &f.inTree} {
		if !r.Query.Has(key) {
			continue
		}
		uuid, ok := normalUUID(lastValue(r, key))
		if !ok {
			return f, badQuery("'%s' is not a 'uuid'", printable(lastValue(r, key)))
		}
		*target = uuid
	}
	f.byUUID, f.byTree = f.uuid != "", f.inTree != ""
	if r.Query.Has("resources") {
		if f.resources, err = parseResources(lastValue(r, "resources")); err != nil {
			return f, err
		}
	}
	if f.required, f.forbidden, err = readTraits(r, ""); err != nil {
		return f, err
	}
	f.memberOf, f.notMemberOf, err = readAggregates(r, "")
	return f, err
}

// checkNames refuses classes and traits that do not exist.
func (f providerFilter) checkNames(names standardNames, known *forest) error {
	if class := missingClass(names, known, f.resources); class != "" {
		return noSuchClass(class)
	}
	if trait := missingTrait(names, known, append(slices.Clone(f.required), f.forbidden)...); trait != "" {
		return api.BadRequest("Invalid trait(s) in \"required\" parameter: %s", noSuchTrait(trait))
	}
	return nil
}

// find lists the providers that pass, tree by tree.
func (f providerFilter) find(known *forest) []*node {
	trees := known.order
	if f.byUUID {
		n := known.nodes[f.uuid]
		if n == nil || f.byTree && known.treeOf(f.inTree) != n.tree || !f.lets(n) {
			return nil
		}
		return []*node{n}
	}
	if f.byTree {
		t := known.treeOf(f.inTree)
		if t == nil {
			return nil
		}
		trees = []*tree{t}
	}
	var found []*node
	for _, t := range trees {
		for _, n := range t.nodes {
			if f.lets(n) {
				found = append(found, n)
			}
		}
	}
	return found
}

// lets tells whether a provider passes all filters but those of uuid and tree.
func (f providerFilter) lets(n *node) bool {
	if f.name != "" && n.row.Name != f.name {
		return false
	}
	for _, a := range f.resources {
		if !n.has(a) {
			return false
		}
	}
	return n.suits(f.required, f.forbidden) && n.memberOf(f.memberOf) && !n.inAny(f.notMemberOf)
}
