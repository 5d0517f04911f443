// Package browser drives a real Chromium for tests, by the DevTools protocol: open a page, look at it, type, take a picture.
//
// It owns the browser's process and profile. Tests of what people see import it; nothing else does.
package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// Program is the browser's command.
const Program = "chromium"

const (
	startPatience = 30 * time.Second
	lookEvery     = 100 * time.Millisecond
	// maxAnswer bounds one message of the browser in bytes: a picture of the page.
	maxAnswer = 32 << 20
)

// Page is a page in a browser of its own.
type Page struct {
	conn    *websocket.Conn
	session string
	last    int
}

// Open starts a browser that shows an address; it ends with the test.
func Open(t testing.TB, address string) *Page {
	t.Helper()
	profile := t.TempDir()
	command := exec.Command(Program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1024,768", "--remote-debugging-port=0",
		"--user-data-dir="+profile, "about:blank")
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	})
	devtools := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if _, url, found := strings.Cut(lines.Text(), "DevTools listening on "); found {
				devtools <- url
			}
		}
		close(devtools)
	}()
	page := &Page{}
	select {
	case url, open := <-devtools:
		if !open {
			t.Fatal("the browser ended at its start")
		}
		if page.conn, _, err = websocket.Dial(t.Context(), url, nil); err != nil {
			t.Fatalf("reach the browser: %v", err)
		}
	case <-time.After(startPatience):
		t.Fatal("the browser does not start")
	}
	page.conn.SetReadLimit(maxAnswer)
	t.Cleanup(func() { _ = page.conn.CloseNow() })
	page.show(t, address)
	return page
}

func (p *Page) show(t testing.TB, address string) {
	t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	p.must(t, "Target.createTarget", map[string]any{"url": address}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	p.must(t, "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	p.session = attached.Session
}

// call sends one command and reads until its answer is there; events are passed over.
func (p *Page) call(ctx context.Context, method string, parameters, into any) error {
	p.last++
	request := map[string]any{"id": p.last, "method": method, "params": parameters}
	if p.session != "" {
		request["sessionId"] = p.session
	}
	if err := wsjson.Write(ctx, p.conn, request); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := wsjson.Read(ctx, p.conn, &answer); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		switch {
		case answer.ID != p.last:
		case answer.Error != nil:
			return fmt.Errorf("%s: %s", method, answer.Error.Message)
		case into == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, into)
		}
	}
}

func (p *Page) must(t testing.TB, method string, parameters, into any) {
	t.Helper()
	if err := p.call(t.Context(), method, parameters, into); err != nil {
		t.Fatal(err)
	}
}

// Text is the value of a JavaScript expression, as text.
func (p *Page) Text(t testing.TB, expression string) string {
	t.Helper()
	var answer struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	p.must(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.Exception != nil {
		return "error: " + answer.Exception.Text
	}
	return fmt.Sprint(answer.Result.Value)
}

// Await waits until the text of an expression contains something.
func (p *Page) Await(t testing.TB, expression, want string, patience time.Duration) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		text := p.Text(t, expression)
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s is %q and has no %q after %s", expression, text, want, patience)
		}
	}
}

// Type presses keys as a person with an American keyboard does: lower-case letters, digits, space, "-", ".", "/", and "\n" for Enter.
func (p *Page) Type(t testing.TB, text string) {
	t.Helper()
	for _, c := range text {
		key, code, number, err := keyOf(c)
		if err != nil {
			t.Fatal(err)
		}
		sent := strings.ReplaceAll(string(c), "\n", "\r")
		p.must(t, "Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "code": code, "text": sent, "windowsVirtualKeyCode": number}, nil)
		p.must(t, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number}, nil)
	}
}

var errNoKey = errors.New("no key for it")

func keyOf(c rune) (key, code string, number int, err error) {
	named := map[rune]struct {
		key, code string
		number    int
	}{'\n': {"Enter", "Enter", 13}, ' ': {" ", "Space", 32}, '-': {"-", "Minus", 189}, '.': {".", "Period", 190}, '/': {"/", "Slash", 191}}
	upper := strings.ToUpper(string(c))
	switch k, known := named[c]; {
	case known:
		return k.key, k.code, k.number, nil
	case 'a' <= c && c <= 'z':
		return string(c), "Key" + upper, int(upper[0]), nil
	case '0' <= c && c <= '9':
		return string(c), "Digit" + string(c), int(c), nil
	}
	return "", "", 0, fmt.Errorf("type %q: %w", c, errNoKey)
}

// Picture writes what the page looks like now to a PNG file.
func (p *Page) Picture(t testing.TB, file string) {
	t.Helper()
	var answer struct {
		Data string `json:"data"`
	}
	p.must(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &answer)
	image, err := base64.StdEncoding.DecodeString(answer.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, image, 0o644); err != nil {
		t.Fatal(err)
	}
}
