//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"virga/test/isolated"
)

func TestMain(m *testing.M) {
	isolated.Main(m, isolated.Options{
		Libvirt:  true,
		Commands: []string{"openstack", "nft", "ip", "virsh", "ping", "chromium"},
		Files:    []string{binaryVariable, guestImageVariable},
	})
}

// The variables that name what is tested.
const (
	binaryVariable     = "VIRGA_BIN"
	guestImageVariable = "VIRGA_GUEST_IMAGE"
)

// pollEvery is the rhythm in which the tests look at what they wait for; the things
// waited for are other processes, which cannot be asked to call.
const pollEvery = 50 * time.Millisecond

// await looks until check returns nil and fails with its last error when time is over.
func await(t *testing.T, what string, patience time.Duration, check func() error) {
	t.Helper()
	if err := awaitError(t.Context(), patience, check); err != nil {
		t.Fatalf("%s: not within %s: %v", what, patience, err)
	}
}

func awaitError(ctx context.Context, patience time.Duration, check func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// must passes a result on and stops the test at an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(result T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}
