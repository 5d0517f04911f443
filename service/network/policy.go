package network

import (
	"fmt"
	"regexp"
	"strings"

	"virga/core/api/events"
	"virga/core/authz"
)

// The checks that most rules are one of.
const (
	anyAdmin      = "rule:context_is_admin"
	adminService  = "rule:admin_or_service"
	nodeOnly      = "role:node"
	projectReader = "rule:admin_or_service or (role:reader and project_id:%(project_id)s)"
	projectMember = "rule:admin_or_service or (role:member and project_id:%(project_id)s)"
	networkOwner  = "rule:admin_or_service or rule:network_owner"
)

// policyRow is one rule with the requests that it governs, "GET /networks/{id}".
type policyRow struct {
	name, check, description string
	operations               []string
}

// policyRules are all rules of the service by the names that the network API gives them.
func policyRules() []authz.Rule {
	rules := append(authz.BaseRules(), events.Rules("network")...)
	for _, rows := range [][]policyRow{sharedPolicy, networkPolicy, subnetPolicy, portPolicy, routerPolicy, floatingIPPolicy,
		groupPolicy, operatorPolicy, tagPolicy} {
		for _, row := range rows {
			rule := authz.Rule{Name: row.name, Check: row.check, Description: row.description}
			for _, operation := range row.operations {
				method, path, _ := strings.Cut(operation, " ")
				rule.Operations = append(rule.Operations, authz.Operation{Method: method, Path: "/v2.0" + path})
			}
			rules = append(rules, rule)
		}
	}
	return rules
}

var sharedPolicy = []policyRow{
	{"admin_or_service", "rule:context_is_admin or role:service", "Administrators, and services that act for a project.", nil},
	{"network_owner", "role:member and project_id:%(network:project_id)s", "Members of the project that owns the target's network.", nil},
	{"shared", "field:networks:shared=True", "The target is a network that is shared with everybody.", nil},
	{"external", "field:networks:router:external=True", "The target is an external network.", nil},
	{"network_shared", "field:networks:network:shared=True", "The target's network is shared with everybody.", nil},
	{"network_device", "field:port:device_owner=~^network:", "The target is a port of the network service's own.", nil},
	{"network:node", nodeOnly, "Node agents, each for its own host.", nil},
	{"regular_user", "role:member or rule:admin_or_service", "Members of any project; the handler asks a further rule when it knows the network.", nil},
	{"get_version", "@", "Lists of extensions and resources.", []string{"GET /", "GET /extensions"}},
}

var networkPolicy = []policyRow{
	{"create_network", projectMember, "Create a network.", []string{"POST /networks"}},
	{"create_network:shared", anyAdmin, "Share a new network with everybody.", []string{"POST /networks"}},
	{"create_network:router:external", anyAdmin, "Create an external network.", []string{"POST /networks"}},
	{"create_network:is_default", anyAdmin, "Make a new external network the default.", []string{"POST /networks"}},
	{"create_network:port_security_enabled", projectMember, "Set port security of a new network.", []string{"POST /networks"}},
	{"create_network:provider:network_type", anyAdmin, "Choose the type of a new network.", []string{"POST /networks"}},
	{"create_network:provider:physical_network", anyAdmin, "Choose the physical network of a new network.", []string{"POST /networks"}},
	{"create_network:provider:segmentation_id", anyAdmin, "Choose the segment of a new network.", []string{"POST /networks"}},
	{"get_network", projectReader + " or rule:shared or rule:external", "Show or list networks.", []string{"GET /networks", "GET /networks/{id}"}},
	{"get_network:provider:network_type", anyAdmin, "See a network's type.", []string{"GET /networks/{id}"}},
	{"get_network:provider:physical_network", anyAdmin, "See a network's physical network.", []string{"GET /networks/{id}"}},
	{"get_network:provider:segmentation_id", anyAdmin, "See a network's segment.", []string{"GET /networks/{id}"}},
	{"update_network", projectMember, "Change a network.", []string{"PUT /networks/{id}"}},
	{"update_network:shared", anyAdmin, "Share a network, or end it.", []string{"PUT /networks/{id}"}},
	{"update_network:router:external", anyAdmin, "Make a network external, or end it.", []string{"PUT /networks/{id}"}},
	{"update_network:is_default", anyAdmin, "Make an external network the default.", []string{"PUT /networks/{id}"}},
	{"update_network:port_security_enabled", projectMember, "Change port security of a network.", []string{"PUT /networks/{id}"}},
	{"delete_network", projectMember, "Delete a network.", []string{"DELETE /networks/{id}"}},
}

var subnetPolicy = []policyRow{
	{"create_subnet", networkOwner, "Create a subnet on a network.", []string{"POST /subnets"}},
	{"get_subnet", projectReader + " or rule:network_shared", "Show or list subnets.", []string{"GET /subnets", "GET /subnets/{id}"}},
	{"update_subnet", projectMember + " or rule:network_owner", "Change a subnet.", []string{"PUT /subnets/{id}"}},
	{"delete_subnet", projectMember + " or rule:network_owner", "Delete a subnet.", []string{"DELETE /subnets/{id}"}},
}

var portPolicy = []policyRow{
	{"create_port", projectMember, "Create a port.", []string{"POST /ports"}},
	{"create_port:device_owner", "not rule:network_device or rule:admin_or_service", "Name the owner of a new port's device.", []string{"POST /ports"}},
	{"create_port:mac_address", networkOwner, "Choose a new port's Ethernet address.", []string{"POST /ports"}},
	{"create_port:fixed_ips:ip_address", networkOwner, "Choose a new port's addresses.", []string{"POST /ports"}},
	{"create_port:fixed_ips:subnet_id", networkOwner + " or rule:network_shared", "Choose a new port's subnets.", []string{"POST /ports"}},
	{"create_port:port_security_enabled", networkOwner, "Set port security of a new port.", []string{"POST /ports"}},
	{"create_port:binding:host_id", adminService, "Bind a new port to a host.", []string{"POST /ports"}},
	{"create_port:binding:profile", adminService, "Set a new port's binding profile.", []string{"POST /ports"}},
	{"create_port:binding:vnic_type", projectMember, "Choose a new port's type of interface.", []string{"POST /ports"}},
	{"create_port:allowed_address_pairs", networkOwner, "Let a new port send from further addresses.", []string{"POST /ports"}},
	{"get_port", projectReader + " or (role:reader and project_id:%(network:project_id)s)", "Show or list ports.", []string{"GET /ports", "GET /ports/{id}"}},
	{"get_port:binding:host_id", adminService, "See which host a port is bound to.", []string{"GET /ports/{id}"}},
	{"get_port:binding:profile", adminService, "See a port's binding profile.", []string{"GET /ports/{id}"}},
	{"get_port:binding:vif_type", adminService, "See how a port is plugged.", []string{"GET /ports/{id}"}},
	{"get_port:binding:vif_details", adminService, "See details of how a port is plugged.", []string{"GET /ports/{id}"}},
	{"update_port", projectMember, "Change a port.", []string{"PUT /ports/{id}"}},
	{"update_port:device_owner", "not rule:network_device or rule:admin_or_service", "Change the owner of a port's device.", []string{"PUT /ports/{id}"}},
	{"update_port:mac_address", adminService, "Change a port's Ethernet address.", []string{"PUT /ports/{id}"}},
	{"update_port:fixed_ips:ip_address", networkOwner, "Choose a port's addresses.", []string{"PUT /ports/{id}"}},
	{"update_port:fixed_ips:subnet_id", networkOwner + " or rule:network_shared", "Choose a port's subnets.", []string{"PUT /ports/{id}"}},
	{"update_port:port_security_enabled", networkOwner, "Change port security of a port.", []string{"PUT /ports/{id}"}},
	{"update_port:binding:host_id", adminService, "Bind a port to a host.", []string{"PUT /ports/{id}"}},
	{"update_port:binding:profile", adminService, "Change a port's binding profile.", []string{"PUT /ports/{id}"}},
	{"update_port:binding:vnic_type", projectMember, "Change a port's type of interface.", []string{"PUT /ports/{id}"}},
	{"update_port:allowed_address_pairs", networkOwner, "Let a port send from further addresses.", []string{"PUT /ports/{id}"}},
	{"delete_port", projectMember + " or rule:network_owner", "Delete a port.", []string{"DELETE /ports/{id}"}},
}

var routerPolicy = []policyRow{
	{"create_router", projectMember, "Create a router.", []string{"POST /routers"}},
	{"create_router:external_gateway_info", projectMember, "Give a new router a gateway.", []string{"POST /routers"}},
	{"create_router:external_gateway_info:enable_snat", anyAdmin, "Choose whether a new router hides addresses.", []string{"POST /routers"}},
	{"create_router:external_gateway_info:external_fixed_ips", anyAdmin, "Choose a new router's external addresses.", []string{"POST /routers"}},
	{"get_router", projectReader, "Show or list routers.", []string{"GET /routers", "GET /routers/{id}"}},
	{"update_router", projectMember, "Change a router.", []string{"PUT /routers/{id}"}},
	{"update_router:external_gateway_info", projectMember, "Change a router's gateway.", []string{"PUT /routers/{id}"}},
	{"update_router:external_gateway_info:enable_snat", anyAdmin, "Choose whether a router hides addresses.", []string{"PUT /routers/{id}"}},
	{"update_router:external_gateway_info:external_fixed_ips", anyAdmin, "Choose a router's external addresses.", []string{"PUT /routers/{id}"}},
	{"delete_router", projectMember, "Delete a router.", []string{"DELETE /routers/{id}"}},
	{"add_router_interface", projectMember, "Join a router to a subnet.", []string{"PUT /routers/{id}/add_router_interface"}},
	{"remove_router_interface", projectMember, "Part a router from a subnet.", []string{"PUT /routers/{id}/remove_router_interface"}},
	{"add_extraroutes", projectMember, "Add routes to a router.", []string{"PUT /routers/{id}/add_extraroutes"}},
	{"remove_extraroutes", projectMember, "Remove routes from a router.", []string{"PUT /routers/{id}/remove_extraroutes"}},
}

var floatingIPPolicy = []policyRow{
	{"create_floatingip", projectMember, "Create a floating IP.", []string{"POST /floatingips"}},
	{"create_floatingip:floating_ip_address", anyAdmin, "Choose the address of a new floating IP.", []string{"POST /floatingips"}},
	{"get_floatingip", projectReader, "Show or list floating IPs.", []string{"GET /floatingips", "GET /floatingips/{id}"}},
	{"update_floatingip", projectMember, "Associate a floating IP, or end it.", []string{"PUT /floatingips/{id}"}},
	{"delete_floatingip", projectMember, "Delete a floating IP.", []string{"DELETE /floatingips/{id}"}},
}

var groupPolicy = []policyRow{
	{"create_security_group", projectMember, "Create a security group.", []string{"POST /security-groups"}},
	{"get_security_group", projectReader, "Show or list security groups.", []string{"GET /security-groups", "GET /security-groups/{id}"}},
	{"update_security_group", projectMember, "Change a security group.", []string{"PUT /security-groups/{id}"}},
	{"delete_security_group", projectMember, "Delete a security group.", []string{"DELETE /security-groups/{id}"}},
	{"create_security_group_rule", projectMember, "Add a rule to a security group.", []string{"POST /security-group-rules"}},
	{"get_security_group_rule", projectReader, "Show or list security group rules.", []string{"GET /security-group-rules", "GET /security-group-rules/{id}"}},
	{"delete_security_group_rule", projectMember, "Remove a rule from a security group.", []string{"DELETE /security-group-rules/{id}"}},
}

var operatorPolicy = []policyRow{
	{"get_quota", anyAdmin + " or (role:reader and project_id:%(project_id)s)", "Show a project's quotas.", []string{"GET /quotas/{project_id}", "GET /quotas/{project_id}/default", "GET /quotas/{project_id}/details"}},
	{"list_quotas", anyAdmin, "List the quotas of all projects that have their own.", []string{"GET /quotas"}},
	{"update_quota", anyAdmin, "Change a project's quotas.", []string{"PUT /quotas/{project_id}"}},
	{"delete_quota", anyAdmin, "Give a project the default quotas again.", []string{"DELETE /quotas/{project_id}"}},
	{"get_agent", anyAdmin, "Show or list agents.", []string{"GET /agents", "GET /agents/{id}"}},
	{"update_agent", anyAdmin, "Change an agent.", []string{"PUT /agents/{id}"}},
	{"delete_agent", anyAdmin, "Forget an agent.", []string{"DELETE /agents/{id}"}},
	{"get_availability_zone", "role:reader or rule:admin_or_service", "List availability zones.", []string{"GET /availability_zones"}},
	{"get_service_provider", "role:reader or rule:admin_or_service", "List service providers.", []string{"GET /service-providers"}},
}

var tagPolicy = []policyRow{
	{"get_networks_tags", projectReader + " or rule:shared or rule:external", "Show a network's tags.", []string{"GET /networks/{id}/tags", "GET /networks/{id}/tags/{tag}"}},
	{"update_networks_tags", projectMember, "Tag a network.", []string{"PUT /networks/{id}/tags", "PUT /networks/{id}/tags/{tag}"}},
	{"delete_networks_tags", projectMember, "Take tags from a network.", []string{"DELETE /networks/{id}/tags", "DELETE /networks/{id}/tags/{tag}"}},
	{"get_subnets_tags", projectReader + " or rule:network_shared", "Show a subnet's tags.", []string{"GET /subnets/{id}/tags", "GET /subnets/{id}/tags/{tag}"}},
	{"update_subnets_tags", projectMember, "Tag a subnet.", []string{"PUT /subnets/{id}/tags", "PUT /subnets/{id}/tags/{tag}"}},
	{"delete_subnets_tags", projectMember, "Take tags from a subnet.", []string{"DELETE /subnets/{id}/tags", "DELETE /subnets/{id}/tags/{tag}"}},
	{"get_ports_tags", projectReader, "Show a port's tags.", []string{"GET /ports/{id}/tags", "GET /ports/{id}/tags/{tag}"}},
	{"update_ports_tags", projectMember, "Tag a port.", []string{"PUT /ports/{id}/tags", "PUT /ports/{id}/tags/{tag}"}},
	{"delete_ports_tags", projectMember, "Take tags from a port.", []string{"DELETE /ports/{id}/tags", "DELETE /ports/{id}/tags/{tag}"}},
	{"get_routers_tags", projectReader, "Show a router's tags.", []string{"GET /routers/{id}/tags", "GET /routers/{id}/tags/{tag}"}},
	{"update_routers_tags", projectMember, "Tag a router.", []string{"PUT /routers/{id}/tags", "PUT /routers/{id}/tags/{tag}"}},
	{"delete_routers_tags", projectMember, "Take tags from a router.", []string{"DELETE /routers/{id}/tags", "DELETE /routers/{id}/tags/{tag}"}},
	{"get_floatingips_tags", projectReader, "Show a floating IP's tags.", []string{"GET /floatingips/{id}/tags", "GET /floatingips/{id}/tags/{tag}"}},
	{"update_floatingips_tags", projectMember, "Tag a floating IP.", []string{"PUT /floatingips/{id}/tags", "PUT /floatingips/{id}/tags/{tag}"}},
	{"delete_floatingips_tags", projectMember, "Take tags from a floating IP.", []string{"DELETE /floatingips/{id}/tags", "DELETE /floatingips/{id}/tags/{tag}"}},
	{"get_security_groups_tags", projectReader, "Show a security group's tags.", []string{"GET /security-groups/{id}/tags", "GET /security-groups/{id}/tags/{tag}"}},
	{"update_security_groups_tags", projectMember, "Tag a security group.", []string{"PUT /security-groups/{id}/tags", "PUT /security-groups/{id}/tags/{tag}"}},
	{"delete_security_groups_tags", projectMember, "Take tags from a security group.", []string{"DELETE /security-groups/{id}/tags", "DELETE /security-groups/{id}/tags/{tag}"}},
}

// newEnforcer compiles the rules with the operator's overrides.
func newEnforcer(overrides map[string]string) (*authz.Enforcer, error) {
	return authz.NewEnforcer(policyRules(), overrides, authz.WithCheck("field", fieldCheck))
}

// fieldCheck is the kind of check that only the network API has:
// field:RESOURCE:ATTRIBUTE=VALUE or =~REGEXP compares an attribute of the target.
func fieldCheck(match string, _ *authz.Creds, target authz.Target) bool {
	_, comparison, _ := strings.Cut(match, ":")
	attribute, want, found := strings.Cut(comparison, "=")
	value, there := target[attribute]
	if !found || !there {
		return false
	}
	text := fmt.Sprint(value)
	if pattern, isPattern := strings.CutPrefix(want, "~"); isPattern {
		matched, err := regexp.MatchString(pattern, text)
		return err == nil && matched
	}
	return strings.EqualFold(text, want)
}
