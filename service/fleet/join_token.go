package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
	"virga/core/token"
)

// joinToken is a row of join_tokens.
type joinToken struct {
	ID         string    `db:"id"`
	Kind       string    `db:"kind"`
	Host       string    `db:"host"` // empty: any that is no member yet
	SecretHash string    `db:"secret_hash"`
	CreatedBy  string    `db:"created_by"`
	CreatedAt  time.Time `db:"created_at"`
	ExpiresAt  time.Time `db:"expires_at"`
	Failures   int64     `db:"failures"`
	UsedAt     time.Time `db:"used_at"`
	UsedBy     string    `db:"used_by"`
	UsedPin    string    `db:"used_pin"`
}

const (
	defaultTTL = time.Hour
	// maxFailures is how many wrong secrets a token takes before it is worth nothing.
	maxFailures = 10
	// keepTokens is how long tokens are shown after they have expired, and how long the key
	// that has used one can have its answer repeated.
	keepTokens = 24 * time.Hour
)

// Token is a join token as a person carries it: which one, its secret, and the pin of
// the authority of the cloud that it leads into.
type Token struct {
	ID        string
	Secret    token.Secret
	Authority pki.Pin
}

const tokenPrefix = "vj1"

// Reveal is the token's text: vj1.ID.SECRET.PIN.
func (t Token) Reveal() string {
	return strings.Join([]string{tokenPrefix, t.ID, t.Secret.Reveal(), base64.RawURLEncoding.EncodeToString(t.Authority[:])}, ".")
}

// ErrToken is returned for texts that are no join tokens.
var ErrToken = errors.New("the text is not a join token as `virga token create` shows it")

// ParseToken reads a token's text.
func ParseToken(text string) (Token, error) {
	parts := strings.Split(text, ".")
	if len(text) > 512 || len(parts) != 4 || parts[0] != tokenPrefix {
		return Token{}, ErrToken
	}
	t := Token{ID: parts[1], Secret: token.Secret(parts[2])}
	pin, err := base64.RawURLEncoding.Strict().DecodeString(parts[3])
	if err != nil || len(pin) != len(t.Authority) || len(t.ID) != 36 || len(parts[2]) != 43 {
		return Token{}, ErrToken
	}
	copy(t.Authority[:], pin)
	return t, nil
}

func hashSecret(secret token.Secret) string {
	sum := sha256.Sum256([]byte(secret.Reveal())) // 256 random bits: a slow hash would add nothing
	return hex.EncodeToString(sum[:])
}

func (t *joinToken) isSecret(secret token.Secret) bool {
	return subtle.ConstantTimeCompare([]byte(t.SecretHash), []byte(hashSecret(secret))) == 1
}

func (s *Service) tokenCreate(ctx context.Context, r *api.Request) (any, error) {
	body := joinTokenRequest{Kind: string(pki.Node), TTL: int64(defaultTTL / time.Second)}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if !s.deps.Secure {
		return nil, api.Conflict("Machines join over TLS, which is off: the cloud listens on loopback alone, or was started with --tls off.")
	}
	if body.Kind == string(pki.Controller) && s.deps.Handover == nil {
		return nil, api.Conflict("Controllers cannot join this cloud: its data is in files of one machine. It needs a database server and a broker.")
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make join token: %w", err)
	}
	now := s.deps.Clock.Now()
	shown := Token{ID: s.deps.Clock.ID(), Secret: token.Secret(base64.RawURLEncoding.EncodeToString(secret)), Authority: s.deps.Authority.Pin()}
	row := joinToken{
		ID: shown.ID, Kind: body.Kind, Host: body.Host, SecretHash: hashSecret(shown.Secret), CreatedBy: r.UserID(),
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(body.TTL) * time.Second),
	}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := insertToken(tx, row); err != nil {
			return err
		}
		return s.record(tx, r, "join_token", row.ID, "create", nil, viewToken(&row, now), nil)
	})
	if err != nil {
		return nil, err
	}
	view := viewToken(&row, now)
	view.Token = shown.Reveal()
	return joinTokenAnswer{view}, nil
}

func (s *Service) tokenList(ctx context.Context, r *api.Request) (any, error) {
	page, err := api.Paging{Max: 1000, Order: []db.Order{{Column: "created_at"}}}.Read(r.Query)
	if err != nil {
		return nil, err
	}
	var rows []joinToken
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err = listTokens(tx, page)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("The marker %q is no join token.", page.Marker)
	}
	if err != nil {
		return nil, err
	}
	answer := joinTokensAnswer{Tokens: make([]joinTokenView, len(rows)), Links: []linkView{}}
	for i := range rows {
		answer.Tokens[i] = viewToken(&rows[i], s.deps.Clock.Now())
	}
	if len(rows) > 0 && len(rows) == page.Limit {
		answer.Links = append(answer.Links, linkView{"next", r.SelfURL(api.NextQuery(r.Query, rows[len(rows)-1].ID))})
	}
	return answer, nil
}

func (s *Service) tokenDelete(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("id")
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := findToken(tx, id)
		if err != nil {
			return err
		}
		if err := deleteToken(tx, id); err != nil {
			return err
		}
		return s.record(tx, r, "join_token", id, "delete", viewToken(&row, s.deps.Clock.Now()), nil, nil)
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, api.NotFound("There is no join token %s.", id)
	}
	return nil, err
}

func (s *Service) pruneTokens(ctx context.Context) error {
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error { return deleteTokensBefore(tx, s.deps.Clock.Now().Add(-keepTokens)) })
}
