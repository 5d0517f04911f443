package fleet

import (
	"context"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// controller is a row of controllers: an address at which members reach a process.
type controller struct {
	Address string    `db:"address"`
	SeenAt  time.Time `db:"seen_at"`
}

// announceEvery is how often a process says where it is reached, keepControllers how long
// members are told of one that does not say so any more: it may come back there.
const (
	announceEvery   = 30 * time.Second
	keepControllers = 24 * time.Hour
	maxControllers  = 64
)

// announce writes where members reach this process.
func (s *Service) announce(ctx context.Context) error {
	if s.deps.Address == "" {
		return nil
	}
	now := s.deps.Clock.Now()
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := deleteControllersBefore(tx, now.Add(-keepControllers)); err != nil {
			return err
		}
		return putController(tx, controller{s.deps.Address, now})
	})
}

// Settings is what a member has to know of the cloud.
type Settings struct {
	CloudID string `json:"cloud_id"`
	Region  string `json:"region"`
	// Controllers are the addresses (https://HOST:PORT) at which members reach controllers,
	// this process's first, then those seen last.
	Controllers []string `json:"controllers"`
}

func (s *Service) settings(ctx context.Context) (Settings, error) {
	var rows []controller
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listControllers(tx, maxControllers)
		return err
	})
	known := Settings{CloudID: s.deps.CloudID, Region: s.deps.Region, Controllers: []string{}}
	if s.deps.Address != "" {
		known.Controllers = append(known.Controllers, s.deps.Address)
	}
	for _, row := range rows {
		if !slices.Contains(known.Controllers, row.Address) {
			known.Controllers = append(known.Controllers, row.Address)
		}
	}
	return known, err
}

// settingsShow tells a member what it has to know of the cloud.
func (s *Service) settingsShow(ctx context.Context, _ *api.Request) (any, error) {
	known, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	return settingsAnswer{known}, nil
}

type settingsAnswer struct {
	Settings Settings `json:"settings"`
}
