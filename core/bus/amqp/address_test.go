package amqp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]address{
		"amqp://u:p@host":                         {hosts: []string{"host:5672"}, user: "u", password: "p", vhost: "/"},
		"amqp://u:p@host/":                        {hosts: []string{"host:5672"}, user: "u", password: "p", vhost: "/"},
		"amqp://u:p%40%2F%3A@10.0.0.1:99/a%2Fb":   {hosts: []string{"10.0.0.1:99"}, user: "u", password: "p@/:", vhost: "a/b"},
		"amqp://u:p:q@h1,h2:1,[::1],[fe80::1]:2/": {hosts: []string{"h1:5672", "h2:1", "[::1]:5672", "[fe80::1]:2"}, user: "u", password: "p:q", vhost: "/"},
	} {
		got, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, *got, cmp.AllowUnexported(address{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	got, err := parse("amqps://u:p@host?server_name_indication=broker")
	if err != nil || got.tls == nil || got.tls.ServerName != "broker" || got.hosts[0] != "host:5671" {
		t.Errorf("with TLS: %+v, %v", got, err)
	}
}

func TestBadAddressesAreExplained(t *testing.T) {
	for text, part := range map[string]string{
		"":                                     "amqp://",
		"rabbit":                               "amqp://",
		"http://u:hush@host":                   "amqp://",
		"amqp://host":                          "names the user",
		"amqp://u@host":                        "not empty",
		"amqp://:hush@host":                    "not empty",
		"amqp://u:hush%zz@host":                "%XX",
		"amqp://u:hush@host/%zz":               "virtual host",
		"amqp://u:hush@":                       "HOST",
		"amqp://u:hush@host:99999":             "HOST",
		"amqp://u:hush@host:port":              "HOST",
		"amqp://u:hu/sh@host":                  "HOST", // the slash is not escaped
		"amqp://u:hush@a,,b":                   "HOST",
		"amqp://u:hush @host":                  "spaces",
		"amqp://u:hush@host?heartbeat=1":       "none of",
		"amqp://u:hush@host?cacertfile=x":      "amqps",
		"amqps://u:hush@host?cacertfile=/none": "no such file",
		"amqps://u:hush@host?certfile=/none":   "together",
		"amqps://u:hush@host?cacertfile=":      "one value",
	} {
		err := CheckURL(text)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(err.Error(), "hu") && strings.Contains(err.Error(), "sh") {
			t.Errorf("%q: the password is told: %v", text, err)
		}
	}
}

func TestFamilies(t *testing.T) {
	for topic, want := range map[string]string{
		"compute.node.h1": "compute.node.#", "compute.node.h1.example.org": "compute.node.#", "work.compute": "work.compute", "image:contents": "image:contents", "": "",
	} {
		if got := family(topic); got != want {
			t.Errorf("%s: %s", topic, got)
		}
	}
}
