package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"virga/core/api"
	"virga/test/cloud"
)

// marker is in everything that people of the tests want to keep to themselves. Whoever else reads it has found a hole.
const marker = "zq9-private"

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDn1g4JQbbmJRQ3pm8mVWcGK6oVPEk9bPiLs3Qz9Vt5e test"

// estate is what somebody owns: one of everything, by name.
type estate struct {
	owner *cloud.Client
	ids   map[string]string
	// word is the name and the content of all of it: the marker for those whom others are after.
	word string
}

// object is a JSON object.
type object = map[string]any

// furnish gives somebody one of everything.
func furnish(t *testing.T, c *cloud.Cloud, owner *cloud.Client, cidr, word string) *estate {
	t.Helper()
	e := &estate{word: word, owner: owner, ids: map[string]string{"project_id": owner.ProjectID, "user_id": owner.UserID, "role_id": c.Role(t, "member"),
		"implied_role_id": c.Role(t, "reader"), "domain_id": "default", "region_id": "RegionOne", "unknown": "0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f",
		"tag": word, "key": word, "name": "key", "host": c.Host, "alias": "router", "class": "default", "value": word, "member_id": "f00f00f00f00f00f00f00f00f00f00f0", "path": "openstack/latest/user_data"}}
	e.ids["flavor_id"] = c.Admin.Must(t, "POST", "/compute/v2.1/flavors", object{"flavor": object{"name": "small-" + owner.Name, "ram": 64, "vcpus": 1, "disk": 1}}, "flavor.id")
	e.ids["service_id"] = c.Admin.Must(t, "GET", "/identity/v3/services?type=image", nil, "services.0.id")
	e.ids["endpoint_id"] = c.Admin.Must(t, "GET", "/identity/v3/endpoints", nil, "endpoints.0.id")
	e.ids["identity_group"] = c.Admin.Must(t, "POST", "/identity/v3/groups", object{"group": object{"name": e.word + owner.Name, "domain_id": "default"}}, "group.id")
	e.ids["application_credential_id"] = owner.Must(t, "POST", "/identity/v3/users/"+owner.UserID+"/application_credentials",
		object{"application_credential": object{"name": e.word}}, "application_credential.id")
	e.ids["image_id"] = owner.Must(t, "POST", "/image/v2/images", object{"name": e.word, "disk_format": "raw", "container_format": "bare", "tags": []string{e.word}, "secret": e.word}, "id")
	owner.Must(t, "PUT", "/image/v2/images/"+e.ids["image_id"]+"/file", strings.Repeat(e.word, 100), "", "Content-Type", "application/octet-stream")
	e.furnishCatalog(t, c)
	c.Admin.Must(t, "POST", "/image/v2/images/"+e.ids["image_id"]+"/import", object{"method": object{"name": "copy-image"}, "all_stores": true}, "")
	e.ids["store_id"] = "file"
	e.ids["task_id"] = owner.Must(t, "GET", "/image/v2/images/"+e.ids["image_id"]+"/tasks", nil, "tasks.0.id")
	e.furnishNetwork(t, c, cidr)
	e.furnishCompute(t, c)
	owner.Must(t, "POST", "/image/v2/images/"+e.ids["image_id"]+"/members", object{"member": e.ids["member_id"]}, "")
	e.furnishIdentity(t, c)
	e.ids["uuid"] = c.Admin.Must(t, "POST", "/placement/resource_providers", object{"name": e.word + owner.Name}, "uuid")
	e.ids["consumer_uuid"], e.ids["resource_class"] = e.ids["server_id"], "VCPU"
	c.Admin.Must(t, "POST", "/placement/resource_providers/"+e.ids["uuid"]+"/inventories", object{"resource_class": "VCPU", "resource_provider_generation": 0, "total": 8}, "")
	return e
}

// furnishCatalog adds a namespace of metadata definitions with one of everything.
func (e *estate) furnishCatalog(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	e.ids["namespace"], e.ids["object_name"], e.ids["property_name"], e.ids["tag_name"], e.ids["resource_type"] = e.word+e.owner.Name, e.word, e.word, e.word, "OS::Nova::Server"
	named := []object{{"name": e.word}}
	c.Admin.Must(t, "POST", "/image/v2/metadefs/namespaces", object{"namespace": e.ids["namespace"], "owner": e.owner.ProjectID, "objects": named, "tags": named,
		"properties": object{e.word: object{"title": e.word, "type": "string"}}, "resource_type_associations": []object{{"name": "OS::Nova::Server"}}}, "")
}

// furnishIdentity adds what administrators give: a tag, a group, roles.
func (e *estate) furnishIdentity(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	project, group, role := "/identity/v3/projects/"+e.ids["project_id"], e.ids["identity_group"], "/roles/"+e.ids["role_id"]
	for _, path := range []string{project + "/tags/" + e.word, "/identity/v3/groups/" + group + "/users/" + e.ids["user_id"],
		project + "/users/" + e.ids["user_id"] + role, project + "/groups/" + group + role} {
		c.Admin.Must(t, "PUT", path, nil, "")
	}
	e.furnishDelegations(t, c)
	e.furnishRegistry(t, c)
}

// furnishDelegations adds what a user hands on, or proves who they are with elsewhere.
func (e *estate) furnishDelegations(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	user := "/identity/v3/users/" + e.ids["user_id"]
	e.ids["credential_id"] = e.owner.Must(t, "POST", "/identity/v3/credentials", object{"credential": object{"type": "cert", "blob": e.word}}, "credential.id")
	e.ids["access"] = e.owner.Must(t, "POST", user+"/credentials/OS-EC2", object{"tenant_id": e.ids["project_id"]}, "credential.access")
	e.ids["access_rule_id"] = e.owner.Must(t, "POST", user+"/application_credentials", object{"application_credential": object{"name": e.word + "-narrow",
		"access_rules": []object{{"service": "compute", "method": "GET", "path": "/" + e.word}}}}, "application_credential.access_rules.0.id")
	e.ids["trust_id"] = e.owner.Must(t, "POST", "/identity/v3/OS-TRUST/trusts", object{"trust": object{"trustor_user_id": e.ids["user_id"],
		"trustee_user_id": c.Admin.UserID, "impersonation": false, "project_id": e.ids["project_id"], "roles": []object{{"id": e.ids["role_id"]}}}}, "trust.id")
	e.furnishAccessToken(t, c)
}

// furnishRegistry adds what administrators register.
func (e *estate) furnishRegistry(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	e.ids["group"], e.ids["option"] = "ldap", "url"
	domain := c.Admin.Must(t, "POST", "/identity/v3/domains", object{"domain": object{"name": e.word + e.owner.Name}}, "domain.id")
	c.Admin.Must(t, "PUT", "/identity/v3/domains/"+domain+"/config", object{"config": object{"ldap": object{"url": "ldap://" + e.word}}}, "")
	e.ids["endpoint_group_id"] = c.Admin.Must(t, "POST", "/identity/v3/OS-EP-FILTER/endpoint_groups",
		object{"endpoint_group": object{"name": e.word, "filters": object{"interface": "public"}}}, "endpoint_group.id")
	e.ids["policy_id"] = c.Admin.Must(t, "POST", "/identity/v3/policies", object{"policy": object{"type": "text/plain", "blob": e.word}}, "policy.id")
	// What is for what: the project sees an endpoint and a group of them, the policy is for three places.
	filter, policy := "/identity/v3/OS-EP-FILTER", "/identity/v3/policies/"+e.ids["policy_id"]+"/OS-ENDPOINT-POLICY"
	for _, path := range []string{filter + "/projects/" + e.ids["project_id"] + "/endpoints/" + e.ids["endpoint_id"],
		filter + "/endpoint_groups/" + e.ids["endpoint_group_id"] + "/projects/" + e.ids["project_id"], policy + "/endpoints/" + e.ids["endpoint_id"],
		policy + "/services/" + e.ids["service_id"], policy + "/services/" + e.ids["service_id"] + "/regions/" + e.ids["region_id"]} {
		c.Admin.Must(t, "PUT", path, nil, "")
	}
	e.ids["consumer_id"] = c.Admin.Must(t, "POST", "/identity/v3/OS-OAUTH1/consumers", object{"consumer": object{"description": e.word}}, "consumer.id")
	limited := object{"service_id": e.ids["service_id"], "resource_name": "resource of " + e.owner.Name, "default_limit": 10}
	e.ids["registered_limit_id"] = c.Admin.Must(t, "POST", "/identity/v3/registered_limits", object{"registered_limits": []object{limited}}, "registered_limits.0.id")
	delete(limited, "default_limit")
	limited["project_id"], limited["resource_limit"] = e.ids["project_id"], 5
	e.ids["limit_id"] = c.Admin.Must(t, "POST", "/identity/v3/limits", object{"limits": []object{limited}}, "limits.0.id")
}

// make sends a POST of one object and keeps the id of what it makes under a name.
func (e *estate) make(t *testing.T, name, path, one string, body object) {
	t.Helper()
	if _, tagged := body["description"]; !tagged {
		body["description"] = e.word
	}
	e.ids[name] = e.owner.Must(t, "POST", path, object{one: body}, one+".id")
}

func (e *estate) furnishNetwork(t *testing.T, c *cloud.Cloud, cidr string) {
	t.Helper()
	e.ids["public"] = c.Admin.Must(t, "GET", "/network/v2.0/networks?name=public", nil, "networks.0.id")
	e.make(t, "networks", "/network/v2.0/networks", "network", object{"name": e.word})
	e.make(t, "subnets", "/network/v2.0/subnets", "subnet", object{"network_id": e.ids["networks"], "cidr": cidr, "ip_version": 4})
	e.make(t, "security-groups", "/network/v2.0/security-groups", "security_group", object{"name": e.word})
	e.ids["security_group_id"] = e.ids["security-groups"]
	e.make(t, "security-group-rules", "/network/v2.0/security-group-rules", "security_group_rule", object{"security_group_id": e.ids["security-groups"],
		"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22})
	e.make(t, "ports", "/network/v2.0/ports", "port", object{"network_id": e.ids["networks"], "name": e.word})
	e.make(t, "routers", "/network/v2.0/routers", "router", object{"name": e.word, "external_gateway_info": object{"network_id": e.ids["public"]}})
	e.owner.Must(t, "PUT", "/network/v2.0/routers/"+e.ids["routers"]+"/add_router_interface", object{"subnet_id": e.ids["subnets"]}, "")
	e.make(t, "floatingips", "/network/v2.0/floatingips", "floatingip", object{"floating_network_id": e.ids["public"], "port_id": e.ids["ports"]})
	for _, kind := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups"} {
		e.owner.Must(t, "PUT", "/network/v2.0/"+kind+"/"+e.ids[kind]+"/tags/"+e.word, nil, "")
	}
	e.ids["agents"] = c.Admin.Must(t, "GET", "/network/v2.0/agents", nil, "agents.0.id")
}

func (e *estate) furnishCompute(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	e.owner.Must(t, "POST", "/compute/v2.1/os-keypairs", object{"keypair": object{"name": "key", "type": "ssh", "public_key": publicKey}}, "")
	e.ids["group_id"] = e.owner.Must(t, "POST", "/compute/v2.1/os-server-groups", object{"server_group": object{"name": e.word, "policy": "anti-affinity"}}, "server_group.id")
	e.ids["server_id"] = e.server(t, c, object{"key_name": "key", "description": e.word, "tags": []string{e.word},
		"user_data": base64.StdEncoding.EncodeToString([]byte(e.word)), "metadata": object{e.word: e.word}})
	address := e.owner.Must(t, "POST", "/compute/v2.1/servers/"+e.ids["server_id"]+"/remote-consoles", object{"remote_console": object{"protocol": "serial", "type": "serial"}},
		"remote_console.url", "OpenStack-API-Version", "compute 2.6")
	_, e.ids["token"], _ = strings.Cut(address, "token=")
	e.ids["port_id"] = e.owner.Must(t, "GET", "/compute/v2.1/servers/"+e.ids["server_id"]+"/os-interface", nil, "interfaceAttachments.0.port_id")
	e.ids["request_id"] = e.owner.Must(t, "GET", "/compute/v2.1/servers/"+e.ids["server_id"]+"/os-instance-actions", nil, "instanceActions.0.request_id")
	e.ids["migration_id"] = "1" // there are no live ones, and that is all that this row knows
	e.ids["network"] = e.word
	e.ids["hypervisor_id"] = c.Admin.Must(t, "GET", "/compute/v2.1/os-hypervisors", nil, "hypervisors.0.id")
	e.ids["operation_id"] = c.Admin.Must(t, "GET", "/compute/internal/operations", nil, "operations.0.id")
	e.ids["network_id"], e.ids["floating_ip_id"], e.ids["security_group_rule_id"] = e.ids["networks"], e.ids["floatingips"], e.ids["security-group-rules"]
	e.ids["host_name"] = c.Admin.Must(t, "GET", "/compute/v2.1/os-services", nil, "services.0.host")
	e.ids["aggregate_id"] = c.Admin.Must(t, "POST", "/compute/v2.1/os-aggregates", object{"aggregate": object{"name": e.word + e.owner.Name}}, "aggregate.id")
	e.ids["cache_id"] = "7d0e3c1a-5c58-4a6e-8f0c-2c8a54b1a9f3"
	e.ids["before"] = "2026-01-01%2000:00:00"
	for _, name := range []string{"gone_id", "volume_id", "share_id", "snapshot_id", "node_id"} { // there are none of these
		e.ids[name] = "7d0e3c1a-5c58-4a6e-8f0c-2c8a54b1a9f3"
	}
	e.ids["compute_service"] = c.Admin.Must(t, "GET", "/compute/v2.1/os-services", nil, "services.0.id")
}

// server makes a server on the owner's network and waits until it runs.
func (e *estate) server(t *testing.T, c *cloud.Cloud, more object) string {
	t.Helper()
	body := object{"name": e.word, "imageRef": e.ids["image_id"], "flavorRef": e.ids["flavor_id"], "networks": []object{{"uuid": e.ids["networks"]}}}
	for key, value := range more {
		body[key] = value
	}
	id := e.owner.Must(t, "POST", "/compute/v2.1/servers", object{"server": body}, "server.id")
	awaitServer(t, c, e.owner, id, "ACTIVE")
	return id
}

func awaitServer(t *testing.T, c *cloud.Cloud, owner *cloud.Client, id, status string) {
	t.Helper()
	c.Await(t, "server "+id+" is "+status, func() error {
		a := owner.Do(t, "GET", "/compute/v2.1/servers/"+id, nil)
		if a.Value("server.status") != status || a.Value("server.OS-EXT-STS:task_state") != "" {
			return fmt.Errorf("%s", a)
		}
		return nil
	})
}

var parameter = regexp.MustCompile(`\{([a-z_]+)(?:\.\.\.)?\}`)

// path fills a row's parameters with the ids of the estate; a parameter of that name in another service is told apart by
// what stands before it.
func (e *estate) path(t *testing.T, prefix string, row *api.Route) string {
	t.Helper()
	segments := strings.Split(row.Path, "/")
	for i, segment := range segments {
		match := parameter.FindStringSubmatch(segment)
		if match == nil {
			continue
		}
		name := match[1]
		switch before := segments[i-1]; {
		case name == "id":
			name = before
		case prefix == "/identity" && name == "group_id":
			name = "identity_group"
		case prefix == "/image" && name == "operation_id":
			name = "task_id"
		case prefix == "/compute" && name == "service_id":
			name = "compute_service"
		case prefix == "/placement" && name == "name":
			name = "resource_class"
		}
		value, known := e.ids[name]
		if !known {
			t.Fatalf("%s%s: nothing is known for %s", prefix, row.Path, segment)
		}
		segments[i] = value
	}
	if row.Path == "/events" { // a stream that ends with what there is
		segments[len(segments)-1] += "?follow=false"
	}
	return prefix + strings.Join(segments, "/")
}

// version is the header that asks for a version in which the row is there.
func version(prefix string, table *api.Table, row *api.Route) []string {
	if table.Versions == nil {
		return nil
	}
	at := table.Versions.Max
	if !row.Until.IsZero() {
		at = row.Until
	}
	return []string{"OpenStack-API-Version", strings.TrimPrefix(prefix, "/") + " " + at.String()}
}

// fill puts ids of the estate into a body: ${networks} becomes the network's.
func (e *estate) fill(t *testing.T, text string) string {
	t.Helper()
	for name, id := range e.ids {
		text = strings.ReplaceAll(text, "${"+name+"}", id)
	}
	if at := strings.Index(text, "${"); at >= 0 {
		t.Fatalf("nobody knows the id in %.40s", text[at:])
	}
	if !json.Valid([]byte(text)) {
		t.Fatalf("no JSON: %s", text)
	}
	return text
}
