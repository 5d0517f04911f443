package fleet

import (
	"encoding/json"
	"time"
)

type joinRequest struct {
	Token   string `json:"token"`
	Request string `json:"request"`
	Version string `json:"version"`
}

type renewRequest struct {
	Request string `json:"request"`
	Version string `json:"version"`
}

type recoverRequest struct {
	Request   string `json:"request"`
	Key       []byte `json:"key"`
	Signature []byte `json:"signature"`
	Version   string `json:"version"`
}

// Membership is what a member gets: its certificate and what it has to know of the cloud.
type Membership struct {
	// Certificate is the member's certificate and behind it the authority's, in PEM.
	Certificate string   `json:"certificate"`
	Settings    Settings `json:"settings"`
	// Handover is what a new controller is given besides.
	Handover json.RawMessage `json:"handover,omitempty"`
}

type memberAnswer struct {
	Member memberView `json:"member"`
}

type membersAnswer struct {
	Members []memberView `json:"members"`
	Links   []linkView   `json:"members_links"`
}

type memberView struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Host      string    `json:"host"`
	State     string    `json:"state"`
	Address   string    `json:"address"`
	Version   string    `json:"version"`
	Pin       string    `json:"pin"`
	Serial    string    `json:"serial"`
	ExpiresAt time.Time `json:"expires_at"`
	RenewedAt time.Time `json:"renewed_at"`
	JoinedAt  time.Time `json:"joined_at"`
}

// viewMember shows a member. Whether its machine works is not known here: the services that
// hear of its agents tell that.
func viewMember(m *member, now time.Time) memberView {
	view := memberView{m.ID, m.Kind, m.Host, "valid", m.Address, m.Version, m.Pin, m.Serial, m.ExpiresAt, m.RenewedAt, m.JoinedAt}
	if !now.Before(m.ExpiresAt) {
		view.State = "expired"
	}
	return view
}
