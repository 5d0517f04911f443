package compute

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/service/compute/orders"
)

// hasGuestAgent tells whether an image's guests run the QEMU guest agent.
func hasGuestAgent(properties map[string]string) bool {
	enabled, ok := api.ParseBool(properties["hw_qemu_guest_agent"])
	return ok && enabled
}

// questionPatience is how long a host may take to answer a question about a guest.
const questionPatience = 30 * time.Second

// errHostSilent says that a guest's host does not answer questions.
var errHostSilent = errors.New("the host does not answer")

// askHost asks a server's host about its guest. An answer in vain is an error with one of
// the texts of package orders.
func (s *Service) askHost(ctx context.Context, hostName, question string, about any) ([]byte, error) {
	body, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, questionPatience)
	defer cancel()
	answer, err := s.deps.Bus.Call(ctx, orders.Topic(hostName), question, body)
	if errors.Is(err, bus.ErrNobody) || errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.Join(errHostSilent, err)
	}
	return answer, err
}

// saidInVain tells whether a host answered with one of the texts of package orders.
func saidInVain(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}
