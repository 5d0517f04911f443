//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virga/test/browser"
)

// pictures is where what a browser saw is kept.
var pictures = filepath.Join("..", "..", "build", "pictures")

const typingPatience = 30 * time.Second

// console asks for a console's address as a user does.
func (o *outage) console(t *testing.T, kind string) string {
	t.Helper()
	return o.admin.openstack(t, "console", "url", "show", kind, o.id, "-f", "value", "-c", "url")
}

// consoles logs in to the guest on its display and on its serial port, in a browser.
func (o *outage) consoles(t *testing.T) {
	display := strings.TrimSpace(o.console(t, "--novnc"))
	page := browser.Open(t, display)
	page.Await(t, `document.getElementById("state").textContent`, "Connected", typingPatience)
	// The first key wakes the console's screen, should it sleep.
	page.Type(t, "\n")
	page.Picture(t, filepath.Join(pictures, "console-prompt.png"))
	page.Type(t, "virga\n")
	await(t, "the guest asks for a password", typingPatience, func() error {
		if text := login(t, o.address, o.key).run(t, "cat /dev/vcs1"); !strings.Contains(text, "Password:") {
			return fmt.Errorf("the screen shows %q", strings.Join(strings.Fields(text), " "))
		}
		return nil
	})
	page.Type(t, "virga\n")
	await(t, "the guest lets in who knows the password", typingPatience, func() error {
		page.Type(t, "touch /tmp/typed-in-a-browser\n")
		if text := login(t, o.address, o.key).run(t, "ls /tmp"); !strings.Contains(text, "typed-in-a-browser") {
			return fmt.Errorf("there is %q", text)
		}
		return nil
	})
	page.Picture(t, filepath.Join(pictures, "console-session.png"))

	again := browser.Open(t, display)
	again.Await(t, `document.getElementById("state").textContent`, "not valid", typingPatience)

	serial := must[*url.URL](t)(url.Parse(strings.TrimSpace(o.console(t, "--serial"))))
	page = browser.Open(t, "http://"+o.cloud.address+"/console/serial.html?path="+url.QueryEscape("console/ws?"+serial.RawQuery))
	page.Await(t, `document.getElementById("state").textContent`, "Connected", typingPatience)
	page.Type(t, "\n")
	page.Await(t, `document.querySelector(".xterm-rows").textContent`, "login:", typingPatience)
	page.Picture(t, filepath.Join(pictures, "console-serial.png"))
}
