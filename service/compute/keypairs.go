package compute

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

// keypairTarget is a key pair as a route's target; it belongs to a user.
type keypairTarget struct{ *keypair }

// PolicyTarget implements api.Target.
func (k keypairTarget) PolicyTarget() authz.Target { return authz.Target{"user_id": k.UserID} }

// HiddenError implements api.Hidden.
func (k keypairTarget) HiddenError() error { return noSuchKeypair(k.UserID, k.Name) }

func noSuchKeypair(userID, name string) error {
	return api.NotFound("Keypair %s not found for user %s", name, userID)
}

// keypairUser is whose key pairs a request is about: since 2.10 administrators may name another.
func keypairUser(r *api.Request) string {
	if asked := r.Query.Get("user_id"); asked != "" && r.Version.AtLeast(vKeypairUser) {
		return asked
	}
	return r.UserID()
}

func (s *Service) loadKeypair(ctx context.Context, r *api.Request) (api.Target, error) {
	var row *keypair
	userID, name := keypairUser(r), r.Param("name")
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = findKeypair(tx, userID, name)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, noSuchKeypair(userID, name)
	}
	return keypairTarget{row}, err
}

type keypairView struct {
	Name        string   `json:"name"`
	Type        string   `json:"type,omitempty"`
	PublicKey   string   `json:"public_key"`
	Fingerprint string   `json:"fingerprint"`
	PrivateKey  string   `json:"private_key,omitempty"`
	UserID      string   `json:"user_id,omitempty"`
	ID          int64    `json:"id,omitempty"`
	Deleted     *bool    `json:"deleted,omitempty"`
	CreatedAt   *string  `json:"created_at,omitempty"`
	UpdatedAt   **string `json:"updated_at,omitempty"`
	DeletedAt   **string `json:"deleted_at,omitempty"`
}

func viewKeypair(r *api.Request, k *keypair) keypairView {
	view := keypairView{Name: k.Name, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint}
	if r.Version.AtLeast(vKeypairType) {
		view.Type = k.Type
	}
	return view
}

func (s *Service) keypairShow(_ context.Context, r *api.Request) (any, error) {
	k := api.Loaded[keypairTarget](r)
	view := viewKeypair(r, k.keypair)
	var none *string
	deleted, created := false, microTime(k.CreatedAt)
	view.UserID, view.ID, view.Deleted, view.CreatedAt, view.UpdatedAt, view.DeletedAt = k.UserID, k.Num, &deleted, &created, &none, &none
	return map[string]any{"keypair": view}, nil
}

const maxKeypairs = 1000

func (s *Service) keypairList(ctx context.Context, r *api.Request) (any, error) {
	userID := keypairUser(r)
	if err := r.May(ruleKeypairsIndex, authz.Target{"user_id": userID}); err != nil {
		return nil, err
	}
	page := api.Page{Limit: maxKeypairs}
	if r.Version.AtLeast(vKeypairPaging) {
		var err error
		if page, err = readPage(r, api.Paging{Max: maxKeypairs}); err != nil {
			return nil, err
		}
		if page.Limit == 0 {
			return withLinks("keypairs", []any{}, nil), nil
		}
	}
	var rows []keypair
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listKeypairs(tx, userID, page.Marker, page.Limit)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("Marker %s could not be found.", page.Marker)
	}
	if err != nil {
		return nil, err
	}
	list := []map[string]any{}
	for i := range rows {
		list = append(list, map[string]any{"keypair": viewKeypair(r, &rows[i])})
	}
	full := r.Version.AtLeast(vKeypairPaging) && len(rows) == page.Limit
	last := ""
	if full {
		last = rows[len(rows)-1].Name
	}
	return withLinks("keypairs", list, nextLinks(r, full, last)), nil
}

var (
	keypairName    = regexp.MustCompile(`^[A-Za-z0-9 _-]{1,255}$`)
	keypairName292 = regexp.MustCompile(`^[A-Za-z0-9 _@.-]{1,255}$`)
)

type keypairBody struct {
	Keypair struct {
		Name      string  `json:"name"`
		PublicKey *string `json:"public_key"`
		Type      *string `json:"type"`
		UserID    *string `json:"user_id"`
	} `json:"keypair"`
}

func (s *Service) keypairCreate(ctx context.Context, r *api.Request) (any, error) {
	var body keypairBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, private, err := s.makeKeypair(r, body)
	if err != nil {
		return nil, err
	}
	if err := r.May(ruleKeypairsCreate, authz.Target{"user_id": row.UserID}); err != nil {
		return nil, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := countKeypairs(tx, row.UserID)
		if err != nil {
			return err
		}
		limits, err := s.quotaLimits(tx, r.ProjectID())
		if err != nil {
			return err
		}
		if over(limits[quotaKeypairs], n, 1) {
			return api.Forbidden("Quota exceeded, too many key pairs.")
		}
		if err := insertKeypair(tx, *row); err != nil {
			return err
		}
		after := &keypairDocument{Name: row.Name, UserID: row.UserID, Type: row.Type, PublicKey: row.PublicKey, Fingerprint: row.Fingerprint, CreatedAt: row.CreatedAt}
		return s.record(tx, r, feed.Change{Kind: "keypair", ID: row.UserID + "/" + row.Name, Action: "create", After: after})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, api.Conflict("Key pair '%s' already exists.", row.Name)
	}
	if err != nil {
		return nil, err
	}
	view := viewKeypair(r, &keypair{Name: row.Name, Type: row.Type, PublicKey: row.PublicKey, Fingerprint: row.Fingerprint})
	view.UserID, view.PrivateKey = row.UserID, private.Reveal()
	status := 200
	if r.Version.AtLeast(vKeypairType) {
		status = 201
	}
	return &api.Response{Status: status, Body: map[string]any{"keypair": view}}, nil
}

// makeKeypair imports the given public key or makes a new pair, of which the private half
// is returned once.
func (s *Service) makeKeypair(r *api.Request, body keypairBody) (*newKeypair, token.Secret, error) {
	in := body.Keypair
	allowed := keypairName
	if r.Version.AtLeast(vKeypairImport) {
		allowed = keypairName292
	}
	switch {
	case !allowed.MatchString(in.Name) || strings.TrimSpace(in.Name) != in.Name:
		return nil, "", api.BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
	case in.Type != nil && r.Version.Before(vKeypairType):
		return nil, "", unexpectedField("keypair", "type")
	case in.UserID != nil && r.Version.Before(vKeypairUser):
		return nil, "", unexpectedField("keypair", "user_id")
	case in.Type != nil && *in.Type != keySSH && *in.Type != keyX509:
		return nil, "", api.BadRequest("Invalid input for field/attribute type. Value: %s. '%s' is not one of ['ssh', 'x509']", oneLine(*in.Type, 20), oneLine(*in.Type, 20))
	case in.PublicKey == nil && r.Version.AtLeast(vKeypairImport):
		return nil, "", api.BadRequest("Invalid input for field/attribute keypair. 'public_key' is a required property")
	}
	row := &newKeypair{UserID: r.UserID(), Name: in.Name, Type: keySSH, CreatedAt: s.clock.Now()}
	if in.Type != nil {
		row.Type = *in.Type
	}
	if in.UserID != nil {
		row.UserID = *in.UserID
	}
	if in.PublicKey == nil {
		public, private, err := s.generate(row)
		row.PublicKey = public
		if err == nil {
			row.Fingerprint, err = fingerprintOf(row.Type, public)
		}
		return row, private, err
	}
	row.PublicKey = strings.TrimSpace(*in.PublicKey)
	var err error
	if row.Fingerprint, err = fingerprintOf(row.Type, row.PublicKey); err != nil {
		return nil, "", api.BadRequest("Keypair data is invalid: failed to generate fingerprint").Because(err)
	}
	return row, "", nil
}

// The types of key pairs.
const (
	keySSH  = "ssh"
	keyX509 = "x509"
)

// generate makes a pair of the row's type.
func (s *Service) generate(row *newKeypair) (string, token.Secret, error) {
	if row.Type == keyX509 {
		return generateCertificate(row.UserID, row.CreatedAt)
	}
	return generateKey("Generated-by-Virga")
}

// fingerprintOf is what the compute API shows: MD5 of SSH keys, SHA-1 of certificates.
func fingerprintOf(kind, public string) (string, error) {
	if kind == keyX509 {
		return fingerprintOfCertificate(public)
	}
	if strings.ContainsAny(public, "\n\r") {
		return "", errors.New("a public key is one line")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil {
		return "", fmt.Errorf("read public key: %w", err)
	}
	if len(options) > 0 {
		return "", errors.New("a public key has no options before it")
	}
	return ssh.FingerprintLegacyMD5(key), nil
}

// generateKey makes an Ed25519 key pair in OpenSSH's formats.
func generateKey(comment string) (string, token.Secret, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic))) + " " + comment
	return line, token.Secret(pem.EncodeToMemory(block)), nil
}

func (s *Service) keypairDelete(ctx context.Context, r *api.Request) (any, error) {
	k := api.Loaded[keypairTarget](r)
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		there, err := deleteKeypair(tx, k.UserID, k.Name)
		if err != nil {
			return err
		}
		if !there {
			return noSuchKeypair(k.UserID, k.Name)
		}
		return s.record(tx, r, feed.Change{Kind: "keypair", ID: k.UserID + "/" + k.Name, Action: "delete", Before: documentOfKeypair(k.keypair)})
	})
	if err != nil {
		return nil, err
	}
	status := 202
	if r.Version.AtLeast(vKeypairType) {
		status = 204
	}
	return &api.Response{Status: status}, nil
}
