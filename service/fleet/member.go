package fleet

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
)

// member is a row of members.
type member struct {
	ID      string `db:"id"`
	Kind    string `db:"kind"`
	Host    string `db:"host"`
	Address string `db:"address"`
	Version string `db:"version"`
	// Pin, Serial and ExpiresAt are those of the newest certificate.
	Pin       string    `db:"pin"`
	Serial    string    `db:"serial"`
	ExpiresAt time.Time `db:"expires_at"`
	RenewedAt time.Time `db:"renewed_at"`
	JoinedAt  time.Time `db:"joined_at"`
}

// memberKey is a row of member_keys: a key that a member has or is about to have.
type memberKey struct {
	Pin      string `db:"pin"`
	MemberID string `db:"member_id"`
	// Place counts the member's keys.
	Place     int64     `db:"place"`
	ExpiresAt time.Time `db:"expires_at"`
	// Used tells that the member has come with it.
	Used bool `db:"used"`
}

func (s *Service) memberList(ctx context.Context, r *api.Request) (any, error) {
	page, err := api.Paging{Max: 1000, Order: []db.Order{{Column: "joined_at"}}}.Read(r.Query)
	if err != nil {
		return nil, err
	}
	var rows []member
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err = listMembers(tx, page)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("The marker %q is no member.", page.Marker)
	}
	if err != nil {
		return nil, err
	}
	answer := membersAnswer{Members: make([]memberView, len(rows)), Links: []linkView{}}
	for i := range rows {
		answer.Members[i] = viewMember(&rows[i], s.deps.Clock.Now())
	}
	if len(rows) > 0 && len(rows) == page.Limit {
		answer.Links = append(answer.Links, linkView{"next", r.SelfURL(api.NextQuery(r.Query, rows[len(rows)-1].ID))})
	}
	return answer, nil
}

// named is the member that the path names; names that are none are looked for in vain.
func named(r *api.Request) pki.Subject {
	return pki.Subject{Kind: pki.Kind(r.Param("kind")), Name: r.Param("host")}
}

func errNoMember(r *api.Request) error {
	return api.NotFound("There is no %s %s in this cloud.", r.Param("kind"), r.Param("host"))
}

func (s *Service) memberShow(ctx context.Context, r *api.Request) (any, error) {
	var m member
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		m, err = findMember(tx, named(r))
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoMember(r)
	}
	if err != nil {
		return nil, err
	}
	return memberAnswer{viewMember(&m, s.deps.Clock.Now())}, nil
}

func (s *Service) memberDelete(ctx context.Context, r *api.Request) (any, error) {
	if subject := named(r); slices.Contains(s.deps.Own, subject) {
		return nil, api.Conflict("The %s %s is what answers this request; ask another controller to remove it.", subject.Kind, subject.Name)
	}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		m, err := findMember(tx, named(r))
		if err != nil {
			return err
		}
		if err := deleteMember(tx, m.ID); err != nil {
			return err
		}
		tx.AfterCommit(s.keysRemoved)
		return s.record(tx, r, "member", m.ID, "delete", viewMember(&m, s.deps.Clock.Now()), nil, nil)
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoMember(r)
	}
	return nil, err
}

// keysRemoved has every process look again whose keys are whose. New keys need no bell:
// nobody has asked for them yet.
func (s *Service) keysRemoved() {
	s.admission.forget()
	s.deps.Bus.Ring(TopicMembers)
}

// callerAddress is the address that a request came from; it is shown and decides nothing.
func callerAddress(r *api.Request) string {
	host, _, err := net.SplitHostPort(r.HTTP.RemoteAddr)
	if err != nil {
		host = r.HTTP.RemoteAddr
	}
	host, _, _ = strings.Cut(host, "%") // the zone of a link-local address
	return host[:min(len(host), 64)]
}
