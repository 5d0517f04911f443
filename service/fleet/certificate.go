package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
)

// errOtherMembersKey says that a request is for a key that another member has.
var errOtherMembersKey = errors.New("the key is another member's")

// certify issues a certificate to a member and notes its key. It is called in the
// transaction that decides that the member gets it; signing takes no more than a query. By
// is the pin of the key that has asked for it, empty for none.
func (s *Service) certify(tx *db.Tx, m *member, request *pki.Request, by string) (pki.Issued, error) {
	issued, err := s.deps.Authority.Issue(request, pki.Subject{Kind: pki.Kind(m.Kind), Name: m.Host}, request.Names, s.deps.Life)
	if err != nil {
		return issued, err
	}
	keys, err := listKeys(tx, m.ID)
	if err != nil {
		return issued, err
	}
	now := s.deps.Clock.Now()
	key := memberKey{Pin: request.Pin.String(), MemberID: m.ID, Place: 1, ExpiresAt: issued.NotAfter}
	known, err := findKey(tx, key.Pin)
	switch {
	case err == nil && known.MemberID != m.ID:
		return issued, errOtherMembersKey
	case err == nil:
		key.Place, key.Used = known.Place, known.Used
	case !errors.Is(err, db.ErrNotFound):
		return issued, err
	case len(keys) > 0:
		key.Place = keys[len(keys)-1].Place + 1
	}
	for _, old := range keys {
		// The newest that was used stays whatever its age: it is what a member that was away
		// comes back with. So does the one that has asked, should the answer get lost.
		stays := old.Pin == key.Pin || old.Pin == by || old.Pin == newestUsed(keys)
		if !stays && !now.Before(old.ExpiresAt) {
			if err := deleteKey(tx, old.Pin); err != nil {
				return issued, err
			}
		}
	}
	if err := putKey(tx, key); err != nil {
		return issued, err
	}
	m.Pin, m.Serial, m.ExpiresAt, m.RenewedAt = key.Pin, issued.Serial, issued.NotAfter, now
	return issued, updateMember(tx, *m)
}

// newestUsed is the pin of the newest key that the member has come with, or empty.
func newestUsed(keys []memberKey) string {
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].Used {
			return keys[i].Pin
		}
	}
	return ""
}

// newest checks that no newer key than this has been used and returns all of the member's.
func newest(tx *db.Tx, key memberKey) ([]memberKey, error) {
	keys, err := listKeys(tx, key.MemberID)
	if err != nil {
		return nil, err
	}
	for _, other := range keys {
		if other.Place > key.Place && other.Used {
			return nil, api.Conflict("The key has been followed by a newer one, which alone can renew.")
		}
	}
	return keys, nil
}

// succeed checks that a key may bring the next one. Newer ones that were not used are
// forgotten, their certificates never arrived.
func succeed(tx *db.Tx, key memberKey, next pki.Pin) error {
	keys, err := newest(tx, key)
	if err != nil {
		return err
	}
	for _, other := range keys {
		if other.Place > key.Place && other.Pin != next.String() {
			if err := deleteKey(tx, other.Pin); err != nil {
				return err
			}
		}
	}
	return nil
}

// membership is the answer that brings a certificate.
func (s *Service) membership(ctx context.Context, kind pki.Kind, issued pki.Issued) (any, error) {
	settings, err := s.settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("tell settings: %w", err)
	}
	answer := Membership{Certificate: string(issued.Chain), Settings: settings}
	if kind == pki.Controller && s.deps.Handover != nil {
		given, err := s.deps.Handover(ctx)
		if err == nil {
			answer.Handover, err = json.Marshal(given)
		}
		if err != nil {
			return nil, fmt.Errorf("hand over: %w", err)
		}
	}
	return answer, nil
}

// readRequest reads a request for a certificate. Nodes get no names but their own.
func readRequest(text string) (*pki.Request, error) {
	request, err := pki.ParseRequest([]byte(text))
	if err != nil {
		return nil, api.BadRequest("The request for a certificate cannot be granted: %s.", err)
	}
	if request.Subject.Kind == pki.Node && len(request.Names.DNS)+len(request.Names.Addresses) > 0 {
		return nil, api.BadRequest("The request for a certificate cannot be granted: a node gets no further names.")
	}
	return request, nil
}

// refusedRequest turns what an issuer says of a request into the answer to it.
func refusedRequest(err error) error {
	switch {
	case errors.Is(err, pki.ErrRequest):
		return api.BadRequest("The request for a certificate cannot be granted.").Because(err)
	case errors.Is(err, errOtherMembersKey):
		return api.Conflict("The key of the request is another member's.")
	}
	return err
}

// Enrol makes what this process itself is a member, or renews its certificate; whoever
// holds the authority needs no token. It is a pki.Renewer's work without a network.
func (s *Service) Enrol(ctx context.Context, text []byte, version string) (chain []byte, err error) {
	request, err := pki.ParseRequest(text)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.deps.Own, request.Subject) {
		return nil, fmt.Errorf("enrol %s: that is not this process", request.Subject)
	}
	var issued pki.Issued
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		m, err := s.admitMember(tx, request.Subject)
		if err != nil {
			return err
		}
		before := viewMember(&m, s.deps.Clock.Now())
		m.Version, m.Address = version, strings.TrimPrefix(s.deps.Address, "https://")
		issued, err = s.certify(tx, &m, request, "")
		if err != nil {
			return err
		}
		return s.record(tx, nil, "member", m.ID, "renew", before, viewMember(&m, s.deps.Clock.Now()), nil)
	})
	return issued.Chain, err
}

// admitMember finds a member or makes it one.
func (s *Service) admitMember(tx *db.Tx, subject pki.Subject) (member, error) {
	m, err := findMember(tx, subject)
	if !errors.Is(err, db.ErrNotFound) {
		return m, err
	}
	now := s.deps.Clock.Now()
	m = member{ID: s.deps.Clock.ID(), Kind: string(subject.Kind), Host: subject.Name, JoinedAt: now, RenewedAt: now}
	return m, insertMember(tx, m)
}
