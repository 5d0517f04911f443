package identity

import (
	"encoding/json"

	"virga/core/api"
)

// credentialBody is what clients say of a credential.
type credentialBody struct {
	Type      optional[string]     `json:"type"`
	UserID    optional[string]     `json:"user_id"`
	ProjectID optional[string]     `json:"project_id"`
	Blob      optional[secretText] `json:"blob"`
}

type credentialView struct {
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	UserID    string            `json:"user_id"`
	ProjectID *string           `json:"project_id"`
	Blob      string            `json:"blob"`
	Links     map[string]string `json:"links"`
}

// viewCredential shows a credential with its blob, which is what the API is for.
func (s *Service) viewCredential(r *api.Request, row credentialRow) (json.RawMessage, error) {
	blob, err := s.openBlob(row)
	if err != nil {
		return nil, err
	}
	return withExtra(credentialView{
		row.ID, row.Type, row.UserID, nullable(row.ProjectID), blob.Reveal(), selfLink(r, "credentials", row.ID),
	}, row.Extra)
}

// ec2Blob is what the blob of a credential of the type ec2 holds. The two ids are told to
// clients; what binds is in the row.
type ec2Blob struct {
	Access    string     `json:"access"`
	Secret    secretText `json:"secret"`
	TrustID   *string    `json:"trust_id"`
	AppCredID string     `json:"app_cred_id,omitempty"`
}

type ec2View struct {
	UserID   string            `json:"user_id"`
	TenantID string            `json:"tenant_id"`
	Access   string            `json:"access"`
	Secret   string            `json:"secret"`
	TrustID  *string           `json:"trust_id"`
	Links    map[string]string `json:"links"`
}

func (s *Service) viewEC2(r *api.Request, row credentialRow) (json.RawMessage, error) {
	blob, err := s.openEC2(row)
	if err != nil {
		return nil, err
	}
	return json.Marshal(ec2View{row.UserID, row.ProjectID, blob.Access, blob.Secret.Reveal(), nullable(row.TrustID),
		selfLink(r, "users", row.UserID, "credentials", "OS-EC2", blob.Access)})
}
