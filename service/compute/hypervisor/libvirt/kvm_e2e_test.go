//go:build e2e

package libvirt

import (
	"context"
	"testing"
	"time"
)

// The trial's guest must be able to succeed, or no host would ever be found to run KVM.
func TestTrialGuestRunsUnderEmulation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := tryGuest(ctx, "qemu-system-x86_64", "tcg", "max"); err != nil {
		t.Fatal(err)
	}
}

func TestTrialGuestThatHangsIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := tryGuest(ctx, "qemu-system-x86_64", "tcg", "max"); err == nil || err.Error() != "it hung" {
		t.Fatalf("got %v", err)
	}
}
