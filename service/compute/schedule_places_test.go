package compute

import (
	"net/netip"
	"testing"
)

// inAggregate puts a host into an aggregate with metadata.
func inAggregate(metadata map[string]string) func(*candidate) {
	return func(c *candidate) {
		c.terms = termsOf([]aggregate{{Metadata: metadata, hosts: []string{c.name}}})[c.name]
	}
}

func TestPlaces(t *testing.T) {
	free := func(text string) func(*wish) {
		return func(w *wish) {
			q, err := parseHostQuery(text)
			if err != nil {
				t.Fatal(err)
			}
			w.Query = q
		}
	}
	ssd := map[string]string{"disk": "ssd, nvme", "speed": "7"}
	spec := func(key, want string) func(*wish) {
		return func(w *wish) { w.Specs = map[string]string{key: want} }
	}
	for name, test := range map[string]struct {
		metadata map[string]string
		wish     func(*wish)
		want     string
	}{
		"no spec":                {metadata: ssd},
		"spec":                   {metadata: ssd, wish: spec("disk", "nvme")},
		"spec elsewhere":         {wish: spec("disk", "nvme"), want: "its aggregates do not have what the flavor wants of disk"},
		"spec by operator":       {metadata: ssd, wish: spec("speed", ">= 7")},
		"spec beyond":            {metadata: ssd, wish: spec("speed", "> 7"), want: "its aggregates do not have what the flavor wants of speed"},
		"spec of several":        {metadata: ssd, wish: spec("disk", "<or> hdd <or> ssd")},
		"spec of none":           {metadata: ssd, wish: spec("disk", "s!= ssd")},
		"project":                {metadata: map[string]string{"filter_tenant_id2": "a,p"}, wish: func(w *wish) { w.ProjectID = "p" }},
		"other project":          {metadata: map[string]string{"filter_tenant_id": "a"}, wish: func(w *wish) { w.ProjectID = "p" }, want: "its aggregates are kept for other projects"},
		"image":                  {metadata: map[string]string{"os_type": "linux"}, wish: func(w *wish) { w.Image = map[string]string{"os_type": "linux"} }},
		"image that says naught": {metadata: map[string]string{"os_type": "linux"}, wish: func(w *wish) { w.Image = map[string]string{"os_distro": "x"} }},
		"other image":            {metadata: map[string]string{"os_type": "linux"}, wish: func(w *wish) { w.Image = map[string]string{"os_type": "windows"} }, want: "its aggregates are kept for images with another os_type"},
		"same":                   {wish: func(w *wish) { w.Same, w.sameHosts = []string{"s"}, map[string]bool{"h": true} }},
		"same elsewhere":         {wish: func(w *wish) { w.Same, w.sameHosts = []string{"s"}, map[string]bool{"x": true} }, want: "it runs none of the servers that the server is to be with"},
		"different":              {wish: func(w *wish) { w.Different, w.differentHosts = []string{"s"}, map[string]bool{"x": true} }},
		"different here":         {wish: func(w *wish) { w.Different, w.differentHosts = []string{"s"}, map[string]bool{"h": true} }, want: "it runs a server that the server is to be apart from"},
		"near":                   {wish: func(w *wish) { w.Near = netip.MustParsePrefix("192.0.2.0/24") }},
		"far":                    {wish: func(w *wish) { w.Near = netip.MustParsePrefix("198.51.100.0/24") }, want: "its address is not near the one that was asked for"},
		"query":                  {wish: free(`["and", [">=", "$free_ram_mb", 1024], ["not", ["=", "$host", "x"]], ["in", "$vcpus_used", 0, 1]]`)},
		"query in vain":          {wish: free(`["<", "$free_ram_mb", 1024]`), want: "it does not answer to the query"},
		"query of nothing":       {wish: free(`["=", "$colour", "red"]`), want: "it does not answer to the query"},
		"query of two kinds":     {wish: free(`["or", ["<", "$free_ram_mb", "x"], ["=", "$host", 1]]`), want: "it does not answer to the query"},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := roomy("h", 1024, func(c *candidate) { c.ip = netip.MustParseAddr("192.0.2.7") }), small()
			if test.metadata != nil {
				inAggregate(test.metadata)(&c)
			}
			if test.wish != nil {
				test.wish(w)
			}
			if d := decide([]candidate{c}, w, noon); d.Hosts[0].Reason != test.want || (d.Chosen == "h") != (test.want == "") {
				t.Errorf("decision %+v", d)
			}
		})
	}
}

func TestQueriesThatAreNone(t *testing.T) {
	for _, text := range []string{"x", "{}", `["like", 1]`, `[1]`, `["=", null]`, `["and", []]`, `["not",["not",["not",["not",["not",["not",["not",["not",["not",true]]]]]]]]]`} {
		if q, err := parseHostQuery(text); err == nil {
			t.Errorf("%s is %+v", text, q)
		}
	}
	if q, err := parseHostQuery("[]"); q != nil || err != nil {
		t.Errorf("an empty query is %+v, %v", q, err)
	}
}
