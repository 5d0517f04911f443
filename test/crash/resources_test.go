//go:build crash

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// port is a port that an actor made itself.
type port struct {
	id, name string
	gone     bool
	// user is the server that has it, or may have it.
	user string
}

// idle tells whether nobody uses the port for certain.
func (p *port) idle() bool { return !p.gone && p.user == "" }

const maxPorts = 6

func (a *actor) createPort() error {
	if count(a.ports, func(p *port) bool { return !p.gone }) >= maxPorts {
		return a.deletePort()
	}
	name := a.next("port")
	id, refused, err := a.create("/network/v2.0/ports", map[string]any{"port": map[string]any{"name": name, "network_id": a.network}},
		func() (string, error) { return a.one("/network/v2.0/ports?name="+name, "ports", "name", name) }, idIn("port"))
	if err != nil || refused != nil {
		return refusal(err, refused)
	}
	a.ports = append(a.ports, &port{id: id, name: name})
	return nil
}

// deletePort deletes a port that no server has; those that a server may have are looked at.
func (a *actor) deletePort() error {
	p := pick(a.chance, a.ports, func(p *port) bool { return !p.gone })
	if p == nil {
		return nil
	}
	if p.user != "" {
		var body struct {
			Port struct {
				Device string `json:"device_id"`
			}
		}
		if err := a.read("/network/v2.0/ports/"+p.id, &body); err != nil {
			return fmt.Errorf("look at port %s, which is promised: %w", p.name, err)
		}
		lives := pick(a.chance, a.servers, func(s *server) bool { return s.id == p.user && s.here() })
		if body.Port.Device != "" || lives != nil {
			return nil
		}
		p.user = ""
	}
	refused, err := a.remove("/network/v2.0/ports/" + p.id)
	if err == nil && refused == nil {
		p.gone = true
	}
	return refusal(err, refused)
}

// address is a floating IP; its description is what it is found by.
type address struct {
	id, tag string
	gone    bool
}

func (d *address) here() bool { return !d.gone }

const maxAddresses = 4

func (a *actor) createAddress() error {
	if count(a.addresses, (*address).here) >= maxAddresses {
		return a.deleteAddress()
	}
	tag := a.next("address")
	wish := map[string]any{"floating_network_id": a.shared.public, "description": tag}
	if s := pick(a.chance, a.servers, (*server).here); s != nil && a.chance.IntN(3) > 0 {
		var body struct {
			Ports []struct {
				ID string
			}
		}
		if err := a.read("/network/v2.0/ports?device_id="+s.id, &body); err != nil {
			return err
		}
		if len(body.Ports) > 0 {
			wish["port_id"] = body.Ports[0].ID
		}
	}
	id, refused, err := a.create("/network/v2.0/floatingips", map[string]any{"floatingip": wish},
		func() (string, error) { return a.one("/network/v2.0/floatingips", "floatingips", "description", tag) }, idIn("floatingip"))
	if err == nil && refused != nil && (refused.status == http.StatusConflict || refused.status == http.StatusNotFound) && wish["port_id"] != nil {
		return nil // the port has one already, or went with a server that could not be made
	}
	if err != nil || refused != nil {
		return refusal(err, refused)
	}
	a.addresses = append(a.addresses, &address{id: id, tag: tag})
	return nil
}

func (a *actor) deleteAddress() error {
	d := pick(a.chance, a.addresses, (*address).here)
	if d == nil {
		return nil
	}
	refused, err := a.remove("/network/v2.0/floatingips/" + d.id)
	if err == nil && refused == nil {
		d.gone = true
	}
	return refusal(err, refused)
}

// image is an image whose content the actor knows.
type image struct {
	id, name string
	content  []byte
	// active is true once the upload was answered.
	active, gone bool
}

func (i *image) here() bool    { return !i.gone }
func (i *image) path() string  { return "/image/v2/images/" + i.id }
func (i *image) waiting() bool { return !i.gone && !i.active }
func (i *image) full() bool    { return !i.gone && i.active }

const (
	maxImages    = 4
	imagePieces  = 12
	uploadRounds = 50
)

func (a *actor) createImage() error {
	if count(a.images, (*image).here) >= maxImages {
		return a.deleteImage()
	}
	name := a.next("image")
	id, refused, err := a.create("/image/v2/images", map[string]any{"name": name, "disk_format": "raw", "container_format": "bare"},
		func() (string, error) { return a.one("/image/v2/images?name="+name, "images", "name", name) }, idIn(""))
	if err != nil || refused != nil {
		return refusal(err, refused)
	}
	content := make([]byte, pieceSize*(1+a.chance.IntN(imagePieces))+a.chance.IntN(1000))
	for i := range content {
		content[i] = byte(a.chance.Uint32()) | 1 // no format begins so
	}
	a.images = append(a.images, &image{id: id, name: name, content: content})
	return nil
}

// uploadImage sends content until it is certain that it has arrived.
func (a *actor) uploadImage() error {
	i := pick(a.chance, a.images, (*image).waiting)
	if i == nil {
		return nil
	}
	for range uploadRounds {
		heard, err := a.change(http.MethodPut, i.path()+"/file", &slowly{i.content})
		switch {
		case err == nil && heard.status == http.StatusNoContent:
			i.active = true
			return nil
		case err == nil && heard.status == http.StatusConflict: // an upload that broke off is not yet cleared away
		case err == nil || !errors.Is(err, errUnknown):
			return refusal(err, heard)
		}
		var now struct{ Status string }
		if err := a.read(i.path(), &now); err != nil {
			return fmt.Errorf("look at image %s, which is promised: %w", i.name, err)
		}
		if now.Status == "active" {
			i.active = true
			return nil
		}
		<-time.After(breath)
	}
	return fmt.Errorf("image %s does not become active after %d uploads", i.name, uploadRounds)
}

func (a *actor) deleteImage() error {
	i := pick(a.chance, a.images, (*image).here)
	if i == nil {
		return nil
	}
	refused, err := a.remove(i.path())
	if err == nil && refused == nil {
		i.gone = true
	}
	return refusal(err, refused)
}

// readImage compares what comes back with what was sent.
func (a *actor) readImage() error {
	i := pick(a.chance, a.images, (*image).full)
	if i == nil {
		return nil
	}
	return a.compareImage(i)
}

func (a *actor) compareImage(i *image) error {
	heard, err := a.ask(i.path() + "/file")
	if err != nil || heard.status != http.StatusOK {
		return fmt.Errorf("read image %s, which is promised: %w", i.name, refusal(err, heard))
	}
	if !bytes.Equal(heard.body, i.content) {
		return fmt.Errorf("image %s has %d bytes and not the %d that were sent", i.name, len(heard.body), len(i.content))
	}
	return nil
}
