package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

// PasswordRules say what passwords have to be and when accounts are closed; the zero value has
// no rules. A user's options ignore_lockout_failure_attempts, ignore_password_expiry,
// ignore_change_password_upon_first_use and ignore_user_inactivity make exceptions.
type PasswordRules struct {
	// LockoutAttempts is how many failed log-ins in a row lock an account, for LockoutDuration
	// (0: until an administrator sets another password).
	LockoutAttempts int
	LockoutDuration time.Duration
	// History is how many of the last passwords a user may not choose again.
	History int
	// MinimumAge is how long a password has to stay before its user may change it again.
	MinimumAge time.Duration
	// ExpiresAfter is how long a password may be used.
	ExpiresAfter time.Duration
	// InactiveAfter is how long a user may stay away before the account is closed.
	InactiveAfter time.Duration
	// Patterns must all match a password that a user chooses; Description tells the user.
	Patterns    []*regexp.Regexp
	Description string
	// ChangeUponFirstUse has a password that an administrator sets be changed before it is used.
	ChangeUponFirstUse bool
}

// option tells whether a user's option is set.
func (u *userRow) option(name string) bool {
	set, _ := u.Options[name].(bool)
	return set
}

// locked tells whether too many log-ins have failed.
func (p PasswordRules) locked(u userRow, now time.Time) bool {
	if p.LockoutAttempts <= 0 || u.FailedLogins < p.LockoutAttempts || u.option("ignore_lockout_failure_attempts") {
		return false
	}
	return p.LockoutDuration == 0 || now.Before(u.FailedAt.Add(p.LockoutDuration))
}

// inactive tells whether the user has been away for too long.
func (p PasswordRules) inactive(u userRow, now time.Time) bool {
	return p.InactiveAfter > 0 && !u.ActiveAt.IsZero() && !u.option("ignore_user_inactivity") && now.After(u.ActiveAt.Add(p.InactiveAfter))
}

// stale tells whether the user's password has expired.
func (p PasswordRules) stale(u userRow, now time.Time) bool {
	return expired(u.PasswordExpires, now) && !u.option("ignore_password_expiry")
}

// set notes a new password in a row; own tells that the user chose it.
func (p PasswordRules) set(u *userRow, hash token.Secret, own bool, now time.Time) {
	u.PasswordHash, u.PasswordSetAt, u.PasswordExpires, u.FailedLogins, u.ActiveAt = hash, now, time.Time{}, 0, now
	if p.ExpiresAfter > 0 {
		u.PasswordExpires = now.Add(p.ExpiresAfter)
	}
	if p.ChangeUponFirstUse && !own && !u.option("ignore_change_password_upon_first_use") {
		u.PasswordExpires = now
	}
	if hash == "" {
		u.PasswordExpires = time.Time{}
	}
}

// checkForm refuses a password that is not of the form that is asked for.
func (p PasswordRules) checkForm(password token.Secret) error {
	for _, pattern := range p.Patterns {
		if !pattern.MatchString(password.Reveal()) {
			description := p.Description
			if description == "" {
				description = "it must match " + pattern.String()
			}
			return api.BadRequest("Password validation error: The password does not match the requirements: %s.", description)
		}
	}
	return nil
}

// checkOwn refuses a password that its user may not choose now: too early, or one of the last.
func (s *Service) checkOwn(ctx context.Context, u userRow, password token.Secret) error {
	rules := s.deps.PasswordRules
	if now := s.deps.Clock.Now(); rules.MinimumAge > 0 && now.Before(u.PasswordSetAt.Add(rules.MinimumAge)) && !rules.stale(u, now) {
		return api.BadRequest("Password validation error: Cannot change password before minimum age of %s is met. It can be changed from %s.",
			rules.MinimumAge, viewTime(u.PasswordSetAt.Add(rules.MinimumAge)))
	}
	if rules.History == 0 {
		return nil
	}
	var hashes []token.Secret
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		hashes, err = passwordHistory(tx, u.ID, rules.History)
		return err
	}); err != nil {
		return err
	}
	for _, hash := range append(hashes, u.PasswordHash) {
		known, err := s.hasher.matches(ctx, password, hash)
		if err != nil {
			return err
		}
		if known {
			return api.BadRequest("Password validation error: The new password cannot be identical to a previous password."+
				" The total number which includes the new password must be unique is %d.", rules.History)
		}
	}
	return nil
}

// checkPassword finds the user whom a name and a password are of. It answers alike, and after
// the same time, for a wrong password, a user who is not there and one whose account is closed.
func (s *Service) checkPassword(ctx context.Context, body *passwordBody) (userRow, error) {
	if err := checkNamed(&body.User.nameBody, "user"); err != nil {
		return userRow{}, err
	}
	var user userRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		user, err = findUser(tx, &body.User.nameBody)
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return user, err
	}
	right, err := s.hasher.matches(ctx, body.User.Password.Secret, user.PasswordHash)
	if err != nil {
		return user, err
	}
	now := s.deps.Clock.Now()
	rules := s.deps.PasswordRules
	switch {
	case user.ID == "":
		return user, &refusedLogin{"", "there is no such user"}
	case rules.locked(user, now):
		return user, &refusedLogin{user.ID, "the account is locked"}
	case !right:
		return user, errors.Join(&refusedLogin{user.ID, "the password is wrong"}, s.noteFailure(ctx, user, now))
	case !user.Enabled || rules.inactive(user, now):
		return user, &refusedLogin{user.ID, "the user is disabled"}
	}
	return user, s.noteLogin(ctx, user, now)
}

// noteFailure counts a failed log-in. A lock that has run out begins to count anew.
func (s *Service) noteFailure(ctx context.Context, user userRow, now time.Time) error {
	rules := s.deps.PasswordRules
	if rules.LockoutAttempts <= 0 || user.option("ignore_lockout_failure_attempts") {
		return nil
	}
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		u, err := userByID(tx, user.ID)
		if err != nil {
			return orDenied(err, "user", user.ID)
		}
		count := u.FailedLogins + 1
		if u.FailedLogins >= rules.LockoutAttempts && !rules.locked(u, now) {
			count = 1
		}
		return setLogins(tx, u.ID, count, now, u.ActiveAt)
	})
}

// activityStep is how exactly it is known when a user was last active.
const activityStep = time.Hour

// noteLogin forgets failures and notes, now and then, that the user is active.
func (s *Service) noteLogin(ctx context.Context, user userRow, now time.Time) error {
	if user.FailedLogins == 0 && (s.deps.PasswordRules.InactiveAfter == 0 || now.Before(user.ActiveAt.Add(activityStep))) {
		return nil
	}
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error { return setLogins(tx, user.ID, 0, time.Time{}, now) })
}

// expiredPassword is what a user gets to read who has to choose another password first.
func (s *Service) expiredPassword(userID string) *api.Error {
	e := s.unauthorized()
	e.Message = fmt.Sprintf("The password is expired and needs to be changed for user: %s.", userID)
	return e
}

// userPassword answers POST /v3/users/{user_id}/password, which needs no token: the
// original password says who calls. An expired one does, too.
func (s *Service) userPassword(ctx context.Context, r *api.Request) (any, error) {
	var body passwordChangeBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	proved, err := s.checkPassword(ctx, &passwordBody{User: userPassword{nameBody{ID: r.Param("user_id")}, body.User.Original}})
	if err != nil {
		s.recordRefusal(r, methodPassword, &nameBody{ID: r.Param("user_id")}, err)
		return nil, s.refusal(err)
	}
	wish := body.User.Password.Secret
	if wish == "" {
		return nil, api.BadRequest("Password validation error: the new password is empty.")
	}
	if err := s.deps.PasswordRules.checkForm(wish); err != nil {
		return nil, err
	}
	if err := s.checkOwn(ctx, proved, wish); err != nil {
		return nil, err
	}
	hash, err := s.hasher.hash(ctx, wish)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, r, func(c *change) error {
		row, err := userByID(c.Tx, proved.ID)
		if err != nil || row.ValidAfter != proved.ValidAfter {
			return s.unauthorized() // it was changed or deleted meanwhile
		}
		if row.option("lock_password") {
			return api.BadRequest("You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator to reset your password.")
		}
		if err := s.keepPassword(c, row); err != nil {
			return err
		}
		s.deps.PasswordRules.set(&row, hash, true, c.now)
		row.voidTokens(c)
		return updateUser(c, row)
	})
	if err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusNoContent}, nil
}

// keepPassword puts a password that is about to be replaced into the history.
func (s *Service) keepPassword(c *change, row userRow) error {
	if s.deps.PasswordRules.History == 0 || row.PasswordHash == "" {
		return nil
	}
	return insertPassword(c, passwordRow{ID: s.newID(), UserID: row.ID, SetAt: c.now, Hash: row.PasswordHash}, s.deps.PasswordRules.History)
}
