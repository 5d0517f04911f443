package compute

import (
	"slices"
	"strings"
)

// Filters by the metadata of the host aggregates that a host is in.

// specsOfAggregates are the extra specs that aggregates have to meet.
func (w *wish) specsOfAggregates() []specOf {
	var wanted []specOf
	for key, want := range w.Specs {
		wanted = append(wanted, newSpec(key, want))
	}
	for key, want := range w.extraSpecs {
		if _, scoped := w.Specs[key]; !scoped && !strings.Contains(key, ":") && w.aggregateKeys[key] {
			wanted = append(wanted, newSpec(key, want))
		}
	}
	sortSpecs(wanted)
	return wanted
}

// askAggregateSpecs wants aggregates with what the flavor's extra specs of the scope aggregate_instance_extra_specs say
// (nova/scheduler/filters/aggregate_instance_extra_specs.py). An extra spec without a scope counts where some aggregate has such a
// key: it may be meant for something else.
func askAggregateSpecs(_ *scheduler, q *question) hostJudge {
	wanted := q.specsOfAggregates()
	if len(wanted) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		for i := range wanted {
			if c.terms == nil || !wanted[i].holdsOfOne(c.terms.values[wanted[i].key]) {
				return miss{text: "its aggregates do not have what the flavor wants of ", subject: wanted[i].key}
			}
		}
		return miss{}
	}
}

// askAggregateProjects keeps servers of other projects out of aggregates that are kept for some (aggregate_multitenancy_isolation.py).
func askAggregateProjects(_ *scheduler, q *question) hostJudge {
	if q.ProjectID == "" {
		return nil
	}
	return func(c *candidate) miss {
		if c.terms == nil || len(c.terms.projects) == 0 || slices.Contains(c.terms.projects, q.ProjectID) {
			return miss{}
		}
		return miss{text: "its aggregates are kept for other projects"}
	}
}

// askAggregateImages wants that what the image and the aggregates both name is the same (aggregate_image_properties_isolation.py).
func askAggregateImages(sc *scheduler, q *question) hostJudge {
	type property struct{ key, value string }
	var properties []property
	for key, value := range q.Image {
		if value != "" && (sc.ImageNamespace == "" || strings.HasPrefix(key, sc.ImageNamespace+sc.ImageSeparator)) {
			properties = append(properties, property{key, value})
		}
	}
	if len(properties) == 0 {
		return nil
	}
	slices.SortFunc(properties, func(a, b property) int { return strings.Compare(a.key, b.key) })
	return func(c *candidate) miss {
		if c.terms == nil {
			return miss{}
		}
		for i := range properties {
			if values, named := c.terms.values[properties[i].key]; named && !slices.Contains(values, properties[i].value) {
				return miss{text: "its aggregates are kept for images with another ", subject: properties[i].key}
			}
		}
		return miss{}
	}
}

// flavorsKey is the key of an aggregate's metadata that names the flavors that its hosts are for.
const flavorsKey = "instance_type"

// askAggregateFlavors wants aggregates that are for the flavor, or for any (type_filter.py).
func askAggregateFlavors(_ *scheduler, q *question) hostJudge {
	if q.flavor == "" {
		return nil
	}
	return func(c *candidate) miss {
		if c.terms == nil || len(c.terms.values[flavorsKey]) == 0 || slices.Contains(c.terms.values[flavorsKey], q.flavor) {
			return miss{}
		}
		return miss{text: "its aggregates are kept for other flavors"}
	}
}
