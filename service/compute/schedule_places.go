package compute

import (
	"net/netip"
	"slices"
	"strings"

	"virga/core/db"
)

// placeWish is what of a wish is about the aggregates of hosts and about scheduler hints.
type placeWish struct {
	// ProjectID is whose server it is; aggregates can be kept for projects.
	ProjectID string
	// Specs are the flavor's extra specs of the scope aggregate_instance_extra_specs, without it.
	Specs map[string]string
	// Image are the image's properties; aggregates can be kept for images.
	Image map[string]string
	// Same and Different are servers on one of whose hosts the server is to be, and on none.
	Same, Different           []string
	sameHosts, differentHosts map[string]bool
	// Near is where the host's address is to be; invalid: anywhere.
	Near netip.Prefix
	// Query is what the host is asked for; nil: nothing.
	Query *hostQuery
}

const (
	specScope = "aggregate_instance_extra_specs:"
	// projectKey begins the keys of an aggregate's metadata that name the projects whose servers its hosts are for.
	projectKey = "filter_tenant_id"
)

// placesOf is what a server's row asks of places. Only extra specs that name their scope count: an unscoped one may be
// meant for something else.
func placesOf(row *server) placeWish {
	hints := row.Detail.Hints
	w := placeWish{ProjectID: row.ProjectID, Image: row.Detail.Image.Properties, Same: hints["same_host"], Different: hints["different_host"]}
	for key, value := range row.Detail.Flavor.ExtraSpecs {
		if name, scoped := strings.CutPrefix(key, specScope); scoped {
			if w.Specs == nil {
				w.Specs = map[string]string{}
			}
			w.Specs[name] = value
		}
	}
	w.Near, _ = nearHint(hints) // the create refused what cannot be read
	if query := hints["query"]; len(query) > 0 {
		w.Query, _ = parseHostQuery(query[0])
	}
	return w
}

// nearHint reads the hints build_near_host_ip and cidr.
func nearHint(hints map[string][]string) (netip.Prefix, error) {
	if len(hints["build_near_host_ip"]) == 0 {
		return netip.Prefix{}, nil
	}
	bits := "/24"
	if len(hints["cidr"]) > 0 {
		bits = hints["cidr"][0]
	}
	p, err := netip.ParsePrefix(hints["build_near_host_ip"][0] + bits)
	return p.Masked(), err
}

// findPlaces looks up where the servers of the hints are; those of other projects count as gone.
func findPlaces(tx *db.Tx, w *placeWish) (err error) {
	if w.sameHosts, err = hostsOfServers(tx, w.ProjectID, w.Same); err != nil {
		return err
	}
	w.differentHosts, err = hostsOfServers(tx, w.ProjectID, w.Different)
	return err
}

// terms are what the aggregates of one host say: for each key of their metadata the values, of which several are
// separated by commas.
type terms struct {
	values   map[string][]string
	projects []string
}

// termsOf joins the metadata of aggregates by the names of their hosts.
func termsOf(rows []aggregate) map[string]*terms {
	byHost := map[string]*terms{}
	for i := range rows {
		for _, host := range rows[i].hosts {
			t := byHost[host]
			if t == nil {
				t = &terms{values: map[string][]string{}}
				byHost[host] = t
			}
			for key, value := range rows[i].Metadata {
				for one := range strings.SplitSeq(value, ",") {
					one = strings.TrimSpace(one)
					t.values[key] = append(t.values[key], one)
					if strings.HasPrefix(key, projectKey) {
						t.projects = append(t.projects, one)
					}
				}
			}
		}
	}
	return byHost
}

// placeFilter asks a host for what is wished of places.
func placeFilter(c *candidate, w *placeWish) miss {
	if m := termsFilter(c.terms, w); m.why != whyNone {
		return m
	}
	switch {
	case len(w.Same) > 0 && !w.sameHosts[c.name]:
		return miss{why: whyNotSame}
	case w.differentHosts[c.name]:
		return miss{why: whyNotDifferent}
	case w.Near.IsValid() && !w.Near.Contains(c.ip):
		return miss{why: whyFar}
	case w.Query != nil && !w.Query.holds(c):
		return miss{why: whyQuery}
	}
	return miss{}
}

func termsFilter(t *terms, w *placeWish) miss {
	for key, want := range w.Specs {
		if t == nil || !slices.ContainsFunc(t.values[key], func(value string) bool { return specMatches(value, want) }) {
			return miss{why: whyAggregateSpec, class: key}
		}
	}
	if t == nil {
		return miss{}
	}
	if w.ProjectID != "" && len(t.projects) > 0 && !slices.Contains(t.projects, w.ProjectID) {
		return miss{why: whyAggregateProject}
	}
	for key, values := range t.values {
		if property := w.Image[key]; property != "" && !slices.Contains(values, property) {
			return miss{why: whyAggregateImage, class: key}
		}
	}
	return miss{}
}

// placeText is text for the reasons of placeFilter.
func (k countKey) placeText() string {
	switch k.why {
	case whyAggregateSpec:
		return "its aggregates do not have what the flavor wants of " + k.class
	case whyAggregateProject:
		return "its aggregates are kept for other projects"
	case whyAggregateImage:
		return "its aggregates are kept for images with another " + k.class
	case whyNotSame:
		return "it runs none of the servers that the server is to be with"
	case whyNotDifferent:
		return "it runs a server that the server is to be apart from"
	case whyFar:
		return "its address is not near the one that was asked for"
	}
	return "it does not answer to the query"
}
