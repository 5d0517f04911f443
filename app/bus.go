package app

import (
	"context"
	"fmt"

	"virga/core/bus/amqp"
)

// openBus opens what carries doorbells and questions between the parts of the cloud. Where
// the broker is away everybody looks on timers, so it is no condition of being ready.
func (cl *cloud) openBus(ctx context.Context) error {
	if !cl.conf.Shared() {
		return nil
	}
	broker, err := amqp.Open(ctx, cl.conf.Bus.Reveal(), cl.log)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	cl.onClose(broker.Close)
	cl.bus = broker
	return nil
}
