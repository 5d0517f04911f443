package identity

import (
	"context"
	"encoding/json"
	"errors"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

// readScope reads auth.scope: an object, or the word "unscoped". Nil means none was given.
func readScope(text json.RawMessage) (*scopeBody, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var word string
	if json.Unmarshal(text, &word) == nil {
		if word != "unscoped" {
			return nil, api.BadRequest("Invalid input for field/attribute scope. Value: %.50q.", word)
		}
		return &scopeBody{Unscoped: &struct{}{}}, nil
	}
	var scope scopeBody
	if err := json.Unmarshal(text, &scope); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute scope.").Because(err)
	}
	given := 0
	for _, one := range []bool{scope.Project != nil, scope.Domain != nil, scope.System != nil, scope.Trust != nil, scope.Unscoped != nil} {
		if one {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, api.BadRequest("Expecting to find exactly one of project, domain, system or unscoped in scope.")
	case scope.Project != nil:
		return &scope, checkNamed(scope.Project, "project")
	case scope.Domain != nil && scope.Domain.ID == "" && scope.Domain.Name == "":
		return nil, api.BadRequest("Expecting to find id or name in domain.")
	}
	return &scope, nil
}

// checkNamed requires an id, or a name with its domain.
func checkNamed(n *nameBody, what string) error {
	if n.ID != "" {
		return nil
	}
	if n.Name == "" {
		return api.BadRequest("Expecting to find id or name in %s.", what)
	}
	if n.Domain == nil || n.Domain.ID == "" && n.Domain.Name == "" {
		return api.BadRequest("Expecting to find domain in %s.", what)
	}
	return nil
}

// findDomainID resolves a domain given by id or name; the id is not looked up.
func findDomainID(tx *db.Tx, n *nameBody) (string, error) {
	if n.ID != "" {
		return n.ID, nil
	}
	domain, err := projectByName(tx, "", n.Name)
	return domain.ID, err
}

func findUser(tx *db.Tx, n *nameBody) (userRow, error) {
	if n.ID != "" {
		return userByID(tx, n.ID)
	}
	domainID, err := findDomainID(tx, n.Domain)
	if err != nil {
		return userRow{}, err
	}
	return userByName(tx, domainID, n.Name)
}

// scoped decides the scope of the token to be and makes its identity.
func (s *Service) scoped(ctx context.Context, p token.Payload, scope *scopeBody, proved claim) (*token.Identity, token.Payload, error) {
	var identity *token.Identity
	chosen := p
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		chosen = p
		err := s.chooseScope(tx, &chosen, scope, proved)
		if err != nil {
			return err
		}
		found, err := s.standing(tx, chosen)
		if errors.Is(err, token.ErrInvalid) && scope == nil && chosen.AppCredID == "" && chosen.AccessTokenID == "" && chosen.ProjectID != "" {
			// A default project that the user cannot use is not regarded.
			chosen.ProjectID = ""
			found, err = s.standing(tx, chosen)
		}
		identity = found.identity
		return err
	})
	return identity, chosen, err
}

// chooseScope resolves the names of a scope into the payload.
func (s *Service) chooseScope(tx *db.Tx, p *token.Payload, scope *scopeBody, proved claim) error {
	if proved.appCredential != "" || proved.accessToken != "" {
		return chooseDelegated(tx, p, scope, proved)
	}
	if proved.parent != nil && proved.parent.Trust.ID != "" && (scope == nil || scope.Trust == nil) {
		return api.Forbidden("You are not authorized to perform the requested action: rescope a trust-scoped token.")
	}
	switch {
	case scope == nil:
		user, err := userByID(tx, p.UserID)
		if err != nil {
			return orDenied(err, "user", p.UserID)
		}
		p.ProjectID = user.DefaultProjectID
	case scope.Project != nil:
		id, err := findProjectID(tx, scope.Project)
		p.ProjectID = id
		return err
	case scope.Domain != nil:
		id, err := findDomainID(tx, scope.Domain)
		p.DomainID = id
		return orDenied(err, "domain", scope.Domain.Name)
	case scope.System != nil:
		p.System = true
	case scope.Trust != nil:
		return s.chooseTrust(tx, p, scope.Trust.ID, proved)
	}
	return nil
}

// chooseDelegated keeps a token that stands on an application credential or an access token in
// its project.
func chooseDelegated(tx *db.Tx, p *token.Payload, scope *scopeBody, proved claim) error {
	p.ProjectID = proved.project
	if scope == nil {
		return nil
	}
	if scope.Project == nil {
		return denied("what the token stands on has its own scope")
	}
	id, err := findProjectID(tx, scope.Project)
	if err != nil {
		return err
	}
	if id != proved.project {
		return denied("what the token stands on has its own scope")
	}
	return nil
}

func findProjectID(tx *db.Tx, n *nameBody) (string, error) {
	if n.ID != "" {
		return n.ID, nil
	}
	domainID, err := findDomainID(tx, n.Domain)
	if err != nil {
		return "", orDenied(err, "domain", n.Domain.Name)
	}
	project, err := projectByName(tx, domainID, n.Name)
	return project.ID, orDenied(err, "project", n.Name)
}
