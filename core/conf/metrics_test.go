package conf_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestMetricsSettings(t *testing.T) {
	c, err := parse(t, "metrics-listen = \"192.0.2.1:9100\"\nmetrics-token = \"0123456789abcdef\"\n")
	if err != nil || c.MetricsToken.Reveal() != "0123456789abcdef" || strings.Contains(fmt.Sprintf("%+v", c), "0123456789abcdef") {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := c.Complete(); err != nil {
		t.Error(err)
	}
	for text, word := range map[string]string{"metrics-listen = \"here\"\n": "metrics-listen", "metrics-token = \"short\"\n": "metrics-token"} {
		c, err := parse(t, text)
		if err == nil {
			err = c.Complete()
		}
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
