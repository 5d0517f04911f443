package fleet

import (
	"context"
	"errors"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
)

// memberJoin makes the holder of a join token a member.
func (s *Service) memberJoin(ctx context.Context, r *api.Request) (any, error) {
	var body joinRequest
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	shown, err := ParseToken(body.Token)
	if err != nil {
		return nil, errToken()
	}
	if err := s.checkToken(ctx, shown); err != nil { // before anything that costs more
		return nil, err
	}
	request, err := readRequest(body.Request)
	if err != nil {
		return nil, err
	}
	var issued pki.Issued
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) (err error) {
		row, err := findToken(tx, shown.ID)
		if errors.Is(err, db.ErrNotFound) || err == nil && row.Failures >= maxFailures {
			return errToken() // since it was looked at
		}
		if err != nil {
			return err
		}
		issued, err = s.join(tx, r, &row, request, body.Version)
		return err
	})
	if err != nil {
		return nil, refusedRequest(err)
	}
	return s.membership(ctx, request.Subject.Kind, issued)
}

// checkToken looks whether the secret is the token's and counts wrong ones. Strangers who
// name no token cost one read.
func (s *Service) checkToken(ctx context.Context, shown Token) error {
	var row joinToken
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = findToken(tx, shown.ID)
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return errToken()
	case err != nil:
		return err
	case row.Failures >= maxFailures:
		return errToken()
	case row.isSecret(shown.Secret):
		return nil
	}
	if err := s.deps.DB.Write(ctx, func(tx *db.Tx) error { return countFailure(tx, row.ID) }); err != nil {
		return err
	}
	return errToken()
}

// join spends a token whose holder has proved to have it. The key that has spent it may
// come again: the answer may have been lost.
func (s *Service) join(tx *db.Tx, r *api.Request, row *joinToken, request *pki.Request, version string) (pki.Issued, error) {
	now, subject := s.deps.Clock.Now(), request.Subject
	again := row.UsedPin == request.Pin.String() && row.UsedBy == subject.Name
	switch {
	case row.Kind != string(subject.Kind):
		return pki.Issued{}, api.Forbidden("The join token is for a %s, not for a %s.", row.Kind, subject.Kind)
	case row.Host != "" && row.Host != subject.Name:
		return pki.Issued{}, api.Forbidden("The join token is for the host %s, not for %s.", row.Host, subject.Name)
	case row.UsedPin != "" && !again:
		return pki.Issued{}, api.Conflict("The join token has been used already, by the host %s.", row.UsedBy)
	case !again && !now.Before(row.ExpiresAt), again && !now.Before(row.UsedAt.Add(keepTokens)):
		return pki.Issued{}, api.Forbidden("The join token has expired.")
	}
	known, err := findMember(tx, subject)
	switch {
	case errors.Is(err, db.ErrNotFound) && again:
		return pki.Issued{}, api.Conflict("The host %s has joined with this token and has been removed since; a new join token is needed.", subject.Name)
	case errors.Is(err, db.ErrNotFound):
	case err != nil:
		return pki.Issued{}, err
	case again:
		if err := repeats(tx, &known, request.Pin); err != nil {
			return pki.Issued{}, err
		}
	case row.Host == "":
		return pki.Issued{}, api.Conflict("There is a %s %s already. Remove it first, or create a join token for this very host.", subject.Kind, subject.Name)
	default: // the operator has named the host: its keys are replaced
		if err := deleteMember(tx, known.ID); err != nil {
			return pki.Issued{}, err
		}
		tx.AfterCommit(s.keysRemoved)
		if err := s.record(tx, r, "member", known.ID, "delete", viewMember(&known, now), nil, map[string]any{"join_token": row.ID}); err != nil {
			return pki.Issued{}, err
		}
	}
	m, err := s.admitMember(tx, subject)
	if err != nil {
		return pki.Issued{}, err
	}
	m.Version, m.Address = version, callerAddress(r)
	issued, err := s.certify(tx, &m, request, "")
	if err != nil || again {
		return issued, err
	}
	row.UsedAt, row.UsedBy, row.UsedPin = now, subject.Name, request.Pin.String()
	if err := updateToken(tx, *row); err != nil {
		return pki.Issued{}, err
	}
	return issued, s.record(tx, r, "member", m.ID, "create", nil, viewMember(&m, now), map[string]any{"join_token": row.ID})
}

// repeats checks that a key which has spent a token is still the member's first: one that was
// followed by another, or is that of a member removed since, joins no more.
func repeats(tx *db.Tx, m *member, pin pki.Pin) error {
	key, err := findKey(tx, pin.String())
	if errors.Is(err, db.ErrNotFound) || err == nil && key.MemberID != m.ID {
		return api.Conflict("The key that has used the join token is not the host's any more; a new join token is needed.")
	}
	if err != nil {
		return err
	}
	_, err = newest(tx, key)
	return err
}
