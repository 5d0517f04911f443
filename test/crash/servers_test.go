//go:build crash

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// server is a server that an actor was promised.
type server struct {
	id, name string
	// want is the status that was promised; empty where the last request got no answer.
	want string
	gone bool
	// port is one that the actor made and gave to it.
	port *port
}

func (s *server) here() bool { return !s.gone }

func (s *server) path() string { return "/compute/v2.1/servers/" + s.id }

const maxServers = 6

// createServers makes one server or two with one request.
func (a *actor) createServers() error {
	if count(a.servers, (*server).here) >= maxServers {
		return a.deleteServer()
	}
	name, number := a.next("server"), 1
	wish := map[string]any{"name": name, "flavorRef": a.shared.flavor, "imageRef": a.shared.image,
		"networks": []map[string]any{{"uuid": a.network}}}
	var given *port
	switch n := a.chance.IntN(4); {
	case n == 0:
		number = 2
		wish["min_count"], wish["max_count"] = 2, 2
	case n == 1:
		if given = pick(a.chance, a.ports, (*port).idle); given != nil {
			wish["networks"] = []map[string]any{{"port": given.id}}
		}
	}
	id, refused, err := a.create("/compute/v2.1/servers", map[string]any{"server": wish},
		func() (string, error) { return a.findServers(name, number) }, idIn("server"))
	if err == nil && refused != nil && refused.status == http.StatusForbidden && bytes.Contains(refused.body, []byte("Quota exceeded")) {
		return nil // servers that are being deleted count until they are gone
	}
	if err != nil || refused != nil {
		return refusal(err, refused)
	}
	if given != nil {
		given.user = id
	}
	a.count.made.Add(int64(number))
	if number == 1 {
		a.servers = append(a.servers, &server{id: id, name: name, want: "ACTIVE", port: given})
		return nil
	}
	for i := range number { // the answer names the first alone
		each := fmt.Sprintf("%s-%d", name, i+1)
		id, err := a.one("/compute/v2.1/servers", "servers", "name", each)
		if err != nil || id == "" {
			return fmt.Errorf("find %s, which was promised: %q %w", each, id, err)
		}
		a.servers = append(a.servers, &server{id: id, name: each, want: "ACTIVE"})
	}
	return nil
}

// findServers looks for what a request for so many servers made: all of them or none.
func (a *actor) findServers(name string, number int) (string, error) {
	if number == 1 {
		return a.one("/compute/v2.1/servers", "servers", "name", name)
	}
	first := ""
	found := 0
	for i := range number {
		id, err := a.one("/compute/v2.1/servers", "servers", "name", fmt.Sprintf("%s-%d", name, i+1))
		if err != nil {
			return "", err
		}
		if id != "" {
			found++
			first = id
		}
	}
	if found != 0 && found != number {
		return "", fmt.Errorf("a request for %d servers %s made %d", number, name, found)
	}
	return first, nil
}

func (a *actor) deleteServer() error {
	s := pick(a.chance, a.servers, (*server).here)
	if s == nil {
		return nil
	}
	refused, err := a.remove(s.path())
	if err == nil && refused == nil {
		s.gone = true
		a.count.deleted.Add(1)
	}
	return refusal(err, refused)
}

// serverView is a server as its owner sees it.
type serverView struct {
	ID, Name, Status string
	Task             *string `json:"OS-EXT-STS:task_state"`
	Host             *string `json:"OS-EXT-SRV-ATTR:host"`
	TenantID         string  `json:"tenant_id"`
	Fault            struct{ Message string }
	Addresses        map[string][]struct {
		Addr string
		Type string `json:"OS-EXT-IPS:type"`
		MAC  string `json:"OS-EXT-IPS-MAC:mac_addr"`
	}
}

func (v *serverView) task() string {
	if v.Task == nil {
		return ""
	}
	return *v.Task
}

func (a *actor) look(s *server) (*serverView, error) {
	var body struct{ Server serverView }
	if err := a.read(s.path(), &body); err != nil {
		return nil, fmt.Errorf("look at server %s, which is promised: %w", s.name, err)
	}
	return &body.Server, nil
}

// powerServer starts, stops or reboots a server as its status permits.
func (a *actor) powerServer() error {
	s := pick(a.chance, a.servers, (*server).here)
	if s == nil {
		return nil
	}
	now, err := a.look(s)
	if err != nil {
		return err
	}
	hard := map[string]any{"reboot": map[string]string{"type": "HARD"}}
	wish, want := any(hard), "ACTIVE"
	switch {
	case now.Status == "SHUTOFF" && a.chance.IntN(3) > 0:
		wish = map[string]any{"os-start": nil}
	case now.Status == "ACTIVE" && a.chance.IntN(2) == 0:
		wish, want = map[string]any{"os-stop": nil}, "SHUTOFF"
	case now.Status == "ACTIVE" && a.chance.IntN(2) == 0:
		wish = map[string]any{"reboot": map[string]string{"type": "SOFT"}}
	}
	heard, err := a.change(http.MethodPost, s.path()+"/action", wish)
	switch {
	case errors.Is(err, errUnknown):
		s.want = ""
		return nil
	case err != nil:
		return err
	case heard.status == http.StatusAccepted:
		s.want = want
	case heard.status != http.StatusConflict: // it is busy, or in a state that does not permit this
		return refusal(nil, heard)
	}
	return nil
}

// waitForServer waits until nothing goes on with a server, or for a while.
func (a *actor) waitForServer() error {
	s := pick(a.chance, a.servers, (*server).here)
	if s == nil {
		return nil
	}
	for range 1 + a.chance.IntN(20) {
		now, err := a.look(s)
		if err != nil {
			return err
		}
		if now.Status != "BUILD" && now.task() == "" {
			return nil
		}
		<-time.After(breath)
	}
	return nil
}

func (a *actor) attachPort() error {
	p := pick(a.chance, a.ports, (*port).idle)
	s := pick(a.chance, a.servers, (*server).here)
	if p == nil || s == nil {
		return nil
	}
	p.user = s.id // whatever the answer is, it may be
	heard, err := a.change(http.MethodPost, s.path()+"/os-interface", map[string]any{"interfaceAttachment": map[string]string{"port_id": p.id}})
	if errors.Is(err, errUnknown) {
		return nil
	}
	if err == nil && heard.status == http.StatusConflict { // it is not in a state for this
		p.user = ""
		return nil
	}
	if err != nil || heard.status >= 300 {
		return refusal(err, heard)
	}
	return nil
}

func (a *actor) detachPort() error {
	p := pick(a.chance, a.ports, func(p *port) bool { return !p.gone && p.user != "" })
	if p == nil || !slices.ContainsFunc(a.servers, func(s *server) bool { return s.id == p.user && s.here() && s.port != p }) {
		return nil
	}
	heard, err := a.change(http.MethodDelete, "/compute/v2.1/servers/"+p.user+"/os-interface/"+p.id, nil)
	if errors.Is(err, errUnknown) {
		return nil
	}
	if err == nil && (heard.status == http.StatusConflict || heard.status == http.StatusNotFound) { // busy, or never attached
		return nil
	}
	return refusal(err, heard)
}

// refusal is what was said no to as an error.
func refusal(err error, refused *answer) error {
	if err != nil {
		return err
	}
	if refused == nil || refused.status < 300 {
		return nil
	}
	return fmt.Errorf("refused: %s", refused)
}
