package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// Migrate brings the tables of one owner (a service, or a part of the kit) up to the
// newest of its migrations, files named NNNN_what.sql in the root of files. Each owner
// keeps its own version table. Three words of the DDL are rendered per engine:
// BIGTEXT (text of any length), BYTES (binary) and SEQUENCE (a counting primary key).
func (d *DB) Migrate(ctx context.Context, owner string, files fs.FS) error {
	provider, err := goose.NewProvider(d.dialect.goose(), d.write, rendered{files, d.dialect},
		goose.WithTableName(owner+"_schema"), goose.WithDisableGlobalRegistry(true))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	if err := d.dialect.prepare(ctx, d.write); err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	return nil
}

// rendered is a file system in which the type words are those of the engine.
type rendered struct {
	fs.FS
	dialect dialect
}

// ReadDir implements fs.ReadDirFS.
func (r rendered) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS, name) }

// Glob implements fs.GlobFS.
func (r rendered) Glob(pattern string) ([]string, error) { return fs.Glob(r.FS, pattern) }

// ReadFile implements fs.ReadFileFS.
func (r rendered) ReadFile(name string) ([]byte, error) {
	text, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return nil, err
	}
	return []byte(r.dialect.words().Replace(string(text))), nil
}

// Open implements fs.FS.
func (r rendered) Open(name string) (fs.File, error) {
	file, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		return file, err
	}
	defer func() { _ = file.Close() }()
	text, err := r.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &memoryFile{Reader: bytes.NewReader(text), info: memoryInfo{name: info.Name(), size: int64(len(text))}}, nil
}

type memoryFile struct {
	io.Reader
	info memoryInfo
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryInfo struct {
	name string
	size int64
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) Mode() fs.FileMode  { return 0o444 }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return false }
func (i memoryInfo) Sys() any           { return nil }
