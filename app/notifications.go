package app

import (
	"fmt"

	"virga/core/db"
	"virga/core/feed"
	"virga/core/feed/notify"
	"virga/service/compute"
	"virga/service/identity"
	"virga/service/image"
	"virga/service/network"
)

// publishChanges has the changes of a service be published as OpenStack's notifications,
// where a broker is configured for them and OpenStack has any.
func (cl *cloud) publishChanges(service string, d *db.DB) error {
	address := cl.conf.Notifications.Reveal()
	if address == "" {
		return nil
	}
	settings, err := notify.Parse(address)
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	told := map[string]struct {
		exchange string
		format   notify.Format
	}{
		"compute":  {"nova", compute.Notifications(cl.conf.Host)},
		"network":  {"neutron", network.Notifications(cl.conf.Host)},
		"image":    {"glance", image.Notifications(cl.conf.Host)},
		"identity": {"keystone", identity.Notifications(cl.conf.Host, settings.Basic)},
	}[service]
	if told.format == nil {
		return nil
	}
	p, err := notify.New(notify.Config{Settings: settings, Exchange: told.exchange, Format: told.format, DB: d, Feed: feed.NewLog(service, cl.bus),
		Owner: cl.owner(), Clock: cl.clock, Log: cl.log, Metrics: cl.metrics})
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	cl.onRun(p.Run)
	return nil
}
