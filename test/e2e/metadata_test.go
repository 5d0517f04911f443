//go:build e2e

package e2e

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// serverMetadata is what of meta_data.json the tests look at.
type serverMetadata struct {
	UUID             string            `json:"uuid"`
	Name             string            `json:"name"`
	HostName         string            `json:"hostname"`
	ProjectID        string            `json:"project_id"`
	AvailabilityZone string            `json:"availability_zone"`
	Meta             map[string]string `json:"meta"`
	PublicKeys       map[string]string `json:"public_keys"`
}

func parseMetadata(t *testing.T, text string) serverMetadata {
	t.Helper()
	var m serverMetadata
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("metadata: %v in %q", err, text)
	}
	return m
}

const metadataService = "http://169.254.169.254/"

// fetch asks the metadata service from inside a guest; its wget has no working -T.
func fetch(t *testing.T, g *guest, path string, flags ...string) string {
	t.Helper()
	return g.run(t, "timeout 10 wget -q -O - "+strings.Join(flags, " ")+" "+metadataService+path)
}

// metadata asks the service in both forms from inside Ada, honestly and not.
func (s *story) metadata(t *testing.T) {
	g := login(t, s.ada.floating, s.key)
	t.Run("OpenStack form", func(t *testing.T) {
		m := parseMetadata(t, fetch(t, g, "openstack/latest/meta_data.json"))
		if m.UUID != s.ada.id || m.Name != "ada" || m.AvailabilityZone != "nova" || m.ProjectID == "" ||
			m.Meta["purpose"] != "e2e" || m.Meta["colour"] != "blue" || strings.TrimSpace(m.PublicKeys["e2e"]) != s.key.public() {
			t.Errorf("ada's metadata is %+v", m)
		}
		if got := fetch(t, g, "openstack/latest/user_data"); got+"\n" != userData {
			t.Errorf("the user data is %q", got)
		}
		var network struct {
			Links []struct {
				MAC string `json:"ethernet_mac_address"`
			} `json:"links"`
			Networks []map[string]any `json:"networks"`
		}
		if err := json.Unmarshal([]byte(fetch(t, g, "openstack/latest/network_data.json")), &network); err != nil {
			t.Fatal(err)
		}
		if mac := g.run(t, "cat /sys/class/net/eth0/address"); len(network.Links) != 1 || network.Links[0].MAC != mac || len(network.Networks) != 1 {
			t.Errorf("the network's description is %+v, the device has %s", network, mac)
		}
	})
	t.Run("EC2 form", func(t *testing.T) {
		for path, want := range map[string]string{
			"":                                             `(?m)^latest/?$`,
			"latest/meta-data/":                            `(?m)^instance-id$`,
			"latest/meta-data/instance-id":                 `^i-[0-9a-f]{8}`,
			"latest/meta-data/instance-type":               `^e2e\.nano$`,
			"latest/meta-data/hostname":                    `^ada`,
			"latest/meta-data/local-ipv4":                  `^` + regexp.QuoteMeta(s.ada.fixed) + `$`,
			"latest/meta-data/public-ipv4":                 `^` + regexp.QuoteMeta(s.ada.floating) + `$`,
			"latest/meta-data/public-keys/":                `^0=e2e$`,
			"latest/meta-data/public-keys/0/openssh-key":   `^` + regexp.QuoteMeta(s.key.public()) + `$`,
			"latest/meta-data/placement/availability-zone": `^nova$`,
			"latest/user-data":                             `^#!/bin/sh\n`,
		} {
			if got := fetch(t, g, path); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s is %q", path, got)
			}
		}
	})
	t.Run("no such thing", func(t *testing.T) {
		out, err := g.try("timeout 10 wget -q -O - "+metadataService+"latest/meta-data/nonsense 2>&1", "")
		if err == nil || !strings.Contains(out, "404") {
			t.Errorf("an unknown path: %v, %q", err, out)
		}
	})
	t.Run("nobody else's", func(t *testing.T) {
		m := parseMetadata(t, fetch(t, g, "openstack/latest/meta_data.json", "--header 'X-Forwarded-For: "+s.bob.fixed+"'",
			"--header 'X-Instance-ID: "+s.bob.id+"'", "--header 'X-Instance-ID-Signature: 00'"))
		if m.UUID != s.ada.id {
			t.Errorf("ada claims to be bob and gets the metadata of %s", m.Name)
		}
	})
}

// configDrive looks at Bob's drive from inside.
func (s *story) configDrive(t *testing.T) {
	g := login(t, s.bob.floating, s.key)
	g.run(t, "mkdir -p /tmp/drive && mount -t iso9660 -o ro $(findfs LABEL=config-2) /tmp/drive")
	m := parseMetadata(t, g.run(t, "cat /tmp/drive/openstack/latest/meta_data.json"))
	if m.UUID != s.bob.id || m.Name != "bob" || m.Meta["purpose"] != "config drive" || strings.TrimSpace(m.PublicKeys["e2e"]) != s.key.public() {
		t.Errorf("bob's config drive says %+v", m)
	}
	if got := g.run(t, "cat /tmp/drive/ec2/latest/meta-data.json"); !strings.Contains(got, `"instance-id"`) {
		t.Errorf("the EC2 form on bob's config drive is %q", got)
	}
	if out, err := g.try("touch /tmp/drive/x", ""); err == nil {
		t.Errorf("the config drive can be written to: %s", out)
	}
	g.run(t, "umount /tmp/drive")
	if m := parseMetadata(t, fetch(t, g, "openstack/latest/meta_data.json")); m.UUID != s.bob.id {
		t.Errorf("the service tells bob that he is %s", m.Name)
	}
}
