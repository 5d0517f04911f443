package conf

import (
	"fmt"
	"time"
)

// Moves are the settings of servers that change their hosts or flavors.
type Moves struct {
	ResizeConfirmWindow time.Duration `name:"resize-confirm-window" env:"VIRGA_RESIZE_CONFIRM_WINDOW" default:"0" help:"After how long a resize or a cold migration that nobody confirmed or took back is confirmed by itself; 0: never."`
}

func (m *Moves) complete() error {
	if m.ResizeConfirmWindow < 0 {
		return fmt.Errorf("resize-confirm-window: %s is negative", m.ResizeConfirmWindow)
	}
	return nil
}
