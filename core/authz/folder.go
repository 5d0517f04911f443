package authz

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is where an operator keeps policy files: SERVICE.yaml, SERVICE.yml or SERVICE.json for each service whose rules
// are to be others than the defaults. One goroutine uses it.
type Folder struct {
	dir string
	// optional has the folder be missing without that being wrong.
	optional bool
	services map[string]*Enforcer
	log      *slog.Logger
	// taken is the digest of the file that was looked at last, by service; the zero value stands for no file.
	taken map[string][sha256.Size]byte
	// refused is the wrong file that was looked at last, by service.
	refused map[string]refusal
	// complaint is the last trouble that was told of, by service, so that each is told once; the empty name is the folder's.
	complaint map[string]string
}

// refusal is why a file of that digest is not in force.
type refusal struct {
	digest [sha256.Size]byte
	err    error
}

// NewFolder returns the folder for the services' enforcers by name. Where it is optional it need not be there.
func NewFolder(dir string, optional bool, services map[string]*Enforcer, log *slog.Logger) *Folder {
	return &Folder{dir: dir, optional: optional, services: services, log: log,
		taken: map[string][sha256.Size]byte{}, refused: map[string]refusal{}, complaint: map[string]string{}}
}

// Load reads every file and puts it in force; the error names each that is wrong, with lines and reasons. It is for
// starting with: later Refresh follows changes.
func (f *Folder) Load(ctx context.Context) error {
	names, err := f.names()
	if err != nil {
		return err
	}
	var failures []error
	for _, service := range slices.Sorted(maps.Keys(f.services)) {
		if _, err := f.take(ctx, service, names); err != nil {
			failures = append(failures, err)
		}
	}
	f.warnStrangers(ctx, names)
	return errors.Join(failures...)
}

// Refresh puts files in force that have changed. What is wrong is logged, once, and the service keeps the rules it had. A
// file that has been removed gives the defaults back; a folder that is gone changes nothing.
func (f *Folder) Refresh(ctx context.Context) {
	names, err := f.names()
	if err == nil && names == nil && len(f.taken) > 0 {
		err = fmt.Errorf("read policy folder %s: it is gone", f.dir)
	}
	f.complain(ctx, "", err)
	if err != nil {
		return
	}
	for _, service := range slices.Sorted(maps.Keys(f.services)) {
		changed, err := f.take(ctx, service, names)
		f.complain(ctx, service, err)
		if changed {
			f.log.InfoContext(ctx, "policy file in force", "service", service, "folder", f.dir)
		}
	}
	f.warnStrangers(ctx, names)
}

// complain tells of a trouble unless it was told before.
func (f *Folder) complain(ctx context.Context, about string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != f.complaint[about] {
		f.log.ErrorContext(ctx, "policy file refused, the rules stay as they are", "error", err)
	}
	f.complaint[about] = text
}

// names lists the policy files by what they are named for; nil when the folder is not there.
func (f *Folder) names() (map[string][]string, error) {
	entries, err := os.ReadDir(f.dir)
	if f.optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read policy folder: %w", err)
	}
	names := map[string][]string{}
	for _, entry := range entries {
		ending := filepath.Ext(entry.Name())
		if slices.Contains([]string{".yaml", ".yml", ".json"}, ending) && !strings.HasPrefix(entry.Name(), ".") {
			service := strings.TrimSuffix(entry.Name(), ending)
			names[service] = append(names[service], entry.Name())
		}
	}
	return names, nil
}

// take puts a service's file in force when it is another than the one looked at last.
func (f *Folder) take(ctx context.Context, service string, names map[string][]string) (changed bool, err error) {
	enforcer := f.services[service]
	var digest [sha256.Size]byte
	var data []byte
	switch files := names[service]; len(files) {
	case 0:
	case 1:
		if data, err = readPolicy(filepath.Join(f.dir, files[0])); err != nil {
			return false, err
		}
		digest = sha256.Sum256(data)
	default:
		return false, fmt.Errorf("policy of %s: there are several files: %s", service, strings.Join(files, ", "))
	}
	if f.taken[service] == digest {
		return false, nil
	}
	if last := f.refused[service]; last.err != nil && last.digest == digest {
		return false, last.err
	}
	if err := enforcer.SetFile(data); err != nil {
		err = fmt.Errorf("policy file %s: %w", filepath.Join(f.dir, strings.Join(names[service], "")), err)
		f.refused[service] = refusal{digest, err}
		return false, err
	}
	if f.taken[service] = digest; len(names[service]) == 0 {
		delete(f.taken, service)
	}
	for _, warning := range enforcer.Warnings() {
		f.log.WarnContext(ctx, "policy file", "service", service, "warning", warning)
	}
	return true, nil
}

// readPolicy reads a file that nobody but its owner and its group can have written.
func readPolicy(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read policy file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read policy file %s: it is no regular file", path)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("read policy file %s: its mode %04o lets everybody change it", path, info.Mode().Perm())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read policy file: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read policy file: %w", err)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// warnStrangers tells, once, of files that are named for no service of this process.
func (f *Folder) warnStrangers(ctx context.Context, names map[string][]string) {
	for _, service := range slices.Sorted(maps.Keys(names)) {
		key := "no service " + service
		if f.services[service] == nil && f.complaint[key] == "" {
			f.complaint[key] = "told"
			f.log.WarnContext(ctx, "policy file for a service that is not here", "file", filepath.Join(f.dir, names[service][0]))
		}
	}
}
