package compute

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
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
	// aggregateKeys are the keys of the metadata of all aggregates.
	aggregateKeys map[string]bool
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
	// maxServers and maxWork bound the servers of a host, and those that are worked on at a time; nil: they say nothing.
	maxServers, maxWork *int64
	// multipliers are for weighers, by their places in the table; NaN: nothing is said. Nil: nothing of any.
	multipliers []float64
}

// termsOf joins the metadata of aggregates by the names of their hosts.
func termsOf(rows []aggregate) map[string]*terms {
	byHost := map[string]*terms{}
	whole := map[string]map[string][]string{} // the values as they are, commas included, by host and key
	for i := range rows {
		for _, host := range rows[i].hosts {
			t := byHost[host]
			if t == nil {
				t, whole[host] = &terms{values: map[string][]string{}}, map[string][]string{}
				byHost[host] = t
			}
			for key, value := range rows[i].Metadata {
				whole[host][key] = append(whole[host][key], value)
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
	for host, t := range byHost {
		t.readNumbers(whole[host])
	}
	return byHost
}

// readNumbers reads the numbers that aggregates name. As in nova the least counts, and none when one of them is no number.
func (t *terms) readNumbers(values map[string][]string) {
	t.maxServers, t.maxWork = leastOf(values[maxServersKey]), leastOf(values[maxWorkKey])
	for i, w := range weigherTable() {
		texts := values[w.short+multiplierSuffix]
		if len(texts) == 0 {
			continue
		}
		least := math.Inf(1)
		for _, text := range texts {
			x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
				least = math.NaN()
				break
			}
			least = min(least, x)
		}
		if t.multipliers == nil {
			t.multipliers = slices.Repeat([]float64{math.NaN()}, len(weigherTable()))
		}
		t.multipliers[i] = least
	}
}

// leastOf is the least of some numbers that are not negative; nil when there is none, or one is no such number.
func leastOf(texts []string) *int64 {
	var least *int64
	for _, text := range texts {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 {
			return nil
		}
		if least == nil || n < *least {
			least = &n
		}
	}
	return least
}

// keysOf are the keys of the metadata of aggregates.
func keysOf(rows []aggregate) map[string]bool {
	keys := map[string]bool{}
	for i := range rows {
		for key := range rows[i].Metadata {
			keys[key] = true
		}
	}
	return keys
}
