package compute

import (
	"context"
	"errors"

	"virga/core/api"
	"virga/core/work"
	"virga/service/compute/orders"
)

// maxLostRaces is how often a claim may lose against others before its operation fails.
const maxLostRaces = 20

// leavesHost is why the host of a server that moves is not chosen.
const leavesHost = "the server is to leave it"

// found is nil when a host was chosen; else whether to look again or to give up.
func (d *decision) found() error {
	switch {
	case d.Chosen != "":
		return nil
	case d.hopeful:
		return work.Wait(comeBack)
	}
	return work.Fail(errors.New(d.explain()))
}

// afterClaim is what follows from placement's answer to a claim of an operation's server:
// whoever came too late chooses again, lostRaces times at most.
func (s *Service) afterClaim(ctx context.Context, o work.Operation, lostRaces *int, err error) error {
	if err == nil {
		s.roster.claimed(o.ResourceID)
		return nil
	}
	s.roster.released(o.ResourceID)
	if api.StatusOf(err) != 409 {
		return s.neighbourTrouble(ctx, o, "placement", err)
	}
	if *lostRaces++; *lostRaces > maxLostRaces {
		return work.Failf("No valid host was found. Others took the free resources %d times.", *lostRaces)
	}
	return work.Back("schedule", errors.New("another server took the resources"))
}

// awaitElsewhere waits until a host has done what was ordered for a server that comes to it;
// another is asked for where this one cannot, or says nothing any more.
func (s *Service) awaitElsewhere(ctx context.Context, serverID, hostName string, another func(why error) error) error {
	order, up, err := s.awaitOrder(ctx, serverID, hostName)
	switch {
	case err != nil:
		return err
	case order.settled():
		return nil
	case order.failed() && order.ErrorClass == orders.Fail:
		return work.Fail(errors.New(order.ErrorMessage))
	case order.failed() && order.ErrorClass == orders.Elsewhere:
		return another(errors.New(order.ErrorMessage))
	case !up:
		return another(errors.New("the host stopped reporting"))
	}
	return work.Wait(lookAgain)
}
