//go:build crash

package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// actor is a user with a project of its own, who does this and that and remembers what was promised.
type actor struct {
	*caller
	name, password, project string
	chance                  *rand.Rand
	shared                  *shared
	network, router, subnet string
	serial                  int
	// lag is that of the cloud.
	lag      time.Duration
	problems *problems

	servers   []*server
	ports     []*port
	addresses []*address
	images    []*image
}

// shared is what all actors use.
type shared struct{ public, flavor, image string }

// problems collects what goes wrong in several goroutines.
type problems struct {
	mu   sync.Mutex
	list []string
}

const maxProblems = 40

func (p *problems) add(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) < maxProblems {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	}
}

// move is one thing that an actor does; weight is how often.
type move struct {
	weight int
	name   string
	do     func() error
}

func (a *actor) moves() []move {
	return []move{
		{20, "create servers", a.createServers}, {14, "delete a server", a.deleteServer}, {14, "power a server", a.powerServer},
		{8, "wait for a server", a.waitForServer}, {6, "attach a port", a.attachPort}, {4, "detach a port", a.detachPort},
		{8, "create a port", a.createPort}, {6, "delete a port", a.deletePort},
		{8, "create a floating IP", a.createAddress}, {6, "delete a floating IP", a.deleteAddress},
		{8, "create an image", a.createImage}, {8, "upload an image", a.uploadImage}, {5, "delete an image", a.deleteImage}, {5, "read an image", a.readImage},
		{2, "log in", func() error { return a.logIn(a.name, a.password, a.name) }},
	}
}

// work makes moves until the cloud is left in peace.
func (a *actor) work(done <-chan struct{}) {
	moves, total := a.moves(), 0
	for _, m := range moves {
		total += m.weight
	}
	for {
		select {
		case <-done:
			return
		default:
		}
		n := a.chance.IntN(total)
		for _, m := range moves {
			if n -= m.weight; n < 0 {
				if err := m.do(); err != nil {
					a.problems.add("%s: %s: %v", a.name, m.name, err)
				}
				break
			}
		}
	}
}

// next is a name that is used once.
func (a *actor) next(kind string) string {
	a.serial++
	return fmt.Sprintf("%s-%s-%d", a.name, kind, a.serial)
}

// create sends a request that makes something until it is certain that it was made once. find looks for it by its
// name and tells its id, empty when it is not there. The id is empty when the cloud says no.
func (a *actor) create(path string, body any, find func() (string, error), read func(*answer) (string, error)) (id string, refused *answer, err error) {
	for {
		made, err := a.change(http.MethodPost, path, body)
		if err == nil && made.status < 300 {
			id, err = read(made)
			return id, nil, err
		}
		if err == nil {
			return "", made, nil
		}
		if !errors.Is(err, errUnknown) {
			return "", nil, err
		}
		// Whoever took the request is dead, so it is either there by now or will never be;
		// but a server of a database may be at its last wish still.
		<-time.After(a.lag)
		a.count.lookedUp.Add(1)
		if id, err = find(); err != nil || id != "" {
			return id, nil, err
		}
		a.count.repeated.Add(1)
	}
}

// remove deletes something until it is certain that this was heard. Afterwards it is gone, or about to be.
func (a *actor) remove(path string) (refused *answer, err error) {
	for repeated := false; ; repeated = true {
		heard, err := a.change(http.MethodDelete, path, nil)
		switch {
		case err != nil && !errors.Is(err, errUnknown):
			return nil, err
		case err == nil && (heard.status < 300 || repeated && heard.status == http.StatusNotFound):
			return nil, nil
		case err == nil:
			return heard, nil
		}
		a.count.repeated.Add(1)
	}
}

// named lists the ids of the objects of a collection whose field has a value.
func (a *actor) named(path, key, field, value string) ([]string, error) {
	var body map[string][]map[string]any
	if err := a.readList(path, key, &body); err != nil {
		return nil, err
	}
	var ids []string
	for _, object := range body[key] {
		if object[field] == value {
			id, _ := object["id"].(string)
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// one is named for what can be there once at most.
func (a *actor) one(path, key, field, value string) (string, error) {
	ids, err := a.named(path, key, field, value)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	if len(ids) > 1 {
		return "", fmt.Errorf("%s with %s %q were made %d times: %v", key, field, value, len(ids), ids)
	}
	return ids[0], nil
}

// readList reads a collection and nothing beside it.
func (c *caller) readList(path, key string, into *map[string][]map[string]any) error {
	var body map[string]any
	if err := c.read(path, &body); err != nil {
		return err
	}
	rows, ok := body[key].([]any)
	if !ok {
		return fmt.Errorf("GET %s: there is no list %s", path, key)
	}
	list := make([]map[string]any, len(rows))
	for i, row := range rows {
		list[i], _ = row.(map[string]any)
	}
	*into = map[string][]map[string]any{key: list}
	return nil
}

// idIn reads the id of the object of an answer.
func idIn(key string) func(*answer) (string, error) {
	return func(a *answer) (string, error) {
		var body map[string]struct{ ID string }
		if key == "" {
			var object struct{ ID string }
			err := a.into(&object)
			return object.ID, err
		}
		err := a.into(&body)
		return body[key].ID, err
	}
}

// pick is a random element that fits, or nil.
func pick[T any](chance *rand.Rand, list []*T, fits func(*T) bool) *T {
	var fitting []*T
	for _, one := range list {
		if fits(one) {
			fitting = append(fitting, one)
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	return fitting[chance.IntN(len(fitting))]
}

func count[T any](list []*T, fits func(*T) bool) int {
	n := 0
	for _, one := range list {
		if fits(one) {
			n++
		}
	}
	return n
}
