package libvirt

import (
	"encoding/hex"
	"fmt"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// domainName is what libvirt calls the guest.
func domainName(id string) string { return "virga-" + id }

// nicAlias names an interface in libvirt by its port; user-given aliases must begin with "ua-".
func nicAlias(portID string) string { return "ua-nic-" + portID }

func parseUUID(id string) (rpc.UUID, error) {
	var uuid rpc.UUID
	if err := hypervisor.CheckID(id); err != nil {
		return uuid, err
	}
	_, err := hex.Decode(uuid[:], []byte(strings.ReplaceAll(id, "-", "")))
	return uuid, err
}

func formatUUID(uuid rpc.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", uuid[0:4], uuid[4:6], uuid[6:8], uuid[8:10], uuid[10:16])
}

// powerOf translates libvirt's domain states (virDomainState).
func powerOf(state rpc.DomainState) hypervisor.PowerState {
	switch state {
	case rpc.DomainRunning, rpc.DomainBlocked, rpc.DomainShutdown: // the last is on its way down, and still running
		return hypervisor.Running
	case rpc.DomainPaused:
		return hypervisor.Paused
	case rpc.DomainShutoff:
		return hypervisor.Shutdown
	case rpc.DomainCrashed:
		return hypervisor.Crashed
	case rpc.DomainPmsuspended:
		return hypervisor.Suspended
	}
	return hypervisor.NoState
}
