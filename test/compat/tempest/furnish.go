package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// adminPassword is that of the cloud under test.
const adminPassword = "the administrator's, for tests only"

// facts are what the configuration needs to know of the cloud.
type facts struct {
	images        [2]string
	flavors       [2]string
	publicNetwork string
	extensions    []string
	// newest is the newest microversion of compute, placement that of placement.
	newest, placement string
	diskFormats       []string
	containerFormats  []string
	importMethods     []string
	// httpImage is the address of an image that the cloud may import.
	httpImage string
}

// client speaks to the cloud as its administrator.
type client struct {
	base, token string
	http        *http.Client
}

// furnish makes the images and flavors that Tempest expects and asks what the cloud can do.
func furnish(ctx context.Context, base string, images [2]picture) (facts, error) {
	var f facts
	c := &client{base: base, http: &http.Client{Timeout: time.Minute}}
	if err := c.logIn(ctx); err != nil {
		return f, err
	}
	for i, image := range images {
		id, err := c.image(ctx, fmt.Sprintf("tempest-%d", i+1), image)
		if err != nil {
			return f, err
		}
		f.images[i] = id
	}
	for i, memory := range []int{128, 192} {
		flavor := map[string]any{"flavor": map[string]any{"name": fmt.Sprintf("tempest-%d", i+1), "id": fmt.Sprint(i + 4201), "ram": memory, "vcpus": 1, "disk": 1}}
		if err := c.call(ctx, http.MethodPost, "/compute/v2.1/flavors", flavor, nil); err != nil {
			return f, err
		}
		f.flavors[i] = fmt.Sprint(i + 4201)
	}
	if err := c.addImageEndpoint(ctx); err != nil {
		return f, err
	}
	return f, c.learn(ctx, &f)
}

// learn reads what the APIs announce.
func (c *client) learn(ctx context.Context, f *facts) error {
	var networks struct{ Networks []struct{ ID string } }
	if err := c.call(ctx, http.MethodGet, "/network/v2.0/networks?name=public", nil, &networks); err != nil {
		return err
	}
	if len(networks.Networks) != 1 {
		return fmt.Errorf("the cloud has %d networks of the name public", len(networks.Networks))
	}
	f.publicNetwork = networks.Networks[0].ID
	var extensions struct{ Extensions []struct{ Alias string } }
	if err := c.call(ctx, http.MethodGet, "/network/v2.0/extensions", nil, &extensions); err != nil {
		return err
	}
	for _, e := range extensions.Extensions {
		f.extensions = append(f.extensions, e.Alias)
	}
	var compute struct{ Version struct{ Version string } }
	if err := c.call(ctx, http.MethodGet, "/compute/v2.1", nil, &compute); err != nil {
		return err
	}
	f.newest = compute.Version.Version
	var placement struct {
		Versions []struct {
			Max string `json:"max_version"`
		}
	}
	if err := c.call(ctx, http.MethodGet, "/placement/", nil, &placement); err != nil {
		return err
	}
	if len(placement.Versions) == 1 {
		f.placement = placement.Versions[0].Max
	}
	return c.learnImages(ctx, f)
}

func (c *client) learnImages(ctx context.Context, f *facts) error {
	type formats struct{ Enum []*string }
	var schema struct {
		Properties struct {
			DiskFormat      formats `json:"disk_format"`
			ContainerFormat formats `json:"container_format"`
		}
	}
	if err := c.call(ctx, http.MethodGet, "/image/v2/schemas/image", nil, &schema); err != nil {
		return err
	}
	words := func(list []*string) (words []string) {
		for _, word := range list {
			if word != nil {
				words = append(words, *word)
			}
		}
		return words
	}
	f.diskFormats, f.containerFormats = words(schema.Properties.DiskFormat.Enum), words(schema.Properties.ContainerFormat.Enum)
	var methods struct {
		Methods struct{ Value []string } `json:"import-methods"`
	}
	if err := c.call(ctx, http.MethodGet, "/image/v2/info/import", nil, &methods); err == nil {
		f.importMethods = methods.Methods.Value // a cloud without import says 404
	}
	return nil
}

func (c *client) logIn(ctx context.Context) error {
	body := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"` + adminPassword +
		`"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`
	response, err := c.send(ctx, http.MethodPost, "/identity/v3/auth/tokens", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	c.token = response.Header.Get("X-Subject-Token")
	return response.Body.Close()
}

// image makes an active image that everybody sees.
func (c *client) image(ctx context.Context, name string, of picture) (string, error) {
	var made struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/image/v2/images", map[string]any{
		"name": name, "disk_format": of.format, "container_format": "bare", "visibility": "public"}, &made); err != nil {
		return "", err
	}
	response, err := c.send(ctx, http.MethodPut, "/image/v2/images/"+made.ID+"/file", "application/octet-stream", bytes.NewReader(of.content))
	if err != nil {
		return "", err
	}
	return made.ID, response.Body.Close()
}

// call sends JSON and reads the answer into out, which may be nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	response, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	return nil
}

// send sends a request; a status of 300 or more is an error.
func (c *client) send(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("X-Auth-Token", c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	return response, nil
}
