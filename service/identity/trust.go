package identity

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/token"
)

// maxRedelegations is how long a chain of trusts may become; keystone's default.
const maxRedelegations = 3

func isGone(err error) bool { return errors.Is(err, db.ErrNotFound) }

// loadTrust finds a trust that still stands. That it does not is told to everybody, as in
// keystone: its id says nothing of it.
func (s *Service) loadTrust(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("trust_id")
	found := loaded[trustRow]{}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found.row, err = trustByID(tx, id)
		return err
	})
	if isGone(err) || err == nil && expired(found.row.Expires, s.deps.Clock.Now()) {
		return nil, notFound("trust", id)
	}
	found.target = trustTarget(found.row)
	return found, err
}

func trustTarget(row trustRow) authz.Target {
	return targetOf("trust", map[string]any{"id": row.ID, "trustor_user_id": row.TrustorID, "trustee_user_id": row.TrusteeID, "project_id": orNil(row.ProjectID)})
}

// ownTrusts has the rule of creating see the caller as trustor; the handler sees to it that
// the body says so, too.
func (s *Service) ownTrusts(_ context.Context, r *api.Request) (api.Target, error) {
	return loaded[trustRow]{target: trustTarget(trustRow{TrustorID: r.Identity.UserID})}, nil
}

// trustList answers GET /v3/OS-TRUST/trusts: all, or those of a trustor or a trustee.
func (s *Service) trustList(ctx context.Context, r *api.Request) (any, error) {
	trustor, trustee := r.Query.Get("trustor_user_id"), r.Query.Get("trustee_user_id")
	rule := "identity:list_trusts"
	switch {
	case trustor != "":
		rule = "identity:list_trusts_for_trustor"
	case trustee != "":
		rule = "identity:list_trusts_for_trustee"
	}
	if err := r.May(rule, trustTarget(trustRow{TrustorID: trustor, TrusteeID: trustee})); err != nil {
		return nil, err
	}
	shape := listing{table: "trusts", sorts: []string{"id"}, filters: map[string]filter{
		"trustor_user_id": {"trustor_id", filterExact}, "trustee_user_id": {"trustee_id", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	list.Where("(expires = 0 OR expires > ?)", s.deps.Clock.Now())
	return listOf(ctx, s, r, "trusts", list, func(row trustRow) string { return row.ID },
		func(r *api.Request, row trustRow) (json.RawMessage, error) { return viewTrust(r, row, nil) })
}

// trustShow answers GET /v3/OS-TRUST/trusts/{trust_id}.
func (s *Service) trustShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[trustRow](r)
	if err != nil {
		return nil, err
	}
	return s.showTrust(ctx, r, row)
}

func (s *Service) showTrust(ctx context.Context, r *api.Request, row trustRow) (any, error) {
	roles, err := s.trustRoles(ctx, r, row)
	if err != nil {
		return nil, err
	}
	view, err := viewTrust(r, row, roles)
	return map[string]any{"trust": view}, err
}

func (s *Service) trustRoles(ctx context.Context, r *api.Request, row trustRow) ([]json.RawMessage, error) {
	var rows []roleRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = rolesByID(tx, row.Roles)
		return err
	}); err != nil {
		return nil, err
	}
	views, err := viewEach(r, rows, viewRole)
	if views == nil {
		views = []json.RawMessage{}
	}
	return views, err
}

// trustRoleList answers GET /v3/OS-TRUST/trusts/{trust_id}/roles.
func (s *Service) trustRoleList(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[trustRow](r)
	if err != nil {
		return nil, err
	}
	views, err := s.trustRoles(ctx, r, row)
	return collection(r, "roles", views, ""), err
}

// trustRoleShow answers GET and HEAD /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}.
func (s *Service) trustRoleShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[trustRow](r)
	if err != nil {
		return nil, err
	}
	id := r.Param("role_id")
	if !slices.Contains(row.Roles, id) {
		return nil, notFound("role", id)
	}
	row.Roles = []string{id}
	views, err := s.trustRoles(ctx, r, row)
	if err == nil && len(views) == 0 {
		err = notFound("role", id)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"role": views[0]}, nil
}

// trustCreate answers POST /v3/OS-TRUST/trusts: only the trustor makes a trust.
func (s *Service) trustCreate(ctx context.Context, r *api.Request) (any, error) {
	var body trustBody
	extra, err := decodeResource(r, "trust", &body)
	if err != nil {
		return nil, err
	}
	row, err := s.newTrust(r, body, extra)
	if err != nil {
		return nil, err
	}
	if err := s.change(ctx, r, func(c *change) error {
		wish := row // this may run again
		if err := s.completeTrust(c, r, &wish, body); err != nil {
			return err
		}
		if err := insertTrust(c, wish); err != nil {
			return err
		}
		row = wish
		return nil
	}); err != nil {
		return nil, err
	}
	return s.showTrust(ctx, r, row)
}

// newTrust checks what needs no look into the database.
func (s *Service) newTrust(r *api.Request, body trustBody, extra map[string]any) (trustRow, error) {
	row := trustRow{ID: s.newID(), TrustorID: body.TrustorID, TrusteeID: body.TrusteeID, RootID: body.TrustorID, ProjectID: body.ProjectID.Value,
		Impersonation: body.Impersonation, RemainingUses: unbounded}
	if row.TrustorID != r.Identity.UserID {
		return row, api.Forbidden("You are not authorized to perform the requested action: The authenticated user should match the trustor.")
	}
	if err := mayTrust(r.Identity); err != nil {
		return row, err
	}
	if row.ProjectID != "" && len(body.Roles.Value) == 0 {
		return row, api.Forbidden("You are not authorized to perform the requested action: At least one role should be specified.")
	}
	if row.ProjectID == "" && len(body.Roles.Value) > 0 {
		return row, api.BadRequest("Expecting to find project_id in trust: roles are handed on for a project." + malformed)
	}
	var err error
	if row.Expires, err = s.readExpiry(body.ExpiresAt.Value); err != nil {
		return row, err
	}
	if body.RemainingUses.Set && body.RemainingUses.Value != "" {
		uses, err := strconv.ParseInt(string(body.RemainingUses.Value), 10, 64)
		if err != nil || uses < 1 || uses > math.MaxInt32 {
			return row, api.BadRequest("remaining_uses must be a positive integer or null.")
		}
		row.RemainingUses = uses
	}
	if body.AllowRedelegation.Value {
		row.Redelegations = maxRedelegations
		if row.RemainingUses != unbounded {
			return row, api.BadRequest("remaining_uses must not be set if redelegation is allowed.")
		}
		if given := body.RedelegationCount.Value; given != nil {
			row.Redelegations = *given
		}
		if row.Redelegations < 0 || row.Redelegations > maxRedelegations {
			return row, api.Forbidden("Requested redelegation depth of %d is greater than allowed %d.", row.Redelegations, maxRedelegations)
		}
	}
	row.Extra, err = mergeExtra(nil, extra)
	return row, err
}

// mayTrust refuses those who stand on an access token, or on an application credential that is restricted.
func mayTrust(who *token.Identity) error {
	if err := notHandedOn(who); err != nil {
		return err
	}
	if who.AppCred.ID != "" && (who.AppCred.Restricted || len(who.AppCred.AccessRules) > 0) {
		return api.Forbidden("You are not authorized to perform the requested action: " +
			"Using method 'application_credential' is not allowed for managing trusts.")
	}
	return nil
}

// completeTrust checks a trust against the database: it hands on no role that its maker does
// not have under the token that makes it.
func (s *Service) completeTrust(c *change, r *api.Request, row *trustRow, body trustBody) error {
	if _, err := userByID(c.Tx, row.TrusteeID); err != nil {
		return orMissing(err, "user", row.TrusteeID)
	}
	if row.ProjectID == "" {
		return s.chain(c, r, row)
	}
	project, err := projectByID(c.Tx, row.ProjectID)
	if err != nil {
		return orMissing(err, "project", row.ProjectID)
	}
	if r.Identity.AppCred.ID != "" && r.Identity.Project.ID != row.ProjectID {
		return api.Forbidden("An application credential hands on roles on its own project only.")
	}
	for _, wish := range body.Roles.Value {
		role, err := findRole(c.Tx, wish)
		if err != nil {
			return err
		}
		if !slices.Contains(row.Roles, role.ID) {
			row.Roles = append(row.Roles, role.ID)
		}
	}
	if err := s.chain(c, r, row); err != nil {
		return err
	}
	held, err := rolesOnProject(c.Tx, row.RootID, project)
	if err != nil {
		return err
	}
	if r.Identity.AppCred.ID != "" {
		held = r.Identity.Roles
	}
	for _, id := range row.Roles {
		if !slices.ContainsFunc(held, func(role token.Role) bool { return role.ID == id }) {
			return notFound("role", id)
		}
	}
	return nil
}

func findRole(tx *db.Tx, wish nameBody) (roleRow, error) {
	if wish.ID != "" {
		row, err := roleByID(tx, wish.ID)
		return row, orMissing(err, "role", wish.ID)
	}
	row, err := roleByName(tx, "", wish.Name)
	return row, orMissing(err, "role", wish.Name)
}

// chain ties a trust to the one that its maker's token stands on, if it does.
func (s *Service) chain(c *change, r *api.Request, row *trustRow) error {
	if r.Identity.Trust.ID == "" {
		return nil
	}
	parent, err := trustByID(c.Tx, r.Identity.Trust.ID)
	if err != nil {
		return orMissing(err, "trust", r.Identity.Trust.ID)
	}
	refuse := func(why string) error {
		return api.Forbidden("You are not authorized to perform the requested action: %s.", why)
	}
	switch {
	case parent.Redelegations < 1:
		return refuse("the trust cannot be redelegated")
	case row.ProjectID != parent.ProjectID:
		return refuse("a redelegated trust is for the project of the first")
	case row.Impersonation && !parent.Impersonation:
		return refuse("Impersonation is not allowed because redelegated trust does not specify impersonation")
	case slices.ContainsFunc(row.Roles, func(id string) bool { return !slices.Contains(parent.Roles, id) }):
		return refuse("Some of requested roles are not in redelegated trust")
	case !parent.Expires.IsZero() && row.Expires.After(parent.Expires):
		return refuse("Requested expiration time is more than redelegated trust can provide")
	}
	if row.Expires.IsZero() {
		row.Expires = parent.Expires
	}
	row.ParentID, row.RootID, row.Redelegations = parent.ID, parent.RootID, min(row.Redelegations, parent.Redelegations-1)
	return nil
}

// trustDelete answers DELETE /v3/OS-TRUST/trusts/{trust_id}.
func (s *Service) trustDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[trustRow](r)
	if err != nil {
		return nil, err
	}
	if err := mayTrust(r.Identity); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeTrust(c, row) })
}

// chooseTrust makes a token that of a trust: it belongs to the trustor where the trustee may
// impersonate them.
func (s *Service) chooseTrust(tx *db.Tx, p *token.Payload, id string, proved claim) error {
	row, err := trustByID(tx, id)
	if err != nil {
		return orDenied(err, "trust", id)
	}
	if row.TrusteeID != proved.userID && proved.trust != row.ID {
		return api.Forbidden("User is not a trustee.")
	}
	if proved.parent != nil && proved.parent.Trust.ID != "" && proved.parent.Trust.ID != row.ID {
		return denied("a token of a trust is not good for another")
	}
	p.TrustID, p.ProjectID = row.ID, row.ProjectID
	if row.Impersonation {
		p.UserID = row.TrustorID
	}
	return nil
}

// entrust narrows an identity to what its trust hands on.
func (s *Service) entrust(tx *db.Tx, identity *token.Identity, id string) error {
	row, err := trustByID(tx, id)
	if err != nil {
		return orDenied(err, "trust", id)
	}
	user := row.TrusteeID
	if row.Impersonation {
		user = row.TrustorID
	}
	if identity.UserID != user || identity.Project.ID != row.ProjectID || expired(row.Expires, s.deps.Clock.Now()) {
		return denied("trust %s does not stand", id)
	}
	if err := s.partiesStand(tx, row, identity.IssuedAt); err != nil {
		return err
	}
	identity.Trust = token.Trust{ID: row.ID, TrustorID: row.TrustorID, TrusteeID: row.TrusteeID, Impersonation: row.Impersonation}
	if row.ProjectID == "" {
		return nil
	}
	project, err := projectByID(tx, row.ProjectID)
	if err != nil {
		return orDenied(err, "project", row.ProjectID)
	}
	held, err := rolesOnProject(tx, row.RootID, project)
	if err != nil {
		return err
	}
	identity.Roles, err = expandRoles(tx, row.Roles)
	if err != nil {
		return err
	}
	for _, role := range identity.Roles {
		if !slices.ContainsFunc(held, func(own token.Role) bool { return own.ID == role.ID }) {
			return denied("the trustor of trust %s has no longer the role %s", id, role.ID)
		}
	}
	return nil
}

// partiesStand checks that neither party of a trust, nor the first trustor of its chain, is
// disabled or gone, and that none of them has made tokens of that time void.
func (s *Service) partiesStand(tx *db.Tx, row trustRow, issued time.Time) error {
	for _, id := range unique([]string{row.TrustorID, row.TrusteeID, row.RootID}) {
		user, err := userByID(tx, id)
		if err != nil {
			return orDenied(err, "user", id)
		}
		if !user.Enabled || issued.Unix() <= user.ValidAfter {
			return denied("user %s of trust %s is disabled", id, row.ID)
		}
		if _, err := enabledDomain(tx, user.DomainID); err != nil {
			return err
		}
	}
	return nil
}

// spendTrust counts a token of the trust that is about to be issued.
func (s *Service) spendTrust(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	return s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		left, err := useTrust(tx, id)
		if err == nil && !left {
			err = denied("trust %s has no uses left", id)
		}
		return orDenied(err, "trust", id)
	})
}
