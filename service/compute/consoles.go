package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/service/compute/console"
)

// consoleTokenLife is how long a token waits for its user.
const consoleTokenLife = 10 * time.Minute

// consoleTypes are the types of consoles by protocol, as the API names them; those without a
// kind are for hypervisors and protocols that there are none of here.
var consoleTypes = map[string]map[string]console.Kind{
	"vnc":    {"novnc": console.Display},
	"serial": {"serial": console.Serial},
	"spice":  {},
	"rdp":    {},
	"mks":    {},
}

func (s *Service) routesOfConsoles() []api.Route {
	return []api.Route{
		{Method: post, Path: "/v2.1/servers/{server_id}/remote-consoles", Policy: ruleRemoteConsoles, Load: s.loadServer, Handle: s.remoteConsoleCreate,
			Body: "remote_console", Since: vRemoteConsoles, Status: 200, Doc: "gives leave to connect to a console"},
		{Method: get, Path: "/v2.1/os-console-auth-tokens/{token}", Policy: ruleConsoleTokens, Handle: s.consoleTokenShow, Since: vConsoleTokens, Doc: "shows what a console's token is for"},
	}
}

func (s *Service) remoteConsoleCreate(ctx context.Context, r *api.Request) (any, error) {
	var in struct {
		Console struct {
			Protocol string `json:"protocol"`
			Type     string `json:"type"`
		} `json:"remote_console"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	protocol, kind := in.Console.Protocol, in.Console.Type
	if protocol == "mks" && r.Version.Before(vConsoleMKS) || kind == "webmks" && r.Version.Before(vConsoleMKS) || kind == "spice-direct" && r.Version.Before(vConsoleSpiceDirect) {
		return nil, api.BadRequest("Invalid input for field/attribute remote_console: version %s of the API does not know %s of %s.", r.Version, kind, protocol)
	}
	address, err := s.newConsole(ctx, r, api.Loaded[serverTarget](r).server, protocol, kind)
	if err != nil {
		return nil, err
	}
	return map[string]any{"remote_console": map[string]string{"protocol": protocol, "type": kind, "url": address}}, nil
}

// actionOldConsole is the way to a console until 2.5: an action for each protocol.
func (s *Service) actionOldConsole(protocol string) func(context.Context, *api.Request, *server, json.RawMessage) (any, error) {
	return func(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
		if r.Version.AtLeast(vRemoteConsoles) {
			return nil, api.NotFound("API version %s is not supported on this method.", r.Version)
		}
		var in struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(argument, &in); err != nil {
			return nil, api.BadRequest("Invalid input for field/attribute type.")
		}
		address, err := s.newConsole(ctx, r, row, protocol, in.Type)
		if err != nil {
			return nil, err
		}
		return map[string]any{"console": map[string]string{"type": in.Type, "url": address}}, nil
	}
}

// newConsole makes a token and the address where a client uses it.
func (s *Service) newConsole(ctx context.Context, r *api.Request, row *server, protocol, name string) (string, error) {
	kinds, known := consoleTypes[protocol]
	if !known || len(kinds) == 0 {
		return "", api.BadRequest("Unavailable console type %s.", name)
	}
	kind, known := kinds[name]
	if !known {
		return "", api.BadRequest("Invalid console type %s", name)
	}
	if kind == console.Display && row.Detail.Image.Properties["hw_video_model"] == "none" {
		return "", api.BadRequest("Unavailable console type %s.", name)
	}
	token := s.clock.ID()
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		now, err := findServer(tx, row.ID)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(row.ID)
		}
		if err != nil {
			return err
		}
		if now.Host == "" || !slices.Contains([]string{vmActive, vmPaused, vmRescued, vmResized}, now.VMState) {
			return api.Conflict("Instance %s is not ready", row.ID)
		}
		if err := purgeConsoleTokens(tx, s.clock.Now()); err != nil {
			return err
		}
		if err := insertConsoleToken(tx, consoleToken{Digest: digestOfToken(token), ServerID: now.ID, Host: now.Host, Kind: string(kind),
			UserID: r.UserID(), ExpiresAt: s.clock.Now().Add(consoleTokenLife)}); err != nil {
			return err
		}
		return s.recordAdmitted(tx, r, now, "", "get_"+protocol+"_console")
	})
	if err != nil {
		return "", err
	}
	return consoleAddress(s.deps.ConsoleEndpoint, kind, token), nil
}

// consoleAddress is what a client opens: for a display the page of noVNC, which finds the
// web socket in the query path, for a serial port the web socket itself.
func consoleAddress(endpoint string, kind console.Kind, token string) string {
	if kind == console.Serial {
		return "ws" + strings.TrimPrefix(endpoint, "http") + "/ws?token=" + token
	}
	return endpoint + "/vnc.html?path=" + url.QueryEscape("console/ws?token="+token)
}

func digestOfToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// RedeemConsole takes a console's token and tells what it was made for; console.ErrNoToken
// when it is unknown, expired or used, or when the server is not where it was.
func (s *Service) RedeemConsole(ctx context.Context, token string) (console.Session, error) {
	var session console.Session
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := s.validConsoleToken(tx, token)
		if err != nil {
			return err
		}
		taken, err := deleteConsoleToken(tx, row.Digest)
		if err == nil && !taken {
			return console.ErrNoToken
		}
		session = console.Session{ServerID: row.ServerID, Host: row.Host, Kind: console.Kind(row.Kind), UserID: row.UserID}
		return err
	})
	return session, err
}

// validConsoleToken finds a token that is good now.
func (s *Service) validConsoleToken(tx *db.Tx, token string) (*consoleToken, error) {
	row, err := findConsoleToken(tx, digestOfToken(token))
	if errors.Is(err, db.ErrNotFound) || err == nil && !s.clock.Now().Before(row.ExpiresAt) {
		return nil, console.ErrNoToken
	}
	if err != nil {
		return nil, err
	}
	server, err := findServer(tx, row.ServerID)
	if errors.Is(err, db.ErrNotFound) || err == nil && server.Host != row.Host {
		return nil, console.ErrNoToken
	}
	return row, err
}

// consoleTokenShow shows administrators what a token is for, which stays good. There is no
// port to tell: guests' consoles are sockets and terminals of their hosts.
func (s *Service) consoleTokenShow(ctx context.Context, r *api.Request) (any, error) {
	var row *consoleToken
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = s.validConsoleToken(tx, r.Param("token"))
		return err
	})
	if errors.Is(err, console.ErrNoToken) {
		return nil, api.NotFound("Token not found")
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"console": map[string]any{"instance_uuid": row.ServerID, "host": row.Host, "port": nil, "internal_access_path": row.Kind}}, nil
}

// ConsoleHost tells where a host's agent serves consoles (orders.Host.TransferURL); empty:
// nowhere, or there is no such host.
func (s *Service) ConsoleHost(ctx context.Context, host string) (string, error) {
	address := ""
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		row, err := findHost(tx, host)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err == nil {
			address = row.Facts.TransferURL
		}
		return err
	})
	return address, err
}
