package identity

import (
	"encoding/json"
	"slices"
	"time"

	"virga/core/db"
)

// requestTokenRow is a consumer's wish to be handed on roles on a project.
type requestTokenRow struct {
	ID         string `db:"id"`
	Sealed     string `db:"secret_sealed"`
	ConsumerID string `db:"consumer_id"`
	ProjectID  string `db:"project_id"`
	// UserID is who has granted the wish, with the roles; empty until then.
	UserID       string    `db:"user_id"`
	VerifierHash string    `db:"verifier_hash"`
	Roles        []string  `db:"roles,json"`
	Expires      time.Time `db:"expires"`
}

// accessTokenRow lets a consumer act on a project with some roles of a user.
type accessTokenRow struct {
	ID         string    `db:"id"`
	Sealed     string    `db:"secret_sealed"`
	ConsumerID string    `db:"consumer_id"`
	ProjectID  string    `db:"project_id"`
	UserID     string    `db:"user_id"`
	Roles      []string  `db:"roles,json"`
	Expires    time.Time `db:"expires"`
}

func requestTokenByID(tx *db.Tx, id string) (requestTokenRow, error) {
	var row requestTokenRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM request_tokens WHERE id = ?", id)
	return row, err
}

func accessTokenByID(tx *db.Tx, id string) (accessTokenRow, error) {
	var row accessTokenRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM access_tokens WHERE id = ?", id)
	return row, err
}

func insertRequestToken(c *change, row requestTokenRow) error {
	if err := checkSealed(c.Tx, row.Sealed); err != nil {
		return err
	}
	return c.Insert("request_tokens", row)
}

// grantRequestToken writes down who grants the wish; false when somebody has before.
func grantRequestToken(c *change, row requestTokenRow) (bool, error) {
	roles, err := json.Marshal(row.Roles)
	if err != nil {
		return false, err
	}
	changed, err := c.Exec("UPDATE request_tokens SET user_id = ?, verifier_hash = ?, roles = ? WHERE id = ? AND user_id = ''",
		row.UserID, row.VerifierHash, string(roles), row.ID)
	return changed > 0, err
}

// exchangeRequestToken puts an access token in the place of a request token; false when that
// is gone.
func exchangeRequestToken(c *change, requestID string, row accessTokenRow) (bool, error) {
	gone, err := c.Exec("DELETE FROM request_tokens WHERE id = ?", requestID)
	if err != nil || gone == 0 {
		return false, err
	}
	if err := checkSealed(c.Tx, row.Sealed); err != nil {
		return false, err
	}
	if err := c.Insert("access_tokens", row); err != nil {
		return false, err
	}
	return true, c.record("access_token", "create", row.ID, nil, documentOfAccessToken(row))
}

func removeAccessToken(c *change, row accessTokenRow) error {
	if _, err := c.Exec("DELETE FROM access_tokens WHERE id = ?", row.ID); err != nil {
		return err
	}
	c.forgetUser(row.UserID)
	return c.record("access_token", "delete", row.ID, documentOfAccessToken(row), nil)
}

// removeOAuthWhere deletes the request and access tokens of a user, a project or a consumer that
// goes.
func removeOAuthWhere(c *change, column, id string) error {
	if _, err := c.Exec("DELETE FROM request_tokens WHERE "+column+" = ?", id); err != nil {
		return err
	}
	var rows []accessTokenRow
	if err := c.Select(&rows, "SELECT "+db.Columns(accessTokenRow{}, "")+" FROM access_tokens WHERE "+column+" = ? ORDER BY id", id); err != nil {
		return err
	}
	return removeAccessTokens(c, rows)
}

func removeAccessTokens(c *change, rows []accessTokenRow) error {
	for _, row := range rows {
		if err := removeAccessToken(c, row); err != nil {
			return err
		}
	}
	return nil
}

// removeOAuthOfRole deletes the access tokens that hand on a role that goes.
func removeOAuthOfRole(c *change, roleID string) error {
	var rows []accessTokenRow
	if err := c.Select(&rows, "SELECT "+db.Columns(accessTokenRow{}, "")+" FROM access_tokens WHERE roles LIKE ? ORDER BY id", "%"+roleID+"%"); err != nil {
		return err
	}
	return removeAccessTokens(c, slices.DeleteFunc(rows, func(row accessTokenRow) bool { return !slices.Contains(row.Roles, roleID) }))
}

// insertNonce remembers a nonce until its time is over; db.ErrDuplicate when it was used before.
func insertNonce(tx *db.Tx, id string, expires time.Time) error {
	return tx.Insert("oauth_nonces", struct {
		ID      string    `db:"id"`
		Expires time.Time `db:"expires"`
	}{id, expires})
}

// pruneOAuth deletes what has expired.
func pruneOAuth(c *change) error {
	for _, table := range []string{"oauth_nonces", "request_tokens", "access_tokens"} {
		if _, err := c.Exec("DELETE FROM "+table+" WHERE expires > 0 AND expires < ?", c.now); err != nil {
			return err
		}
	}
	return nil
}

type accessTokenDocument struct {
	ID         string     `json:"id"`
	ConsumerID string     `json:"consumer_id"`
	ProjectID  string     `json:"project_id"`
	UserID     string     `json:"authorizing_user_id"`
	Roles      []string   `json:"roles"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func documentOfAccessToken(row accessTokenRow) *accessTokenDocument {
	doc := &accessTokenDocument{ID: row.ID, ConsumerID: row.ConsumerID, ProjectID: row.ProjectID, UserID: row.UserID, Roles: row.Roles}
	if !row.Expires.IsZero() {
		doc.ExpiresAt = &row.Expires
	}
	return doc
}
