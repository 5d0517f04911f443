package libvirt

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// arrivalDirs holds a directory for each migration at work; names are short because those of sockets must be.
const arrivalDirs = "m"

// maxSocketName is what the kernel takes (unix(7)), with its closing zero.
const maxSocketName = 107

// socketDir is a directory for the sockets of one migration, which QEMU's user alone can enter.
type socketDir struct {
	path     string
	uid, gid int
}

// newSocketDir makes a directory for sockets.
func (d *Driver) newSocketDir(ctx context.Context) (*socketDir, error) {
	uid, gid, err := d.qemuUser(ctx)
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(d.layout.path(arrivalDirs), "")
	if err != nil {
		return nil, noSpace(err)
	}
	s := &socketDir{path: path, uid: uid, gid: gid}
	if len(s.socket(memoryChannel)) > maxSocketName {
		s.remove()
		return nil, fmt.Errorf("%w: the data directory's name is too long for a migration's sockets", hypervisor.ErrUnfit)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		s.remove()
		return nil, fmt.Errorf("give QEMU its sockets' directory: %w", err)
	}
	return s, nil
}

func (s *socketDir) remove() { _ = os.RemoveAll(s.path) } // what is left is removed at the next start

func (s *socketDir) socket(channel string) string { return filepath.Join(s.path, channel) }

func (s *socketDir) uri(channel string) string { return "unix://" + s.socket(channel) }

// qemuUser returns the user and group that QEMU runs as: libvirt's label of the security model "dac".
func (d *Driver) qemuUser(ctx context.Context) (uid, gid int, err error) {
	answers, err := call(ctx, d.conn, "ask for the host's security models", func(l *rpc.Libvirt) (hostAnswers, error) { return askHost(l) })
	if err != nil {
		return 0, 0, err
	}
	return userOf(answers.caps), userGroup(answers.caps, 1), nil
}

func userOf(caps libvirtxml.Caps) int { return userGroup(caps, 0) }

// userGroup reads a number of a label of the form "+64055:+64055"; root's when there is none.
func userGroup(caps libvirtxml.Caps, part int) int {
	for _, model := range caps.Host.SecModel {
		if model.Name != "dac" {
			continue
		}
		for _, label := range model.Labels {
			if parts := strings.Split(label.Value, ":"); label.Type != "lxc" && len(parts) == 2 {
				if n, err := strconv.Atoi(strings.TrimPrefix(parts[part], "+")); err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// relays are sockets whose every connection is carried to the other host.
type relays struct {
	listeners []net.Listener
	cancel    context.CancelFunc
	work      sync.WaitGroup
}

// relay listens at a socket for each channel until close.
func (s *socketDir) relay(ctx context.Context, peer hypervisor.Peer, channels ...string) (*relays, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &relays{cancel: cancel}
	for _, channel := range channels {
		listener, err := net.Listen("unix", s.socket(channel))
		if err == nil {
			err = os.Chown(s.socket(channel), s.uid, s.gid)
			r.listeners = append(r.listeners, listener)
		}
		if err != nil {
			r.close()
			return nil, fmt.Errorf("listen for QEMU: %w", err)
		}
		r.work.Go(func() { r.accept(ctx, listener, peer, channel) })
	}
	return r, nil
}

func (r *relays) accept(ctx context.Context, listener net.Listener, peer hypervisor.Peer, channel string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() {
			defer near.Close()
			far, err := peer.Dial(ctx, channel)
			if err != nil {
				return // QEMU sees the end and fails the migration
			}
			defer far.Close()
			hypervisor.Join(ctx, near, far)
		})
	}
}

// close ends the listeners and whatever goes through them.
func (r *relays) close() {
	r.cancel()
	for _, listener := range r.listeners {
		_ = listener.Close()
	}
	r.work.Wait()
}
