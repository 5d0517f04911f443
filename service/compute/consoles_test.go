package compute_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"virga/core/db"
	"virga/service/compute/console"
)

// tokenOf is the token in a console's address.
func tokenOf(t *testing.T, address string) string {
	t.Helper()
	plain, err := url.QueryUnescape(address)
	if err != nil {
		t.Fatal(err)
	}
	_, token, found := strings.Cut(plain, "token=")
	if !found {
		t.Fatalf("no token in %s", address)
	}
	return token
}

func TestConsoles(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id
	consoles := path + "/remote-consoles"
	vnc := `{"remote_console":{"protocol":"vnc","type":"novnc"}}`

	address := s.do(member(projectID), "2.6", "POST", consoles, vnc).want(200, `"protocol":"vnc"`).str("remote_console", "url")
	if !strings.HasPrefix(address, "http://console.test/vnc.html?path=console") {
		t.Errorf("the display is at %s", address)
	}
	serial := s.do(member(projectID), latest, "POST", consoles, `{"remote_console":{"protocol":"serial","type":"serial"}}`).want(200, "").str("remote_console", "url")
	if !strings.HasPrefix(serial, "ws://console.test/ws?token=") {
		t.Errorf("the serial port is at %s", serial)
	}
	s.do(member(projectID), "2.5", "POST", path+"/action", `{"os-getVNCConsole":{"type":"novnc"}}`).want(200, `"type":"novnc"`)
	s.do(member(projectID), "2.5", "POST", path+"/action", `{"os-getSerialConsole":{"type":"serial"}}`).want(200, "ws://console.test")

	s.do(member(projectID), "2.5", "POST", consoles, vnc).want(404, "")
	s.do(member(projectID), "2.6", "POST", path+"/action", `{"os-getVNCConsole":{"type":"novnc"}}`).want(404, "")
	s.do(member(projectID), "2.5", "POST", path+"/action", `{"os-getVNCConsole":{"type":"xvpvnc"}}`).want(400, "Invalid console type xvpvnc")
	s.do(member(projectID), "2.5", "POST", path+"/action", `{"os-getSPICEConsole":{"type":"spice-html5"}}`).want(400, "Unavailable console type spice-html5.")
	s.do(member(projectID), "2.7", "POST", consoles, `{"remote_console":{"protocol":"mks","type":"webmks"}}`).want(400, "Invalid input")
	s.do(member(projectID), "2.8", "POST", consoles, `{"remote_console":{"protocol":"mks","type":"webmks"}}`).want(400, "Unavailable console type webmks.")
	s.do(member(projectID), "2.98", "POST", consoles, `{"remote_console":{"protocol":"spice","type":"spice-direct"}}`).want(400, "Invalid input")
	s.do(member(projectID), "2.99", "POST", consoles, `{"remote_console":{"protocol":"spice","type":"spice-direct"}}`).want(400, "Unavailable console type spice-direct.")
	s.do(member(projectID), latest, "POST", consoles, `{"remote_console":{"protocol":"vnc","type":"serial"}}`).want(400, "Invalid console type serial")
	s.do(member("b0000000000000000000000000000000"), latest, "POST", consoles, vnc).want(404, "")

	token := tokenOf(t, address)
	show := "/v2.1/os-console-auth-tokens/" + token
	s.do(admin(), "2.30", "GET", show, "").want(404, "")
	s.do(admin(), "2.31", "GET", show, "").want(200, `"instance_uuid":"`+s.id+`"`)
	s.do(admin(), "2.31", "GET", "/v2.1/os-console-auth-tokens/"+imageID, "").want(404, "Token not found")
	s.do(member(projectID), "2.31", "GET", show, "").want(403, "")
}

func TestConsoleTokenIsBoundAndGoodOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	fresh := func() string {
		address := s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/remote-consoles", `{"remote_console":{"protocol":"vnc","type":"novnc"}}`).want(200, "")
		return tokenOf(t, address.str("remote_console", "url"))
	}
	token := fresh()
	session, err := s.service.RedeemConsole(t.Context(), token)
	if err != nil || session.ServerID != s.id || session.Host != "host1" || session.Kind != console.Display || session.UserID != member(projectID).UserID {
		t.Fatalf("%+v %v", session, err)
	}
	refused := func(what, token string) {
		t.Helper()
		if _, err := s.service.RedeemConsole(t.Context(), token); !errors.Is(err, console.ErrNoToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a token that was used", token)
	refused("a token that never was", imageID)
	refused("no token", "")

	late := fresh()
	if err := s.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE console_tokens SET expires_at = ?", time.Now().Add(-time.Second))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	refused("a token that expired", late)

	left := fresh()
	s.delete(s.id)
	s.waitGone(s.id)
	refused("a token of a server that is gone", left)
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/remote-consoles", `{"remote_console":{"protocol":"vnc","type":"novnc"}}`).want(404, "")
}

func TestConsoleNeedsARunningServer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", `{"os-stop":null}`).want(202, "")
	s.waitStatus(s.id, "SHUTOFF")
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/remote-consoles", `{"remote_console":{"protocol":"vnc","type":"novnc"}}`).want(409, "Instance "+s.id+" is not ready")
}
