package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// deeds answer the questions about one running guest.
func (a *Agent) deeds() map[string]func(ctx context.Context, body []byte) ([]byte, error) {
	return map[string]func(ctx context.Context, body []byte) ([]byte, error){
		orders.QuestionPassword: a.setPassword, orders.QuestionNMI: a.injectNMI, orders.QuestionDiagnostics: a.diagnose,
	}
}

func (a *Agent) setPassword(ctx context.Context, body []byte) ([]byte, error) {
	var q orders.PasswordQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	return nil, inVain(a.cfg.Driver.SetPassword(ctx, q.ServerID, q.User, string(q.Password)))
}

func (a *Agent) injectNMI(ctx context.Context, body []byte) ([]byte, error) {
	var q orders.GuestQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	return nil, inVain(a.cfg.Driver.InjectNMI(ctx, q.ServerID))
}

func (a *Agent) diagnose(ctx context.Context, body []byte) ([]byte, error) {
	var q orders.GuestQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	found, err := a.cfg.Driver.Diagnose(ctx, q.ServerID)
	if err != nil {
		return nil, inVain(err)
	}
	answer := orders.Diagnostics{Driver: found.Driver, Hypervisor: found.Hypervisor, MemoryMaximum: found.MemoryMaximum, MemoryUsed: found.MemoryUsed,
		Memory: found.Memory}
	for _, meter := range found.CPUs {
		answer.CPUs = append(answer.CPUs, orders.CPUMeter(meter))
	}
	for _, meter := range found.NICs {
		answer.NICs = append(answer.NICs, orders.NICMeter(meter))
	}
	for _, meter := range found.Disks {
		answer.Disks = append(answer.Disks, orders.DiskMeter(meter))
	}
	return json.Marshal(answer)
}

// inVain says by the texts of package orders why a driver did not do what it was asked for.
func inVain(err error) error {
	for _, known := range []struct {
		is   error
		text string
	}{{hypervisor.ErrNotFound, orders.ErrNoGuest}, {hypervisor.ErrOff, orders.ErrOff}, {hypervisor.ErrNoAgent, orders.ErrNoAgent},
		{hypervisor.ErrAgentSilent, orders.ErrAgentSilent}} {
		if errors.Is(err, known.is) {
			return errors.New(known.text)
		}
	}
	return err
}
