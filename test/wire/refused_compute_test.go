package wire

import (
	"encoding/base64"
	"strings"
)

func wrongForCompute() []wrong {
	const servers, action, keypairs = "/compute/v2.1/servers", "/compute/v2.1/servers/${server}/action", "/compute/v2.1/os-keypairs"
	longData := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 65536)))
	return []wrong{
		{"no JSON", "POST", servers, `{"server"`, 400, ``},
		{"nothing", "POST", servers, `{}`, 400, `server`},
		{"a list", "POST", servers, `[]`, 400, ``},
		{"unknown field", "POST", servers, server(`"colour": "blue"`), 400, `colour`},
		{"unknown field beside", "POST", servers, `{"server": {"name": "w", "imageRef": "${image}", "flavorRef": "${flavor}", "networks": "none"}, "colour": 1}`, 400, `colour`},
		{"empty name", "POST", servers, server(`"name": ""`), 400, `name`},
		{"name of spaces", "POST", servers, server(`"name": "   "`), 400, `name`},
		{"long name", "POST", servers, server(`"name": "` + long + `"`), 400, `name`},
		{"number for a name", "POST", servers, server(`"name": 5`), 400, `name`},
		{"unknown image", "POST", servers, server(`"imageRef": "${unknown}"`), 400, `${unknown}|image`},
		{"no image", "POST", servers, server(`"imageRef": ""`), 400, ``},
		{"image without data", "POST", servers, server(`"imageRef": "${image_queued}"`), 400, `active`},
		{"image larger than the flavor's disk", "POST", servers, server(`"imageRef": "${image_large}"`), 400, `disk is smaller`},
		{"image hungrier than the flavor's memory", "POST", servers, server(`"imageRef": "${image_hungry}"`), 400, `memory.*too small`},
		{"unknown flavor", "POST", servers, server(`"flavorRef": "${unknown}"`), 400, `[Ff]lavor`},
		{"unknown network", "POST", servers, server(`"networks": [{"uuid": "${unknown}"}]`), 400, `${unknown}`},
		{"another's network", "POST", servers, server(`"networks": [{"uuid": "${foreign_network}"}]`), 400, ``},
		{"network without subnet", "POST", servers, server(`"networks": [{"uuid": "${bare_network}"}]`), 400, `subnet`},
		{"no network", "POST", servers, `{"server": {"name": "w", "imageRef": "${image}", "flavorRef": "${flavor}"}}`, 400, `networks`},
		{"a network that is no id", "POST", servers, server(`"networks": [{"uuid": "lan"}]`), 400, `uuid|lan`},
		{"networks that are a number", "POST", servers, server(`"networks": 3`), 400, `networks`},
		{"an address that is none", "POST", servers, server(`"networks": [{"uuid": "${network}", "fixed_ip": "five"}]`), 400, `fixed_ip|five`},
		{"a taken address", "POST", servers, server(`"networks": [{"uuid": "${network}", "fixed_ip": "192.0.2.10"}]`), 400, `192\.0\.2\.10`},
		{"unknown port", "POST", servers, server(`"networks": [{"port": "${unknown}"}]`), 400, `${unknown}`},
		{"unknown key", "POST", servers, server(`"key_name": "gone"`), 400, `key_name`},
		{"unknown group", "POST", servers, server(`"security_groups": [{"name": "gone"}]`), 400, `gone`},
		{"unknown zone", "POST", servers, server(`"availability_zone": "moon"`), 400, `zone`},
		{"data that is not base64", "POST", servers, server(`"user_data": "#!/bin/sh"`), 400, `user_data`},
		{"data without end", "POST", servers, server(`"user_data": "` + longData + `"`), 400, `user_data|User data`},
		{"metadata of numbers", "POST", servers, server(`"metadata": {"a": 5}`), 400, `metadata|5`},
		{"metadata with a long key", "POST", servers, server(`"metadata": {"` + long + `": "v"}`), 400, ``},
		{"none at least", "POST", servers, server(`"min_count": 0`), 400, `min_count`},
		{"more at least than at most", "POST", servers, server(`"min_count": 3, "max_count": 2`), 400, `min_count`},
		{"more than the quota", "POST", servers, server(`"min_count": 11, "max_count": 11`), 403, `[Qq]uota exceeded for .*instances.*11`},
		{"more than anybody has", "POST", servers, server(`"min_count": 99999999999999999999`), 400, `min_count`},
		{"a config drive of a word", "POST", servers, server(`"config_drive": "maybe"`), 400, `config_drive`},
		{"depth", "POST", servers, server(`"metadata": ` + nested(100000)), 400, ``},
		{"unknown action", "POST", action, `{"dance": null}`, 400, `dance|action`},
		{"two actions", "POST", action, `{"os-stop": null, "os-start": null}`, 400, ``},
		{"no action", "POST", action, `{}`, 400, ``},
		{"start of what runs", "POST", action, `{"os-start": null}`, 409, `start`},
		{"strange reboot", "POST", action, `{"reboot": {"type": "WARM"}}`, 400, `type|WARM`},
		{"reboot without type", "POST", action, `{"reboot": {}}`, 400, `type`},
		{"console of words", "POST", action, `{"os-getConsoleOutput": {"length": "all"}}`, 400, `length`},
		{"action on nothing", "POST", servers + "/${unknown}/action", `{"os-stop": null}`, 404, `${unknown}`},
		{"unknown server", "GET", servers + "/${unknown}", ``, 404, `${unknown}`},
		{"change of an unknown server", "PUT", servers + "/${unknown}", `{"server": {"name": "w"}}`, 404, ``},
		{"delete of an unknown server", "DELETE", servers + "/${unknown}", ``, 404, ``},
		{"change to a long name", "PUT", servers + "/${server}", `{"server": {"name": "` + long + `"}}`, 400, `name`},
		{"change of what cannot be", "PUT", servers + "/${server}", `{"server": {"status": "ERROR"}}`, 400, `status`},
		{"negative limit", "GET", servers + "?limit=-1", ``, 400, `limit`},
		{"unknown marker", "GET", servers + "?marker=${unknown}", ``, 400, `marker`},
		{"strange time", "GET", servers + "?changes-since=yesterday", ``, 400, `changes-since`},
		{"unknown sort key", "GET", servers + "?sort_key=colour", ``, 400, `sort_key|colour`},
		{"key without name", "POST", keypairs, `{"keypair": {}}`, 400, `name`},
		{"key with a strange name", "POST", keypairs, `{"keypair": {"name": "a/b", "public_key": "` + publicKey + `"}}`, 400, `name`},
		{"key that is none", "POST", keypairs, `{"keypair": {"name": "w", "public_key": "ssh-rsa nonsense"}}`, 400, ``},
		{"taken key name", "POST", keypairs, `{"keypair": {"name": "wire", "public_key": "` + publicKey + `"}}`, 409, `wire`},
		{"unknown key", "GET", keypairs + "/gone", ``, 404, `gone`},
		{"unknown flavor's details", "GET", "/compute/v2.1/flavors/${unknown}", ``, 404, `${unknown}`},
		{"interface on nothing", "POST", servers + "/${server}/os-interface", `{"interfaceAttachment": {"net_id": "${unknown}"}}`, 404, `${unknown}`},
		{"unknown path", "GET", "/compute/v2.1/nonsense", ``, 404, ``},
		{"method that is not there", "PATCH", servers, `{}`, 405, ``},
	}
}

func wrongForFlavors() []wrong {
	const flavors = "/compute/v2.1/flavors"
	return []wrong{
		{"no name", "POST", flavors, `{"flavor": {"ram": 1, "vcpus": 1, "disk": 1}}`, 400, `name`},
		{"no memory", "POST", flavors, `{"flavor": {"name": "w", "ram": 0, "vcpus": 1, "disk": 1}}`, 400, `ram`},
		{"negative disk", "POST", flavors, `{"flavor": {"name": "w", "ram": 1, "vcpus": 1, "disk": -1}}`, 400, `disk`},
		{"half a processor", "POST", flavors, `{"flavor": {"name": "w", "ram": 1, "vcpus": 0.5, "disk": 1}}`, 400, `vcpus`},
		{"memory beyond all", "POST", flavors, `{"flavor": {"name": "w", "ram": 99999999999, "vcpus": 1, "disk": 1}}`, 400, `ram`},
		{"taken name", "POST", flavors, `{"flavor": {"name": "wire.small", "ram": 1, "vcpus": 1, "disk": 1}}`, 409, `wire.small`},
		{"unknown field", "POST", flavors, `{"flavor": {"name": "w", "ram": 1, "vcpus": 1, "disk": 1, "colour": 1}}`, 400, `colour`},
		{"unknown flavor", "DELETE", flavors + "/${unknown}", ``, 404, ``},
	}
}

func wrongForPlacement() []wrong {
	const providers, one = "/placement/resource_providers", "/placement/resource_providers/${provider}"
	return []wrong{
		{"no JSON", "POST", providers, `{"name"`, 400, ``},
		{"no name", "POST", providers, `{}`, 400, `name`},
		{"unknown field", "POST", providers, `{"name": "w", "colour": 1}`, 400, `colour`},
		{"long name", "POST", providers, `{"name": "` + long + `"}`, 400, ``},
		{"taken name", "POST", providers, `{"name": "wire"}`, 409, `wire`},
		{"unknown provider", "GET", providers + "/${unknown}", ``, 404, `${unknown}`},
		{"inventory of an unknown class", "PUT", one + "/inventories", `{"resource_provider_generation": 0, "inventories": {"SMILES": {"total": 1}}}`, 400, `SMILES`},
		{"inventory without generation", "PUT", one + "/inventories", `{"inventories": {"VCPU": {"total": 1}}}`, 400, `generation`},
		{"inventory of an old generation", "PUT", one + "/inventories", `{"resource_provider_generation": 77, "inventories": {"VCPU": {"total": 1}}}`, 409, `generation`},
		{"inventory of nothing", "PUT", one + "/inventories", `{"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 0}}}`, 400, ``},
		{"unknown trait", "PUT", one + "/traits", `{"resource_provider_generation": 0, "traits": ["SMILES"]}`, 400, `SMILES`},
		{"strange trait", "PUT", "/placement/traits/smiles", ``, 400, ``},
		{"allocation from an unknown provider", "PUT", "/placement/allocations/${unknown}", `{"allocations": {"${unknown}": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`, 400, `${unknown}`},
		{"allocation beyond the capacity", "PUT", "/placement/allocations/${unknown}", `{"allocations": {"${provider}": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`, 409, ``},
		{"allocation of nothing", "PUT", "/placement/allocations/${unknown}", `{"allocations": {"${provider}": {"resources": {"VCPU": 0}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`, 400, ``},
		{"candidates without resources", "GET", "/placement/allocation_candidates", ``, 400, `resources`},
		{"candidates of an unknown class", "GET", "/placement/allocation_candidates?resources=SMILES:1", ``, 400, `SMILES`},
		{"unknown path", "GET", "/placement/nonsense", ``, 404, ``},
	}
}

func notForUsers() []wrong {
	return []wrong{
		{"project", "POST", "/identity/v3/projects", `{"project": {"name": "w", "domain_id": "default"}}`, 403, ``},
		{"users", "GET", "/identity/v3/users", ``, 403, ``},
		{"flavor", "POST", "/compute/v2.1/flavors", `{"flavor": {"name": "w", "ram": 1, "vcpus": 1, "disk": 1}}`, 403, ``},
		{"hypervisors", "GET", "/compute/v2.1/os-hypervisors", ``, 403, ``},
		{"services", "GET", "/compute/v2.1/os-services", ``, 403, ``},
		{"everybody's servers", "GET", "/compute/v2.1/servers?all_tenants=1", ``, 403, ``},
		{"providers", "GET", "/placement/resource_providers", ``, 403, ``},
		{"a node's orders", "GET", "/compute/internal/hosts/wirehost/guests?since=0", ``, 403, ``},
		{"a node's networks", "GET", "/network/internal/hosts/wirehost/desired?since=0", ``, 403, ``},
		{"quota", "PUT", "/compute/v2.1/os-quota-sets/${wire_project}", `{"quota_set": {"instances": 100}}`, 403, ``},
	}
}
