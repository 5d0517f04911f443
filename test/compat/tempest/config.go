package main

import (
	"fmt"
	"slices"
	"strings"
)

// guests says what a cloud's guests are: the driver's name.
type guests string

// The kinds of guests. Real ones run on one host, the zero value stands for simulated ones.
const (
	simulated guests = ""
	real      guests = "libvirt"
)

// hosts is how many hosts the cloud has: simulated ones are several, so that servers can migrate.
func (g guests) hosts() string {
	if g == real {
		return "1"
	}
	return "2"
}

// workers is how many tests may run at once: each of them may boot several guests.
func (g guests) workers() int {
	if g == real {
		return 2
	}
	return 4
}

// patience is for how many seconds a server may be made, or anything else may take that is waited for.
func (g guests) patience() string {
	if g == real {
		return "180"
	}
	return "60"
}

// rules are the arguments of virga that make the hosts.
func (g guests) rules() []string {
	if g == real {
		return []string{"--cpu-allocation-ratio", "16"} // guests of tests do little
	}
	return []string{"--fake-hosts", g.hosts()}
}

// The rules for passwords that the cloud has.
const (
	lockoutAttempts = "2"
	lockoutSeconds  = "5"
	passwordHistory = "2"
)

// rules are the arguments of virga that set them.
func rules() []string {
	return []string{"--lockout-attempts", lockoutAttempts, "--lockout-duration", lockoutSeconds + "s", "--password-history", passwordHistory}
}

// section is one section of tempest.conf.
type section struct {
	name   string
	values [][2]string
}

// configuration is a whole tempest.conf: every switch of a feature says what the cloud can
// do. Guests that are simulated cannot be logged in to.
func configuration(base string, g guests, f facts) string {
	features := g.features()
	sections := []section{
		{"DEFAULT", [][2]string{{"log_file", "tempest.log"}, {"debug", "true"}}},
		{"oslo_concurrency", [][2]string{{"lock_path", "lock"}}},
		{"auth", [][2]string{
			{"use_dynamic_credentials", "true"}, {"create_isolated_networks", "true"}, {"tempest_roles", "member"},
			{"admin_username", "admin"}, {"admin_password", adminPassword}, {"admin_project_name", "admin"},
			{"admin_domain_name", "Default"}, {"admin_user_domain_name", "Default"}, {"default_credentials_domain_name", "Default"}}},
		{"identity", [][2]string{{"uri_v3", base + "/identity/v3"}, {"auth_version", "v3"}, {"region", "RegionOne"}, {"v3_endpoint_type", "public"},
			{"admin_role", "admin"}, {"default_domain_id", "default"}, {"user_lockout_failure_attempts", lockoutAttempts},
			{"user_lockout_duration", lockoutSeconds}, {"user_unique_last_password_count", passwordHistory}}},
		{"identity-feature-enabled", features.identity},
		{"service_available", [][2]string{{"nova", "true"}, {"neutron", "true"}, {"glance", "true"}, {"cinder", "false"}, {"swift", "false"}, {"horizon", "false"}}},
		{"compute", [][2]string{{"image_ref", f.images[0]}, {"image_ref_alt", f.images[1]}, {"flavor_ref", f.flavors[0]}, {"flavor_ref_alt", f.flavors[1]},
			{"min_microversion", "2.1"}, {"max_microversion", f.newest}, {"min_compute_nodes", g.hosts()}, {"build_timeout", g.patience()}, {"fixed_network_name", "private"}}},
		{"compute-feature-enabled", features.compute},
		{"placement", [][2]string{{"min_microversion", "1.0"}, {"max_microversion", f.placement}}},
		{"image", [][2]string{{"disk_formats", strings.Join(unseen(f.diskFormats), ",")}, {"container_formats", strings.Join(f.containerFormats, ",")},
			{"http_image", f.httpImage}, {"image_caching_enabled", "true"}, {"alternate_image_endpoint", otherImages}}},
		{"image-feature-enabled", append(features.image, [2]string{"import_image", fmt.Sprint(len(f.importMethods) > 0)})},
		{"network", [][2]string{{"public_network_id", f.publicNetwork}, {"floating_network_name", "public"}, {"project_network_cidr", "10.100.0.0/16"}}},
		{"network-feature-enabled", append(features.network,
			[2]string{"api_extensions", strings.Join(f.extensions, ",")},
			[2]string{"port_security", fmt.Sprint(slices.Contains(f.extensions, "port-security"))})},
		{"validation", [][2]string{{"run_validation", fmt.Sprint(g == real)}, {"image_ssh_user", "root"}, {"image_ssh_password", guestPassword}, {"ssh_key_type", "ecdsa"},
			{"ssh_timeout", "120"}}},
	}
	var text strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&text, "[%s]\n", s.name)
		for _, value := range s.values {
			fmt.Fprintf(&text, "%s = %s\n", value[0], value[1])
		}
		text.WriteString("\n")
	}
	return text.String()
}

// unseen are the disk formats that any content has. Tempest uploads random bytes in all that
// it is told of, and the cloud refuses what is not of the format that it is declared to be.
func unseen(formats []string) []string {
	return slices.DeleteFunc(slices.Clone(formats), func(name string) bool { return !slices.Contains([]string{"raw", "ami", "ari", "aki"}, name) })
}

// featureSwitches are the sections …-feature-enabled as far as no API announces them.
type featureSwitches struct{ identity, compute, image, network [][2]string }

// features are the switches for a cloud with such guests.
func (g guests) features() featureSwitches {
	on := func(names ...string) (list [][2]string) {
		for _, name := range names {
			list = append(list, [2]string{name, "true"})
		}
		return list
	}
	off := func(names ...string) (list [][2]string) {
		for _, name := range names {
			list = append(list, [2]string{name, "false"})
		}
		return list
	}
	hosts, agent := on, on
	if g == real { // one host, and an image without QEMU's agent
		hosts, agent = off, off
	}
	return featureSwitches{
		identity: slices.Concat(on("api_v3", "project_tags", "application_credentials", "access_rules", "trust", "security_compliance"),
			off("api_v2", "api_v2_admin", "domain_specific_drivers")),
		compute: slices.Concat(hosts("cold_migration", "live_migration", "block_migration_for_live_migration", "live_migrate_paused_instances", "live_migrate_back_and_forth"), agent("change_password"),
			on("resize", "console_output", "interface_attach", "config_drive", "metadata_service", "disk_config", "enable_instance_password", "pause", "suspend", "rescue", "stable_rescue", "snapshot", "shelve", "vnc_console"),
			// What Tempest asks of Xen alone, others have, too: changes of metadata while a server runs.
			on("personality", "hostname_fqdn_sanitization", "xenapi_apis"),
			// Tempest's test of serial consoles sends text where Python 3 wants bytes: it passes nowhere.
			off("serial_console", "attach_encrypted_volume"),
			// Tests of filters run only where these are named.
			[][2]string{{"scheduler_enabled_filters", "ServerGroupAffinityFilter,ServerGroupAntiAffinityFilter,SameHostFilter,DifferentHostFilter"}}),
		image:   on("api_v2", "os_glance_reserved", "manage_locations"),
		network: on("ipv6", "ipv6_subnet_attributes", "floating_ips"),
	}
}
