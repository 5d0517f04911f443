package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"virga/app/folder"
	"virga/core/conf"
	"virga/core/token"
)

// keepCredentials writes the administrator's credentials where a process serves identity.
func (cl *cloud) keepCredentials(ctx context.Context) error {
	if !cl.conf.Roles.Serves("identity") {
		return nil
	}
	password, err := cl.adminPassword(ctx)
	if err != nil {
		return err
	}
	return writeCredentials(cl.conf, password, cl.trusted())
}

// writeCredentials writes the two files that clients know how to read. Trusted is the file
// with the certificate of the authority that clients are to trust, empty for those that
// they trust anyway.
func writeCredentials(c *conf.Config, password token.Secret, trusted string) error {
	type auth struct {
		AuthURL           string `yaml:"auth_url"`
		Username          string `yaml:"username"`
		Password          string `yaml:"password"`
		ProjectName       string `yaml:"project_name"`
		UserDomainName    string `yaml:"user_domain_name"`
		ProjectDomainName string `yaml:"project_domain_name"`
	}
	type cloud struct {
		Auth               auth   `yaml:"auth"`
		RegionName         string `yaml:"region_name"`
		IdentityAPIVersion int    `yaml:"identity_api_version"`
		Interface          string `yaml:"interface"`
		CACert             string `yaml:"cacert,omitempty"`
	}
	admin := auth{c.Endpoint + "/identity/v3", "admin", password.Reveal(), "admin", "Default", "Default"}
	clouds, err := yaml.Marshal(map[string]any{"clouds": map[string]cloud{
		"virga": {Auth: admin, RegionName: c.Region, IdentityAPIVersion: 3, Interface: "public", CACert: trusted},
	}})
	if err != nil {
		return fmt.Errorf("write clouds.yaml: %w", err)
	}
	if err := folder.Write(filepath.Join(c.DataDir, "clouds.yaml"), clouds); err != nil {
		return err
	}
	var rc strings.Builder
	lines := [][2]string{
		{"OS_AUTH_URL", admin.AuthURL}, {"OS_USERNAME", admin.Username}, {"OS_PASSWORD", admin.Password},
		{"OS_PROJECT_NAME", admin.ProjectName}, {"OS_USER_DOMAIN_NAME", admin.UserDomainName},
		{"OS_PROJECT_DOMAIN_NAME", admin.ProjectDomainName}, {"OS_REGION_NAME", c.Region},
		{"OS_IDENTITY_API_VERSION", "3"}, {"OS_INTERFACE", "public"},
	}
	if trusted != "" {
		lines = append(lines, [2]string{"OS_CACERT", trusted})
	}
	for _, line := range lines {
		fmt.Fprintf(&rc, "export %s=%s\n", line[0], shellQuote(line[1]))
	}
	return folder.Write(filepath.Join(c.DataDir, "admin-openrc"), []byte(rc.String()))
}

// shellQuote makes a word of which a POSIX shell takes nothing for its own.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
