package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Services are the names of the services, each after those that it needs to begin.
func Services() []string { return []string{"identity", "placement", "image", "network", "compute"} }

// Roles are what a process does in a cloud. The zero value is no role at all.
type Roles struct {
	// API are the services whose APIs the process serves, in the order of Services.
	API []string
	// Conductor carries durable operations and repairs what drifted.
	Conductor bool
	// Scheduler carries the steps of operations that choose a host.
	Scheduler bool
	// Node runs guests and networks on this machine.
	Node bool
}

// AllRoles are those of a process that is a whole cloud.
func AllRoles() Roles {
	return Roles{API: Services(), Conductor: true, Scheduler: true, Node: true}
}

// Serves tells whether the process serves the API of a service.
func (r Roles) Serves(service string) bool { return slices.Contains(r.API, service) }

// Controls tells whether the process has a role besides node; such a process uses the
// database.
func (r Roles) Controls() bool { return len(r.API) > 0 || r.Conductor || r.Scheduler }

// Whole tells whether a cloud with nodes needs no other process than this one.
func (r Roles) Whole() bool {
	return len(r.API) == len(Services()) && r.Conductor && r.Scheduler
}

// String is the list that UnmarshalText reads.
func (r Roles) String() string {
	var words []string
	if len(r.API) == len(Services()) {
		words = append(words, "api")
	} else {
		for _, service := range r.API {
			words = append(words, "api:"+service)
		}
	}
	for _, role := range []struct {
		has  bool
		word string
	}{{r.Conductor, "conductor"}, {r.Scheduler, "scheduler"}, {r.Node, "node"}} {
		if role.has {
			words = append(words, role.word)
		}
	}
	return strings.Join(words, ",")
}

// MarshalText implements encoding.TextMarshaler.
func (r Roles) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it reads a list of api, api:SERVICE,
// conductor, scheduler and node with commas between. A role that is named twice, or api
// next to api:SERVICE, is taken as a mistake.
func (r *Roles) UnmarshalText(text []byte) error {
	var parsed Roles
	seen := map[string]bool{}
	for word := range strings.SplitSeq(string(text), ",") {
		word = strings.TrimSpace(word)
		if seen[word] {
			return fmt.Errorf("the role %q is there twice", word)
		}
		seen[word] = true
		if err := parsed.take(word); err != nil {
			return err
		}
	}
	if seen["api"] && len(parsed.API) != len(Services()) {
		return errors.New("api is all services; it does not go with api:SERVICE")
	}
	slices.SortFunc(parsed.API, func(a, b string) int { return slices.Index(Services(), a) - slices.Index(Services(), b) })
	*r = parsed
	return nil
}

// take adds the role of one word.
func (r *Roles) take(word string) error {
	service, one := strings.CutPrefix(word, "api:")
	switch {
	case word == "api":
		r.API = append(r.API, Services()...)
	case one && slices.Contains(Services(), service):
		r.API = append(r.API, service)
	case one:
		return fmt.Errorf("there is no service %q; the services are %s", service, strings.Join(Services(), ", "))
	case word == "conductor":
		r.Conductor = true
	case word == "scheduler":
		r.Scheduler = true
	case word == "node":
		r.Node = true
	case word == "":
		return errors.New("an empty role; the roles are api, api:SERVICE, conductor, scheduler, node")
	default:
		return fmt.Errorf("there is no role %q; the roles are api, api:SERVICE, conductor, scheduler, node", word)
	}
	return nil
}
