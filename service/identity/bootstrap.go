package identity

import (
	"context"
	"errors"
	"fmt"

	"virga/core/db"
	"virga/core/token"
)

const (
	defaultDomainID   = "default"
	defaultDomainName = "Default"
)

// BootstrapParams says what a fresh cloud needs to be used.
type BootstrapParams struct {
	// AdminPassword is given to the user admin when there is none yet; an existing
	// user's password stays.
	AdminPassword token.Secret
	// Region is the id of the region that the endpoints are in.
	Region    string
	Endpoints []EndpointParams
}

// EndpointParams is a service of the catalog with the URLs of its interfaces; an empty
// URL makes no endpoint.
type EndpointParams struct {
	ServiceName string
	ServiceType string
	Public      string
	Internal    string
	Admin       string
}

// Bootstrap makes the domain Default, the projects admin and service, the roles admin,
// manager, member, reader and service, the user admin with the role admin everywhere,
// the region and the catalog. What is there stays as it is, but for URLs of endpoints.
func (s *Service) Bootstrap(ctx context.Context, p BootstrapParams) error {
	if p.Region == "" {
		return errors.New("bootstrap identity: a region is required")
	}
	hash, err := s.adminHash(ctx, p.AdminPassword)
	if err != nil {
		return fmt.Errorf("bootstrap identity: %w", err)
	}
	err = s.change(ctx, nil, func(c *change) error {
		if err := s.bootstrapAccess(c, hash); err != nil {
			return err
		}
		return s.bootstrapCatalog(c, p)
	})
	if err != nil {
		return fmt.Errorf("bootstrap identity: %w", err)
	}
	return nil
}

// adminHash is what is to be stored of the password of a new user admin; empty when
// there is one.
func (s *Service) adminHash(ctx context.Context, password token.Secret) (token.Secret, error) {
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		_, err := userByName(tx, defaultDomainID, "admin")
		return err
	})
	if !errors.Is(err, db.ErrNotFound) {
		return "", err
	}
	if password == "" {
		return "", errors.New("a password for the user admin is required")
	}
	return s.hasher.hash(ctx, password)
}

func (s *Service) bootstrapAccess(c *change, hash token.Secret) error {
	if err := ensureDomain(c); err != nil {
		return err
	}
	projects := map[string]string{}
	for _, project := range [][2]string{{"admin", "Administration of the cloud."}, {"service", "Services of the cloud."}} {
		id, err := s.ensureProject(c, project[0], project[1])
		if err != nil {
			return err
		}
		projects[project[0]] = id
	}
	roles, err := s.ensureRoles(c)
	if err != nil {
		return err
	}
	user, err := userByName(c.Tx, defaultDomainID, "admin")
	if errors.Is(err, db.ErrNotFound) {
		user = userRow{ID: s.newID(), Name: "admin", DomainID: defaultDomainID, Enabled: true, PasswordHash: hash}
		err = insertUser(c, user)
	}
	if err != nil {
		return err
	}
	for _, target := range [][2]string{{targetProject, projects["admin"]}, {targetDomain, defaultDomainID}, {targetSystem, systemID}} {
		row := assignmentRow{actorUser, user.ID, target[0], target[1], roles["admin"], false}
		if there, err := assignmentExists(c.Tx, row); err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		if err := insertAssignment(c, row); err != nil {
			return err
		}
	}
	return nil
}

func ensureDomain(c *change) error {
	_, err := projectByID(c.Tx, defaultDomainID)
	if !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return insertProject(c, projectRow{
		ID: defaultDomainID, Name: defaultDomainName, IsDomain: true, Enabled: true, Description: "The default domain",
	})
}

func (s *Service) ensureProject(c *change, name, description string) (string, error) {
	row, err := projectByName(c.Tx, defaultDomainID, name)
	if errors.Is(err, db.ErrNotFound) {
		row = projectRow{
			ID: s.newID(), Name: name, DomainID: defaultDomainID, ParentID: defaultDomainID, Enabled: true, Description: description,
		}
		err = insertProject(c, row)
	}
	return row.ID, err
}

// ensureRoles returns the ids of the roles by name. Implications are made together with
// the role that has them, so that one which an operator removed does not come back.
func (s *Service) ensureRoles(c *change) (map[string]string, error) {
	ids := map[string]string{}
	implies := map[string]string{"admin": "manager", "manager": "member", "member": "reader"}
	for _, name := range []string{"reader", "member", "manager", "admin", "service"} {
		row, err := roleByName(c.Tx, "", name)
		if err == nil {
			ids[name] = row.ID
			continue
		}
		if !errors.Is(err, db.ErrNotFound) {
			return nil, err
		}
		row = roleRow{ID: s.newID(), Name: name}
		if err := insertRole(c, row); err != nil {
			return nil, err
		}
		ids[name] = row.ID
		if implied := implies[name]; implied != "" {
			if err := insertImplication(c, impliedRow{row.ID, ids[implied]}); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

func (s *Service) bootstrapCatalog(c *change, p BootstrapParams) error {
	_, err := regionByID(c.Tx, p.Region)
	if errors.Is(err, db.ErrNotFound) {
		err = saveCatalog(c, "regions", "region", "create", p.Region, regionRow{ID: p.Region})
	}
	if err != nil {
		return err
	}
	for _, e := range p.Endpoints {
		row, err := serviceNamed(c.Tx, e.ServiceType, e.ServiceName)
		if errors.Is(err, db.ErrNotFound) {
			row = serviceRow{ID: s.newID(), Name: e.ServiceName, Type: e.ServiceType, Enabled: true}
			err = saveCatalog(c, "services", "service", "create", row.ID, row)
		}
		if err != nil {
			return err
		}
		for _, face := range [][2]string{{"public", e.Public}, {"internal", e.Internal}, {"admin", e.Admin}} {
			if err := s.ensureEndpoint(c, row.ID, p.Region, face[0], face[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) ensureEndpoint(c *change, serviceID, region, face, url string) error {
	if url == "" {
		return nil
	}
	row, err := endpointAt(c.Tx, serviceID, region, face)
	switch {
	case errors.Is(err, db.ErrNotFound):
		row = endpointRow{ID: s.newID(), ServiceID: serviceID, RegionID: region, Interface: face, URL: url, Enabled: true}
		return saveCatalog(c, "endpoints", "endpoint", "create", row.ID, row)
	case err != nil || row.URL == url:
		return err
	}
	row.URL = url
	return saveCatalog(c, "endpoints", "endpoint", "update", row.ID, row)
}
