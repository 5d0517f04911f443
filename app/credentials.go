package app

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"virga/core/conf"
	"virga/core/token"
)

// adminPassword returns the password of the user admin: the one kept in the data folder,
// else the configured one, else a new random one, which is then kept.
func adminPassword(c *conf.Config) (token.Secret, error) {
	path := filepath.Join(c.DataDir, "secrets", "admin-password")
	kept, err := os.ReadFile(path)
	if err == nil {
		return token.Secret(strings.TrimSuffix(string(kept), "\n")), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read admin password: %w", err)
	}
	password := c.AdminPassword
	if password == "" {
		random := make([]byte, 24)
		if _, err := rand.Read(random); err != nil {
			return "", fmt.Errorf("make admin password: %w", err)
		}
		password = base64.RawURLEncoding.EncodeToString(random)
	}
	if strings.ContainsAny(password, "\r\n\x00") {
		return "", errors.New("the admin password holds a line break")
	}
	if err := writeFile(path, []byte(password+"\n")); err != nil {
		return "", err
	}
	return token.Secret(password), nil
}

// writeFile writes a file that only its owner reads, whole or not at all; one that has
// the content already is left alone.
func writeFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		if err := os.Chmod(path, 0o600); err != nil { // somebody may have opened it to others
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeCredentials writes the two files that clients know how to read.
func writeCredentials(c *conf.Config, password token.Secret) error {
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
	}
	admin := auth{c.Endpoint + "/identity/v3", "admin", password.Reveal(), "admin", "Default", "Default"}
	clouds, err := yaml.Marshal(map[string]any{"clouds": map[string]cloud{
		"virga": {Auth: admin, RegionName: c.Region, IdentityAPIVersion: 3, Interface: "public"},
	}})
	if err != nil {
		return fmt.Errorf("write clouds.yaml: %w", err)
	}
	if err := writeFile(filepath.Join(c.DataDir, "clouds.yaml"), clouds); err != nil {
		return err
	}
	var rc strings.Builder
	for _, line := range [][2]string{
		{"OS_AUTH_URL", admin.AuthURL}, {"OS_USERNAME", admin.Username}, {"OS_PASSWORD", admin.Password},
		{"OS_PROJECT_NAME", admin.ProjectName}, {"OS_USER_DOMAIN_NAME", admin.UserDomainName},
		{"OS_PROJECT_DOMAIN_NAME", admin.ProjectDomainName}, {"OS_REGION_NAME", c.Region},
		{"OS_IDENTITY_API_VERSION", "3"}, {"OS_INTERFACE", "public"},
	} {
		fmt.Fprintf(&rc, "export %s=%s\n", line[0], shellQuote(line[1]))
	}
	return writeFile(filepath.Join(c.DataDir, "admin-openrc"), []byte(rc.String()))
}

// shellQuote makes a word of which a POSIX shell takes nothing for its own.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
