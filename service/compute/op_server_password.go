package compute

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const opPassword = "server_change_password"

// The reasons for which a password is not changed, as nova has them.
const (
	textNoAgent     = "Guest agent is not enabled for the instance"
	textAgentSilent = "Unable to set password on instance"
)

// passwordParams is empty: what stands in parameters is kept, so the password stands sealed in a
// table of its own until the operation has ended.
type passwordParams struct{}

type passwordFrame struct{}

type passwordRun = work.Run[passwordParams, passwordFrame]

// serverPassword has the guest agent of a server give its administrator a password. Doing it
// twice does no harm, and there is nothing to take back: the old password is not known.
func (s *Service) serverPassword() work.Registrable {
	return work.Kind[passwordParams, passwordFrame]{
		Name: opPassword, Deadline: 5 * time.Minute,
		Steps: []work.Step[passwordParams, passwordFrame]{{Name: "set", Do: s.passwordSet, Tries: 3}},
		Failed: func(tx *db.Tx, run *passwordRun, reason string) error {
			s.ringOperation(tx, run.Operation.ID)
			if run.Operation.Cancelled {
				return nil
			}
			return s.alterServer(tx, s.ofOperation(run.Operation, "changePassword.error"), func(row *server) {
				row.Detail.PlainNewPass = ""
				row.Detail.Fault = &fault{Code: 500, Message: reason, Created: s.clock.Now()}
			})
		},
	}
}

func (s *Service) passwordSet(ctx context.Context, run *passwordRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	password, known, err := s.newPassword(ctx, row)
	switch {
	case err != nil:
		return err
	case !known: // never another one in its place, such as none
		return work.Failf("Failed to set admin password on %s because the password is not kept any more", row.ID)
	}
	_, err = s.askHost(ctx, row.Host, orders.QuestionPassword, orders.PasswordQuestion{ServerID: row.ID, User: adminUserOf(row),
		Password: orders.Secret(password)})
	switch {
	case err == nil:
	case errors.Is(err, errHostSilent):
		return work.Failf("The host of instance %s does not answer.", row.ID)
	case saidInVain(err, orders.ErrNoAgent):
		return work.Failf(textNoAgent)
	case saidInVain(err, orders.ErrAgentSilent):
		return work.Failf(textAgentSilent)
	case saidInVain(err, orders.ErrOff), saidInVain(err, orders.ErrNoGuest):
		return work.Failf("Failed to set admin password on %s because instance %s is not running", row.ID, row.ID)
	default: // the agent's own words are not for everybody
		s.log.WarnContext(ctx, "set password", "server", row.ID, "error", err)
		return work.Failf("Failed to set admin password on %s because error setting admin password", row.ID)
	}
	run.InCommit(func(tx *db.Tx) error {
		s.ringOperation(tx, run.Operation.ID)
		return s.alterServer(tx, s.ofOperation(run.Operation, "changePassword"), func(row *server) {
			if sealed := sealedForKey(row.Detail.KeyPublic, password); sealed != "" {
				row.Detail.Password = sealed
			}
			row.Detail.PlainNewPass = ""
		})
	})
	return nil
}

// adminUserOf is whose password an administrator's is.
func adminUserOf(row *server) string {
	if user := row.Detail.Image.Properties["os_admin_user"]; user != "" {
		return user
	}
	if row.Detail.Image.Properties["os_type"] == "windows" {
		return "Administrator"
	}
	return "root"
}

// sealedForKey is a password that only the owner of an RSA key can read, in the form in which
// nova's clients open it (PKCS #1 v1.5, base64); empty for other keys.
func sealedForKey(publicKey, password string) string {
	if !strings.HasPrefix(publicKey, "ssh-rsa ") {
		return ""
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(publicKey))
	if err != nil {
		return ""
	}
	holder, ok := parsed.(ssh.CryptoPublicKey)
	if !ok {
		return ""
	}
	key, ok := holder.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return ""
	}
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, key, []byte(password)) //nolint:staticcheck // what clients decrypt with
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sealed)
}

// actionChangePassword waits for the end of the operation, as nova does: whether the guest
// takes the password is what the caller wants to know.
func (s *Service) actionChangePassword(ctx context.Context, r *api.Request, _ *server, argument json.RawMessage) (any, error) {
	var in struct {
		AdminPass string `json:"adminPass"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute changePassword.")
	}
	operation, err := s.start(ctx, r, "changePassword", opPassword, passwordParams{}, func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return api.Conflict("Instance %s is not ready", row.ID)
		}
		return inStates("changePassword", vmActive)(row, t)
	}, func(tx *db.Tx, row *server) error {
		return s.putPassword(tx, row.ID, forChange, in.AdminPass)
	})
	if err != nil {
		return nil, err
	}
	o, err := s.waitForOperation(ctx, operation)
	switch {
	case err != nil:
		return nil, err
	case o.State == work.Done:
		return accepted(), nil
	case o.Error == textAgentSilent:
		return nil, api.Errorf(http.StatusNotImplemented, "%s", o.Error)
	}
	return nil, api.Conflict("%s", o.Error)
}

// passwordShow answers GET …/os-server-password: what the guest has deposited, sealed for its
// owner's key.
func (s *Service) passwordShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]string{"password": api.Loaded[serverTarget](r).Detail.Password}, nil
}

// passwordClear forgets what was deposited; the guest's password stays as it is.
func (s *Service) passwordClear(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeServer(ctx, r, "clear_password", func(_ *db.Tx, row *server) error {
		row.Detail.Password = ""
		return nil
	})
	return nil, err
}
