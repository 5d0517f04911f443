package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// The side of a live migration that the guest leaves; arrive.go is the other one.

// errPeerLost says that the host to which a guest goes cannot be reached now, or is not ready yet.
var errPeerLost = errors.New("the other host of the migration does not answer")

// progressWithin bounds a report of how far a migration is, which is never repeated.
const progressWithin = 5 * time.Second

// move has the guest go where its order says, or finds out whether it has gone there. When it has left that is reported.
func (g *guest) move(ctx context.Context, order orders.GuestOrder) (left bool, err error) {
	driver := g.agent.cfg.Driver
	peer := &otherHost{guest: g, move: order.Move}
	if order.Desired == orders.Moved {
		err = driver.MigrateGuest(ctx, g.id, order.Generation, peer, func(p hypervisor.Progress) { g.tellProgress(ctx, order, p) })
		left = err == nil
	} else {
		left, err = driver.RecallGuest(ctx, g.id, order.Generation, peer)
		if err != nil && !errors.Is(err, hypervisor.ErrStale) { // an order that failed in another way is about a guest that is here
			err = fmt.Errorf("%w: %w", hypervisor.ErrUndecided, err)
		}
	}
	if !left || err != nil {
		return false, err
	}
	return true, g.report(ctx, orders.Report{Generation: order.Generation, State: orders.StateMoved, PowerState: int(hypervisor.Shutdown)})
}

func (g *guest) tellProgress(ctx context.Context, order orders.GuestOrder, p hypervisor.Progress) {
	g.progressed()
	ctx, cancel := context.WithTimeout(ctx, progressWithin)
	defer cancel()
	progress := orders.Progress(p)
	err := g.agent.cfg.Controller.ReportGuest(ctx, g.agent.cfg.Host, g.id, orders.Report{Generation: order.Generation, State: orders.StateMoving,
		PowerState: int(hypervisor.Running), Progress: &progress})
	if err != nil && ctx.Err() == nil {
		g.agent.cfg.Log.Info("tell how far a migration is", "host", g.agent.cfg.Host, "server", g.id, "error", err)
	}
}

// hasten answers QuestionHasten.
func (a *Agent) hasten(ctx context.Context, body []byte) ([]byte, error) {
	var q orders.HastenQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	err := a.cfg.Driver.HastenMigration(ctx, q.ServerID)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil, errors.New(orders.ErrNoMigration)
	}
	return nil, err
}

// otherHost is the host that a guest goes to, asked over its agent's TransferHandler.
type otherHost struct {
	guest *guest
	move  *orders.Move
}

// request asks the other host; the caller closes the answer's body.
func (o *otherHost) request(ctx context.Context, method, what string, body []byte, header http.Header) (*http.Response, error) {
	client := o.guest.agent.cfg.Transfers
	if client == nil || o.move.URL == "" {
		return nil, fmt.Errorf("%w: %s has no way to be reached", errPeerLost, o.move.ToHost)
	}
	address := o.move.URL + "/migration/" + url.PathEscape(o.guest.id) + "/" + what
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPeerLost, err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set(secretHeader, string(o.move.Secret))
	response, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPeerLost, err)
	}
	return response, nil
}

// ask makes a request and returns the answer's body.
func (o *otherHost) ask(ctx context.Context, what string, body []byte) ([]byte, error) {
	response, err := o.request(ctx, http.MethodPost, what, body, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s guest %s at %s: %w", what, o.guest.id, o.move.ToHost, refusalOf(response))
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, hypervisor.MaxOffer))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPeerLost, err)
	}
	return answer, nil
}

// refusalOf makes a driver's error again of what the other host says.
func refusalOf(response *http.Response) error {
	line, _, _ := bufio.NewReader(io.LimitReader(response.Body, 300)).ReadLine() //nolint:errcheck // no line is as good as a short one
	switch response.StatusCode {
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s", hypervisor.ErrUnfit, line)
	case http.StatusBadRequest:
		return fmt.Errorf("%w: %s", hypervisor.ErrInvalid, line)
	}
	return fmt.Errorf("%w: status %d: %s", errPeerLost, response.StatusCode, line)
}

// Prepare implements hypervisor.Peer.
func (o *otherHost) Prepare(ctx context.Context, offer []byte) ([]byte, error) {
	return o.ask(ctx, "prepare", offer)
}

// Finish implements hypervisor.Peer.
func (o *otherHost) Finish(ctx context.Context, message []byte) ([]byte, error) {
	return o.ask(ctx, "finish", message)
}

// Cancel implements hypervisor.Peer.
func (o *otherHost) Cancel(ctx context.Context) (arrived bool, err error) {
	if o.move.Lost {
		return false, nil
	}
	text, err := o.ask(ctx, "cancel", nil)
	if err != nil {
		return false, err
	}
	var answer cancelAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("%w: %w", errPeerLost, err)
	}
	return answer.Arrived, nil
}

// Dial implements hypervisor.Peer.
func (o *otherHost) Dial(ctx context.Context, channel string) (io.ReadWriteCloser, error) {
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {channelProtocol}}
	response, err := o.request(ctx, http.MethodGet, "channel/"+url.PathEscape(channel), nil, header)
	if err != nil {
		return nil, err
	}
	stream, both := response.Body.(io.ReadWriteCloser)
	if response.StatusCode != http.StatusSwitchingProtocols || !both {
		defer response.Body.Close()
		return nil, fmt.Errorf("open channel %s to %s: %w", channel, o.move.ToHost, refusalOf(response))
	}
	return stream, nil
}
