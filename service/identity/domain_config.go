package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/db"
)

// domainConfig is a domain's configuration by group and option.
type domainConfig map[string]map[string]json.RawMessage

// knownOptions are the groups and options that domains can have, with their defaults: those
// of keystone for a domain whose users are in a directory. Virga's own users are in its
// database ("sql"); it keeps the options for clients that manage them.
func knownOptions() map[string]map[string]any {
	ldap := map[string]any{
		"url": "ldap://localhost", "user": nil, "suffix": "cn=example,cn=com", "query_scope": "one", "page_size": 0, "alias_dereferencing": "default",
		"debug_level": nil, "chase_referrals": nil, "user_tree_dn": nil, "user_filter": nil, "user_objectclass": "inetOrgPerson", "user_id_attribute": "cn",
		"user_name_attribute": "sn", "user_mail_attribute": "mail", "user_description_attribute": "description", "user_pass_attribute": "userPassword",
		"user_enabled_attribute": "enabled", "user_enabled_invert": false, "user_enabled_mask": 0, "user_enabled_default": "True",
		"user_attribute_ignore": []string{"default_project_id"}, "user_default_project_id_attribute": nil, "user_enabled_emulation": false,
		"user_enabled_emulation_dn": nil, "user_enabled_emulation_use_group_config": false, "user_additional_attribute_mapping": []string{},
		"group_tree_dn": nil, "group_filter": nil, "group_objectclass": "groupOfNames", "group_id_attribute": "cn", "group_name_attribute": "ou",
		"group_members_are_ids": false, "group_member_attribute": "member", "group_desc_attribute": "description", "group_attribute_ignore": []string{},
		"group_additional_attribute_mapping": []string{}, "tls_cacertfile": nil, "tls_cacertdir": nil, "use_tls": false, "tls_req_cert": "demand",
		"use_pool": true, "pool_size": 10, "pool_retry_max": 3, "pool_retry_delay": 0.1, "pool_connection_timeout": -1, "pool_connection_lifetime": 600,
		"use_auth_pool": true, "auth_pool_size": 100, "auth_pool_connection_lifetime": 60,
	}
	return map[string]map[string]any{"identity": {"driver": "sql", "list_limit": nil}, "ldap": ldap}
}

// secretOption tells whether an option is taken and never shown.
func secretOption(group, option string) bool { return group == "ldap" && option == "password" }

// maxOption bounds one option's value, in bytes.
const maxOption = 8 << 10

func invalidConfig(format string, args ...any) *api.Error {
	return api.Forbidden("Invalid domain specific configuration: "+format+".", args...)
}

// checkOption refuses groups and options that domains do not have; empty ones are not named.
func checkOption(group, option string) error {
	known, there := knownOptions()[group]
	if group != "" && !there {
		return invalidConfig("Group %s is not supported for domain specific configurations", group)
	}
	if _, there := known[option]; option != "" && !there && !secretOption(group, option) {
		return invalidConfig("Option %s in group %s is not supported for domain specific configurations", option, group)
	}
	return nil
}

// readConfig reads the body of a request about a whole configuration, a group or an option.
func readConfig(r *api.Request, group, option string) (domainConfig, error) {
	var config domainConfig
	if option != "" {
		var body struct {
			Config map[string]json.RawMessage `json:"config"`
		}
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		config = domainConfig{group: body.Config}
	} else {
		var body struct {
			Config domainConfig `json:"config"`
		}
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		config = body.Config
	}
	if len(config) == 0 {
		return nil, invalidConfig("No options specified")
	}
	for name, options := range config {
		if len(options) == 0 {
			return nil, invalidConfig("The value of group %s specified in the config should be a dictionary of options", name)
		}
		for one, value := range options {
			if err := checkOption(name, one); err != nil {
				return nil, err
			}
			if len(value) > maxOption {
				return nil, invalidConfig("The value of option %s in group %s is longer than %d bytes", one, name, maxOption)
			}
		}
	}
	return config, onlyThat(config, group, option)
}

// onlyThat refuses a body that says more than what its path names.
func onlyThat(config domainConfig, group, option string) error {
	_, there := config[group]
	if group != "" && (len(config) != 1 || !there) {
		return invalidConfig("Trying to update group %s, so that, and only that, group must be specified in the config", group)
	}
	if _, there := config[group][option]; option != "" && (len(config[group]) != 1 || !there) {
		return invalidConfig("Trying to update option %s in group %s, so that, and only that, option must be specified  in the config", option, group)
	}
	return nil
}

// storeConfig writes options; those that are secret are sealed.
func (s *Service) storeConfig(c *change, domainID string, config domainConfig) error {
	for group, options := range config {
		for option, value := range options {
			text := string(value)
			if secretOption(group, option) {
				text = s.deps.Vault.Seal(value, aboutOption(domainID, group, option))
				if err := checkSealed(c.Tx, text); err != nil {
					return err
				}
			}
			if err := c.Upsert("domain_options", domainOptionRow{domainID, group, option, text}, "domain_id", "group_name", "option_name"); err != nil {
				return err
			}
		}
	}
	return nil
}

// changeConfig runs fn on a domain's options and tells the feed what they were and are.
func (s *Service) changeConfig(ctx context.Context, r *api.Request, action string, fn func(c *change, domainID string, before []domainOptionRow) error) (domainConfig, error) {
	domain, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	var after []domainOptionRow
	err = s.change(ctx, r, func(c *change) error {
		before, err := domainOptions(c.Tx, domain.ID)
		if err != nil {
			return err
		}
		if err := fn(c, domain.ID, before); err != nil {
			return err
		}
		if after, err = domainOptions(c.Tx, domain.ID); err != nil {
			return err
		}
		return c.record("domain_config", action, domain.ID, configOf(before), configOf(after))
	})
	return configOf(after), err
}

// domainConfigCreate answers PUT /v3/domains/{domain_id}/config: what was there before goes.
func (s *Service) domainConfigCreate(ctx context.Context, r *api.Request) (any, error) {
	config, err := readConfig(r, "", "")
	if err != nil {
		return nil, err
	}
	status := http.StatusCreated
	after, err := s.changeConfig(ctx, r, "create", func(c *change, domainID string, before []domainOptionRow) error {
		if status = http.StatusCreated; len(before) > 0 {
			status = http.StatusOK
		}
		if _, err := removeDomainOptions(c, domainID, "", ""); err != nil {
			return err
		}
		return s.storeConfig(c, domainID, config)
	})
	return &api.Response{Status: status, Body: map[string]any{"config": after}}, err
}

// domainConfigUpdate answers PATCH of a configuration, a group or an option of it.
func (s *Service) domainConfigUpdate(ctx context.Context, r *api.Request) (any, error) {
	group, option := r.Param("group"), r.Param("option")
	if err := checkOption(group, option); err != nil {
		return nil, err
	}
	config, err := readConfig(r, group, option)
	if err != nil {
		return nil, err
	}
	after, err := s.changeConfig(ctx, r, "update", func(c *change, domainID string, before []domainOptionRow) error {
		if group != "" && !hasOption(before, group, option) {
			return noConfig(domainID, group, option)
		}
		return s.storeConfig(c, domainID, config)
	})
	return map[string]any{"config": after}, err
}

func hasOption(rows []domainOptionRow, group, option string) bool {
	return slices.ContainsFunc(rows, func(row domainOptionRow) bool {
		return (group == "" || row.Group == group) && (option == "" || row.Option == option)
	})
}

func noConfig(domainID, group, option string) *api.Error {
	what := "any options"
	switch {
	case option != "":
		what = "option " + option + " in group " + group
	case group != "":
		what = "group " + group
	}
	return api.NotFound("Could not find %s in domain configuration for domain %s.", what, domainID)
}

// domainConfigShow answers GET of a configuration, a group or an option of it.
func (s *Service) domainConfigShow(ctx context.Context, r *api.Request) (any, error) {
	domain, err := the[projectRow](r)
	if err != nil {
		return nil, err
	}
	group, option := r.Param("group"), r.Param("option")
	if err := checkOption(group, option); err != nil {
		return nil, err
	}
	var rows []domainOptionRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = domainOptions(tx, domain.ID)
		return err
	}); err != nil {
		return nil, err
	}
	config := configOf(slices.DeleteFunc(rows, func(row domainOptionRow) bool {
		return group != "" && row.Group != group || option != "" && row.Option != option
	}))
	if len(config) == 0 {
		return nil, noConfig(domain.ID, group, option)
	}
	if option != "" {
		return map[string]any{"config": config[group]}, nil
	}
	return map[string]any{"config": config}, nil
}

// domainConfigDelete answers DELETE of a configuration, a group or an option of it.
func (s *Service) domainConfigDelete(ctx context.Context, r *api.Request) (any, error) {
	group, option := r.Param("group"), r.Param("option")
	if err := checkOption(group, option); err != nil {
		return nil, err
	}
	_, err := s.changeConfig(ctx, r, "delete", func(c *change, domainID string, before []domainOptionRow) error {
		if !hasOption(before, group, option) {
			return noConfig(domainID, group, option)
		}
		_, err := removeDomainOptions(c, domainID, group, option)
		return err
	})
	return nil, err
}

// domainConfigDefault answers GET of the defaults: all, those of a group, or one.
func (s *Service) domainConfigDefault(_ context.Context, r *api.Request) (any, error) {
	group, option := r.Param("group"), r.Param("option")
	if err := checkOption(group, option); err != nil {
		return nil, err
	}
	known := knownOptions()
	switch {
	case option != "":
		return map[string]any{"config": map[string]any{option: known[group][option]}}, nil
	case group != "":
		return map[string]any{"config": map[string]any{group: known[group]}}, nil
	}
	return map[string]any{"config": known}, nil
}
