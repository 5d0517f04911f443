package compute

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"
)

// External checks are filters of others, behind a URL: before a host is taken, each is asked which of the best hosts it refuses. That
// takes place between two decisions, outside of transactions and without holding up other decisions: the first finds whom to ask
// about, and the next one has the answers. docs/scheduler-checks.md has the shapes of question and answer.

// SchedulerCheck is an external check.
type SchedulerCheck struct {
	// URL is where it is asked by POST: https, or http on this machine.
	URL string
	// Timeout bounds one question; 0: 2 s.
	Timeout time.Duration
	// FailOpen lets hosts pass when the check does not answer as it should; else they are refused.
	FailOpen bool
	// CAFile has the certificates in PEM of the authorities that are trusted in place of the system's.
	CAFile string
	// Hosts is about how many hosts it is asked at a time; 0: 50.
	Hosts int
}

const (
	checkTimeout = 2 * time.Second
	checkHosts   = 50
	// maxCheckHosts bounds how many hosts a question has, maxCheckRounds how many questions there are for one server.
	maxCheckHosts  = 500
	maxCheckRounds = 5
	// maxCheckAnswer and maxCheckReason bound in bytes what is read of an answer, and of each reason.
	maxCheckAnswer = 1 << 20
	maxCheckReason = 250
)

// hostCheck is an external check that can be asked.
type hostCheck struct {
	SchedulerCheck
	name   string
	client *http.Client
}

// checkQuestion is the body of a question.
type checkQuestion struct {
	Version int           `json:"version"`
	Server  checkServer   `json:"server"`
	Hosts   []checkedHost `json:"hosts"`
}

// checkServer is what is wanted.
type checkServer struct {
	ID        string              `json:"id"`
	ProjectID string              `json:"project_id"`
	Flavor    string              `json:"flavor"`
	Specs     map[string]string   `json:"extra_specs"`
	ImageID   string              `json:"image_id"`
	Image     map[string]string   `json:"image_properties"`
	Resources map[string]int64    `json:"resources"`
	Zone      string              `json:"availability_zone"`
	Hints     map[string][]string `json:"scheduler_hints"`
}

// checkedHost is a host that would do, the best first.
type checkedHost struct {
	Host     string           `json:"host"`
	Node     string           `json:"hypervisor_hostname"`
	Zone     string           `json:"availability_zone"`
	Weight   float64          `json:"weight"`
	Free     map[string]int64 `json:"free"`
	Capacity map[string]int64 `json:"capacity"`
	Traits   []string         `json:"traits"`
}

// checkAnswer is the body of an answer; a host that it does not name may be taken.
type checkAnswer struct {
	Refused *[]struct {
		Host   string `json:"host"`
		Reason string `json:"reason"`
	} `json:"refused"`
}

// newHostCheck refuses what cannot be asked.
func newHostCheck(c SchedulerCheck) (*hostCheck, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
		return nil, fmt.Errorf("scheduler check %q: it is asked by an https URL without credentials, on this machine by http as well", c.URL)
	}
	if c.Timeout < 0 || c.Hosts < 0 || c.Hosts > maxCheckHosts {
		return nil, fmt.Errorf("scheduler check %s: its time and the number of hosts are positive, and there are %d hosts at most", c.URL, maxCheckHosts)
	}
	if c.Timeout == 0 {
		c.Timeout = checkTimeout
	}
	if c.Hosts == 0 {
		c.Hosts = checkHosts
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("scheduler check %s: read the authorities: %w", c.URL, err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("scheduler check %s: %s has no certificate in PEM", c.URL, c.CAFile)
		}
	}
	return &hostCheck{SchedulerCheck: c, name: u.Host, client: &http.Client{
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: trust, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: c.Timeout},
	}}, nil
}

func onThisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// nameChecks makes the checks of the settings ready.
func (sc *scheduler) nameChecks() error {
	for _, c := range sc.Checks {
		check, err := newHostCheck(c)
		if err != nil {
			return err
		}
		sc.checks = append(sc.checks, check)
	}
	return nil
}

// asked is about how many of the best hosts checks are asked at a time; 0 without checks.
func (sc *scheduler) asked() int {
	most := 0
	for _, c := range sc.checks {
		most = max(most, c.Hosts)
	}
	return most
}

// toCheck are the best hosts that nobody was asked about, when the chosen one is one of them.
func (sc *scheduler) toCheck(w *wish, best []ranked) []checkedHost {
	if len(sc.checks) == 0 || len(best) == 0 {
		return nil
	}
	if _, known := w.checked.reasons[best[0].host.name]; known {
		return nil
	}
	var hosts []checkedHost
	for i := range best {
		c := best[i].host
		if _, known := w.checked.reasons[c.name]; known || len(hosts) == sc.asked() {
			continue
		}
		h := checkedHost{Host: c.name, Node: c.hostName, Zone: c.zone, Weight: rounded(best[i].score), Free: map[string]int64{}, Capacity: map[string]int64{}, Traits: slices.Clone(c.traits)}
		for j := range c.units {
			h.Free[c.units[j].class], h.Capacity[c.units[j].class] = c.units[j].free(), c.units[j].capacity
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// check asks all checks about hosts and adds what they say to the wish. Those that one check refuses are not asked about again.
func (s *Service) check(ctx context.Context, serverID string, w *wish, hosts []checkedHost, round int) {
	answers := map[string]string{}
	maps.Copy(answers, w.checked.reasons)
	for _, h := range hosts {
		answers[h.Host] = ""
	}
	for _, c := range s.scheduler.checks {
		for part := range slices.Chunk(hosts, c.Hosts) {
			refused, err := c.ask(ctx, questionFor(serverID, w, part))
			switch {
			case err != nil && c.FailOpen:
				s.log.WarnContext(ctx, "a scheduler check does not answer; hosts pass", "check", c.URL, "error", err)
			case err != nil:
				s.log.WarnContext(ctx, "a scheduler check does not answer; hosts are refused", "check", c.URL, "error", err)
				for _, h := range part {
					answers[h.Host] = c.name + " does not answer as it should: " + oneLine(err.Error(), maxCheckReason)
				}
			}
			for host, reason := range refused {
				answers[host] = c.name + ": " + reason
			}
		}
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(h checkedHost) bool { return answers[h.Host] != "" })
	}
	w.checked = checked{reasons: answers, over: round >= maxCheckRounds}
}

func questionFor(serverID string, w *wish, hosts []checkedHost) *checkQuestion {
	return &checkQuestion{Version: 1, Hosts: hosts, Server: checkServer{ID: serverID, ProjectID: w.ProjectID, Flavor: w.flavor, Specs: w.extraSpecs, ImageID: w.imageID,
		Image: w.Image, Resources: w.Resources, Zone: w.Zone, Hints: w.hints}}
}

// ask returns why hosts of the question are refused; others that the answer names do not count.
func (c *hostCheck) ask(ctx context.Context, q *checkQuestion) (map[string]string, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("write the question: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the question: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the status is %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxCheckAnswer+1))
	switch {
	case err != nil:
		return nil, withoutURL(err)
	case len(text) > maxCheckAnswer:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxCheckAnswer)
	}
	return readCheckAnswer(text, q.Hosts)
}

func readCheckAnswer(text []byte, hosts []checkedHost) (map[string]string, error) {
	var answer checkAnswer
	if err := json.Unmarshal(text, &answer); err != nil || answer.Refused == nil {
		return nil, errors.New("the answer is no JSON object with a list of hosts that are refused")
	}
	refused := map[string]string{}
	for _, r := range *answer.Refused {
		if slices.ContainsFunc(hosts, func(h checkedHost) bool { return h.Host == r.Host }) {
			if refused[r.Host] = oneLine(r.Reason, maxCheckReason); refused[r.Host] == "" {
				refused[r.Host] = "it does not say why"
			}
		}
	}
	return refused, nil
}

// withoutURL is an error of the client without the URL, whose query may hold what is not for everybody.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return errors.New("it took too long")
		}
		return u.Err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("it took too long")
	}
	return err
}
