package identity

import (
	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

// notThroughOthers refuses to have application credentials and access rules looked at or changed
// with a token of a trust or an access token: a credential would outlive the delegation that it
// was made under, and not tell of it. What application credentials may do among themselves is
// said by their own attribute unrestricted.
func notThroughOthers(who *token.Identity) error {
	if who.Trust.ID == "" && who.AccessToken.ID == "" {
		return nil
	}
	return api.Forbidden("Cannot manage application credentials with a token issued via delegation.")
}

// withinDelegation refuses a delegated token what is not of its own project; what is of none, as
// the seed of one-time passwords, is of the user alone.
func withinDelegation(who *token.Identity, projectID string) error {
	if !who.Delegated() || projectID != "" && projectID == who.Project.ID {
		return nil
	}
	return api.Forbidden("You are not authorized to perform the requested action:" +
		" Credential project does not match the project scope of the delegated token.")
}

// confineToDelegation cuts a list of credentials down to those that withinDelegation lets through.
func confineToDelegation(who *token.Identity, list *db.List) {
	if who.Delegated() {
		list.Where("project_id = ? AND project_id <> ''", who.Project.ID)
	}
}

// delegatedCredential finds the credential of a request and applies withinDelegation to it.
func delegatedCredential(r *api.Request) (credentialRow, error) {
	row, err := the[credentialRow](r)
	if err == nil {
		err = withinDelegation(r.Identity, row.ProjectID)
	}
	return row, err
}

// delegatedAccessTokens refuses to have access tokens managed with a delegated token.
func delegatedAccessTokens() error {
	return api.Forbidden("Cannot manage OAuth access tokens with a token issued via delegation.")
}
