package pki_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"virga/core/clock"
	"virga/core/pki"
)

// renewingVariable has the test's own program renew the credentials of a folder without end.
const renewingVariable = "VIRGA_TEST_RENEWING"

func TestMain(m *testing.M) {
	if dir := os.Getenv(renewingVariable); dir != "" {
		renewForEver(dir)
	}
	os.Exit(m.Run())
}

// renewForEver is the process that is killed. Its authority is in the folder, too.
func renewForEver(dir string) {
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	text, err := os.ReadFile(dir + "/authority.pem")
	if err != nil {
		fail(err)
	}
	a, err := pki.LoadAuthority(clock.System{}, text)
	if err != nil {
		fail(err)
	}
	c, err := pki.OpenCredentials(dir+"/pki", clock.System{})
	if err != nil {
		fail(err)
	}
	for round := 0; ; round++ {
		if round == 1 {
			fmt.Println("renews")
		}
		request, err := c.Request(node("n1"), pki.Names{})
		if err != nil {
			fail(err)
		}
		parsed, err := pki.ParseRequest(request)
		if err != nil {
			fail(err)
		}
		issued, err := a.Issue(parsed, parsed.Subject, pki.Names{}, time.Hour)
		if err != nil {
			fail(err)
		}
		if err := c.Accept(issued.Chain, node("n1")); err != nil {
			fail(err)
		}
	}
}

// TestKilledProcessLeavesAUsablePair kills a process that renews, again and again, at random
// moments. Each finds what the one before has left.
func TestKilledProcessLeavesAUsablePair(t *testing.T) {
	dir := t.TempDir()
	secret, err := newAuthority(t, clock.System{}).Secret()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/authority.pem", secret, 0o600); err != nil {
		t.Fatal(err)
	}
	pins := map[pki.Pin]bool{}
	for range 40 {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), renewingVariable+"="+dir)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "renews\n" {
			t.Fatalf("the process says %q, %v", line, err)
		}
		timer := time.NewTimer(rand.N(20 * time.Millisecond))
		<-timer.C
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if said, _ := lines.ReadString(0); said != "" {
			t.Fatalf("the process says %q", said)
		}
		_ = command.Wait() // it was killed, which is an error
		c, err := pki.OpenCredentials(dir+"/pki", clock.System{})
		if err != nil {
			t.Fatal(err)
		}
		if !c.Joined() {
			t.Fatal("there is no certificate")
		}
		pins[pki.PinOf(c.Certificate())] = true
	}
	if len(pins) < 2 { // a process killed before the used key is taken away leaves it to the next
		t.Errorf("40 processes had %d keys", len(pins))
	}
}
