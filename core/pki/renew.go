package pki

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Renewer has a request answered with a chain (as Accept takes it). The current
// certificate, where it is valid, authenticates the connection.
type Renewer func(ctx context.Context, request []byte) (chain []byte, err error)

// lookEvery bounds how long the renewal sleeps at a time: a machine may have slept, or its
// clock been set.
const lookEvery = 30 * time.Second

// How long a renewal that failed waits, at first and at most.
const (
	retryFirst = time.Second
	retryMost  = time.Minute
)

// Renew gets a certificate for a new key and uses it from now on.
func (c *Credentials) Renew(ctx context.Context, names Names, renew Renewer) error {
	subject := c.Subject()
	request, err := c.Request(subject, names)
	if err != nil {
		return fmt.Errorf("renew certificate of %s: %w", subject, err)
	}
	chain, err := renew(ctx, request)
	if err != nil {
		return fmt.Errorf("renew certificate of %s: %w", subject, err)
	}
	return c.Accept(chain, subject)
}

// RenewAt is when the certificate is to be renewed; the zero time without one.
func (c *Credentials) RenewAt() time.Time {
	if now := c.current(); now != nil {
		return now.renewAt()
	}
	return time.Time{}
}

// Run renews the certificate whenever two thirds of its life are over, until ctx ends.
// Names are asked for each time; renewed, when not nil, is called after each renewal. What
// fails is tried again and never given up.
func (c *Credentials) Run(ctx context.Context, log *slog.Logger, names func() Names, renew Renewer, renewed func()) error {
	retry := retryFirst
	for ctx.Err() == nil {
		wait := c.RenewAt().Sub(c.clock.Now())
		if wait <= 0 {
			err := c.Renew(ctx, names(), renew)
			switch {
			case err == nil:
				retry = retryFirst
				log.Info("certificate renewed", "subject", c.Subject().String(), "expires", c.Certificate().NotAfter, "serial", c.Certificate().SerialNumber.Text(16))
				if renewed != nil {
					renewed()
				}
				continue
			case ctx.Err() == nil:
				log.Warn("certificate not renewed", "expires", c.Certificate().NotAfter, "again_in", retry, "error", err)
			}
			wait, retry = retry, min(2*retry, retryMost)
		}
		timer := time.NewTimer(min(wait, lookEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}
