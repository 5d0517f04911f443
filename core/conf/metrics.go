package conf

import (
	"errors"
	"fmt"
	"net"
)

// Metrics are the settings of who may read /metrics: by default programs on this machine alone.
type Metrics struct {
	MetricsListen string `name:"metrics-listen" env:"VIRGA_METRICS_LISTEN" placeholder:"ADDRESS:PORT" help:"Another address and port that serves nothing but /metrics, /healthz and /readyz, in plain HTTP: for a network that only operators are in. Default: none."`
	MetricsToken  Secret `name:"metrics-token" env:"VIRGA_METRICS_TOKEN" placeholder:"TOKEN" help:"What has to be shown to read /metrics, as Authorization: Bearer TOKEN, from wherever. Default: programs on this machine read it without, others not at all." json:"-"`
}

// minMetricsToken is as long as a token has to be that nobody guesses.
const minMetricsToken = 16

func (m *Metrics) complete() error {
	if m.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(m.MetricsListen); err != nil {
			return fmt.Errorf("metrics-listen: %q is not ADDRESS:PORT", m.MetricsListen)
		}
	}
	if m.MetricsToken != "" && len(m.MetricsToken) < minMetricsToken {
		return errors.New("metrics-token: it has less than 16 characters")
	}
	return nil
}
