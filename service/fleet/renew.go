package fleet

import (
	"context"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
)

// memberRenew gives the member at the other end of the connection a new certificate.
func (s *Service) memberRenew(ctx context.Context, r *api.Request) (any, error) {
	var body renewRequest
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	peer, ok := pki.Peer(r.HTTP.TLS)
	if !ok {
		return nil, api.Forbidden("A certificate is renewed over a connection that it authenticates.")
	}
	pin, _ := pki.PeerKey(r.HTTP.TLS)
	return s.renew(ctx, r, peer, pin, body.Request, body.Version, 0)
}

// recoverPrefix stands before the request in what a member signs to come back, so that the
// signature serves no other purpose.
const recoverPrefix = "virga fleet recover v1\n"

// RecoverMessage is what a member whose certificate has expired signs with its key.
func RecoverMessage(request string) []byte { return []byte(recoverPrefix + request) }

// memberRecover gives a member whose certificate has expired a new one: it cannot open a
// connection with the old one, but can still sign with its key. Who repeats somebody
// else's call gets a certificate for a key that he does not have.
func (s *Service) memberRecover(ctx context.Context, r *api.Request) (any, error) {
	var body recoverRequest
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	who, _, err := s.holder(ctx, pki.PinOfKey(body.Key)) // before anything that costs more
	if err != nil {
		return nil, err
	}
	if !who.Valid() {
		return nil, errKey()
	}
	request, err := readRequest(body.Request)
	if err != nil {
		return nil, err
	}
	if who != request.Subject {
		return nil, errKey()
	}
	pin, err := pki.VerifySignature(RecoverMessage(body.Request), body.Signature, body.Key)
	if err != nil {
		return nil, errKey()
	}
	return s.renew(ctx, r, request.Subject, pin, body.Request, body.Version, s.deps.Grace)
}

// renew gives a member that has proved to have a key a certificate for the next one. Grace
// is how long ago the key's certificate may have expired.
func (s *Service) renew(ctx context.Context, r *api.Request, who pki.Subject, pin pki.Pin, text, version string, grace time.Duration) (any, error) {
	request, err := readRequest(text)
	if err != nil {
		return nil, err
	}
	if request.Subject != who {
		return nil, api.Forbidden("%s renews its own certificate, not that of %s.", who, request.Subject)
	}
	var issued pki.Issued
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		key, err := findKey(tx, pin.String())
		if errors.Is(err, db.ErrNotFound) {
			return errKey()
		}
		if err != nil {
			return err
		}
		m, err := findMemberByID(tx, key.MemberID)
		if err != nil {
			return err
		}
		if m.Kind != string(who.Kind) || m.Host != who.Name {
			return errKey()
		}
		if !s.deps.Clock.Now().Before(key.ExpiresAt.Add(grace)) {
			return api.Forbidden("The certificate of %s has expired too long ago; a new join token is needed.", who)
		}
		if err := succeed(tx, key, request.Pin); err != nil {
			return err
		}
		before := viewMember(&m, s.deps.Clock.Now())
		m.Version, m.Address = version, callerAddress(r)
		if issued, err = s.certify(tx, &m, request, key.Pin); err != nil {
			return err
		}
		return s.record(tx, r, "member", m.ID, "renew", before, viewMember(&m, s.deps.Clock.Now()), nil)
	})
	if err != nil {
		return nil, refusedRequest(err)
	}
	return s.membership(ctx, "", issued)
}
