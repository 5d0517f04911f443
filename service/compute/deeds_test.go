package compute_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"virga/service/compute/orders"
)

// meters are what the test's hosts measure.
var meters = orders.Diagnostics{Driver: "libvirt", Hypervisor: "kvm", MemoryMaximum: 512 << 10, MemoryUsed: 256 << 10, Memory: map[string]int64{"actual": 256 << 10},
	CPUs:  []orders.CPUMeter{{ID: 0, Time: 42}},
	NICs:  []orders.NICMeter{{Tap: "tap1", MAC: "fa:16:3e:00:00:01", RxOctets: 7, TxPackets: 9}},
	Disks: []orders.DiskMeter{{Name: "vda", ReadBytes: 4096, WriteRequests: 3}}}

// deed answers the questions about a guest that the test's hosts can be asked.
func (n *node) deed(question string, body []byte) ([]byte, error) {
	var q orders.PasswordQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refusal != "" {
		return nil, errors.New(n.refusal)
	}
	n.deeds = append(n.deeds, question+" "+q.User+" "+string(q.Password))
	if question == orders.QuestionDiagnostics {
		return json.Marshal(meters)
	}
	return nil, nil
}

func (n *node) refuse(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusal = text
}

func (n *node) lastDeed() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.deeds) == 0 {
		return ""
	}
	return n.deeds[len(n.deeds)-1]
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	change := func(password string) answer {
		return s.do(member(projectID), "", "POST", path, `{"changePassword":{"adminPass":"`+password+`"}}`)
	}
	change("open sesame").want(202, "")
	if deed := s.node.lastDeed(); deed != "set_password root open sesame" {
		t.Errorf("the host was asked: %q", deed)
	}
	for text, want := range map[string]struct {
		status int
		text   string
	}{
		orders.ErrNoAgent:     {409, "Guest agent is not enabled for the instance"},
		orders.ErrAgentSilent: {501, "Unable to set password on instance"},
		orders.ErrOff:         {409, "because instance " + s.id + " is not running"},
		"the pool is closed":  {409, "because error setting admin password"},
	} {
		s.node.refuse(text)
		change("x").want(want.status, want.text)
	}
	s.node.refuse("")
	s.do(member(projectID), "", "POST", path, `{"changePassword":{"adminPass":5}}`).want(400, "adminPass")
	s.do(member(projectID), "", "POST", path, `{"changePassword":null}`).want(400, "")
	if events := s.do(admin(), latest, "GET", "/events?after=oldest&follow=false", "").want(200, "changePassword"); strings.Contains(events.text, "sesame") {
		t.Error("the feed has the password")
	}
	s.action(`{"os-stop":null}`)
	s.waitStatus(s.id, "SHUTOFF")
	s.conflict(`{"changePassword":{"adminPass":"x"}}`, "changePassword", "stopped")
	s.end()
}

// TestAPasswordIsDepositedForTheKeysOwner has one who holds the RSA key read the password.
func TestAPasswordIsDepositedForTheKeysOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 4096)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	r.do(member(projectID), "", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k","public_key":"`+text+`"}}`).want(200, "")
	id := r.create(`,"key_name":"k"`)
	r.waitStatus(id, "ACTIVE")
	path := "/v2.1/servers/" + id + "/os-server-password"
	r.do(member(projectID), "", "GET", path, "").want(200, `{"password":""}`)
	r.do(member(projectID), "", "POST", "/v2.1/servers/"+id+"/action", `{"changePassword":{"adminPass":"open sesame"}}`).want(202, "")
	sealed, err := base64.StdEncoding.DecodeString(r.do(member(projectID), "", "GET", path, "").want(200, "").str("password"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := rsa.DecryptPKCS1v15(nil, key, sealed) //nolint:staticcheck // what clients decrypt with
	if err != nil || string(opened) != "open sesame" {
		t.Errorf("the password is %q, %v", opened, err)
	}
	n := r.nodes["host1"]
	deposit := func(text string) int {
		return n.call("PUT", "/internal/metadata/"+id+"/password", map[string]string{"password": text}, nil)
	}
	if status := deposit("c2VhbGVk"); status != 409 {
		t.Errorf("a second password: status %d", status)
	}
	r.do(member(otherID), "", "DELETE", path, "").want(404, "")
	r.do(member(projectID), "", "DELETE", path, "").want(204, "")
	r.do(member(projectID), "", "GET", path, "").want(200, `{"password":""}`)
	if status := deposit(strings.Repeat("x", 1021)); status != 400 {
		t.Errorf("a password that is too long: status %d", status)
	}
	if status := deposit("c2VhbGVk"); status != 204 {
		t.Errorf("the guest's own password: status %d", status)
	}
	r.do(member(projectID), "", "GET", path, "").want(200, `{"password":"c2VhbGVk"}`)
}

func TestCrashDump(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	s.do(member(projectID), "2.16", "POST", path, `{"trigger_crash_dump":null}`).want(404, "")
	s.do(member(projectID), "2.17", "POST", path, `{"trigger_crash_dump":{}}`).want(400, "")
	s.do(member(projectID), "2.17", "POST", path, `{"trigger_crash_dump":null}`).want(202, "")
	s.waitFor("the interrupt", func() bool { return strings.HasPrefix(s.node.lastDeed(), orders.QuestionNMI) })
	if name := s.lastAction(); name != "trigger_crash_dump" {
		t.Errorf("the last action is %s", name)
	}
	s.settled("server_crash_dump")
	s.action(`{"os-stop":null}`)
	s.waitStatus(s.id, "SHUTOFF")
	s.conflict(`{"trigger_crash_dump":null}`, "trigger_crash_dump", "stopped")
	s.do(member(projectID), "", "POST", path, `{"injectNetworkInfo":null}`).want(403, "")
	s.do(admin(), "", "POST", path, `{"injectNetworkInfo":null}`).want(202, "")
	s.do(admin(), "", "POST", path, `{"resetNetwork":null}`).want(410, "")
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/diagnostics"
	s.do(member(projectID), "", "GET", path, "").want(403, "")
	old := s.do(admin(), "2.47", "GET", path, "").want(200, `"cpu0_time":42`)
	for _, want := range []string{`"vda_read":4096`, `"vda_write_req":3`, `"vda_errors":-1`, `"tap1_rx":7`, `"tap1_tx_packets":9`, `"memory":524288`, `"memory-actual":262144`} {
		old.want(200, want)
	}
	since := s.do(admin(), "2.48", "GET", path, "").want(200, `"state":"running","driver":"libvirt","hypervisor":"kvm","hypervisor_os":"linux"`)
	for _, want := range []string{`"config_drive":false,"num_cpus":1,"num_nics":1,"num_disks":1`, `"cpu_details":[{"id":0,"time":42,"utilisation":null}]`,
		`"mac_address":"fa:16:3e:00:00:01","rx_octets":7`, `"read_bytes":4096,"read_requests":0,"write_bytes":0,"write_requests":3,"errors_count":null`,
		`"memory_details":{"maximum":512,"used":256}`} {
		since.want(200, want)
	}
	s.action(`{"os-stop":null}`)
	s.waitStatus(s.id, "SHUTOFF")
	s.node.refuse(orders.ErrOff)
	s.do(admin(), "2.48", "GET", path, "").want(409, "Cannot 'get_diagnostics' instance "+s.id+" while it is in power state shutdown")
}
