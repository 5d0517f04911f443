package network

import "virga/core/db"

// A port whose server is about to go to another host while it runs is bound to the first host and made ready on the second, which
// has its device and filters before the guest comes. Compute says so as Nova does, by migrating_to in the binding profile, and binds
// the port to the second host when the guest is there.

// profileMigratingTo is the field of a binding profile that names the host to which a port's server goes, or came a short while ago.
const profileMigratingTo = "migrating_to"

// expectedOn is the further host that a port's profile names; none for a port that is nowhere or there already.
func expectedOn(p *port) string {
	name, _ := p.Profile[profileMigratingTo].(string)
	if p.Host == "" || name == p.Host || networkOwned(p.DeviceOwner) || len(name) > 255 {
		return ""
	}
	return name
}

// expectChange tells the hosts where a port was and is expected.
func (s *Service) expectChange(tx *db.Tx, before, p *port) error {
	if before.MigratingTo == p.MigratingTo {
		return nil
	}
	if before.MigratingTo != p.Host {
		if err := s.expectTouches(tx, p, before.MigratingTo); err != nil {
			return err
		}
	}
	return s.expectTouches(tx, p, p.MigratingTo)
}

// expectTouches tells a host, if any, that what it is to have of an expected port changed.
func (s *Service) expectTouches(tx *db.Tx, p *port, host string) error {
	if host == "" {
		return nil
	}
	if err := s.ensureDHCPPort(tx, p.NetworkID, host); err != nil {
		return err
	}
	return s.changed(tx, changedPort, p.ID, host)
}
