package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
	"virga/service/network/fabric"
)

// groupRule is one rule of a security group.
type groupRule struct {
	standard
	GroupID       string `db:"security_group_id"`
	Direction     string `db:"direction"`
	EtherType     string `db:"ethertype"`
	Protocol      string `db:"protocol"`
	Min           *int   `db:"port_range_min"`
	Max           *int   `db:"port_range_max"`
	RemotePrefix  string `db:"remote_ip_prefix"`
	RemoteGroupID string `db:"remote_group_id"`
	// IdentityKey is the same for two rules that mean the same; it is unique.
	IdentityKey string `db:"identity_key"`
}

// loadedRule is a rule for the policy of whoever owns its group.
type loadedRule struct {
	*groupRule
	reach
}

// PolicyTarget implements api.Target.
func (l *loadedRule) PolicyTarget() authz.Target { return owned(l.ProjectID) }

func (s *Service) newGroupRule(g *securityGroup, direction, ethertype string) *groupRule {
	return &groupRule{standard: s.newStandard(g.ProjectID, bodyStandard{}), GroupID: g.ID, Direction: direction, EtherType: ethertype}
}

func (s *Service) ruleCollection() *collection[*groupRule] {
	return &collection[*groupRule]{
		one: "security_group_rule", many: "security_group_rules", table: "security_group_rules",
		filters: standardFilters(map[string]filter{
			"security_group_id": byText("security_group_id"), "direction": byText("direction"), "ethertype": byText("ethertype"),
			"protocol": byText("protocol"), "port_range_min": byNumber("port_range_min"), "port_range_max": byNumber("port_range_max"),
			"remote_ip_prefix": byText("remote_ip_prefix"), "remote_group_id": byText("remote_group_id"),
		}),
		sorts: standardSorts(map[string]string{"security_group_id": "security_group_id", "direction": "direction", "ethertype": "ethertype",
			"protocol": "protocol", "remote_group_id": "remote_group_id", "remote_ip_prefix": "remote_ip_prefix"}),
		visible:  func(l *db.List, project string) { l.Where("project_id = ?", project) },
		complete: func(*db.Tx, []*groupRule) error { return nil },
		show:     func(_ *api.Request, rule *groupRule) any { return showRule(rule) },
	}
}

func (s *Service) ruleLoad(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("id")
	var loaded *loadedRule
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rule, err := getRule(tx, id)
		if err != nil {
			return err
		}
		loaded = &loadedRule{rule, reach{seesAll(r) || rule.ProjectID == r.ProjectID(), groupRuleNotFound(id)}}
		return nil
	})
	return loaded, err
}

func (s *Service) ruleList(ctx context.Context, r *api.Request) (any, error) {
	return list[groupRule](ctx, s, r, s.ruleCollection())
}

func (s *Service) ruleShow(_ context.Context, r *api.Request) (any, error) {
	return shown(r, "security_group_rule", showRule(api.Loaded[*loadedRule](r).groupRule))
}

func (s *Service) ruleCreate(ctx context.Context, r *api.Request) (any, error) {
	requests, bulk, err := bodies[ruleBody](r, "security_group_rule", "security_group_rules")
	if err != nil {
		return nil, err
	}
	rows := make([]*groupRule, len(requests))
	for i := range requests {
		if rows[i], err = s.newRule(r, &requests[i]); err != nil {
			return nil, err
		}
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		for i, rule := range rows {
			if err := s.addRule(tx, r, rule); err != nil {
				return err
			}
			if err := s.admit(tx, quotaGroupRule, rows[i].ProjectID, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]any, len(rows))
	for i, rule := range rows {
		views[i] = showRule(rule)
	}
	return created("security_group_rule", "security_group_rules", bulk, views), nil
}

// newRule reads a rule and refuses everything that the data plane would not understand.
func (s *Service) newRule(r *api.Request, body *ruleBody) (*groupRule, error) {
	project, err := ownerOf(r, body.bodyStandard)
	if err != nil {
		return nil, err
	}
	rule := &groupRule{standard: s.newStandard(project, body.bodyStandard), GroupID: body.GroupID, Direction: body.Direction,
		EtherType: body.EtherType.or("IPv4"), RemoteGroupID: body.RemoteGroupID.Value}
	if rule.Protocol, err = protocolName(string(body.Protocol.Value)); err != nil {
		return nil, err
	}
	rule.Min, rule.Max = optional(body.Min), optional(body.Max)
	if err := rule.setRemote(body.RemotePrefix.Value); err != nil {
		return nil, err
	}
	if err := rule.checkFamily(); err != nil {
		return nil, err
	}
	if err := rule.checkRange(); err != nil {
		return nil, err
	}
	compiled, err := rule.compiled().Compile()
	if err != nil {
		return nil, badValue("security_group_rule", "the rule cannot be enforced: %s", strings.TrimPrefix(err.Error(), "rule "+rule.ID+": ")).Because(err)
	}
	rule.IdentityKey = rule.identity(compiled.Protocol)
	return rule, nil
}

func optional(n given[whole]) *int {
	if !n.Set || n.Null {
		return nil
	}
	value := int(n.Value)
	return &value
}

// protocolNames are those of the network API.
var protocolNames = []string{"ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag",
	"ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp"}

// protocolName reads a protocol by name or number; "any" is no protocol.
func protocolName(text string) (string, error) {
	name := strings.ToLower(text)
	if name == "" || name == "any" {
		return "", nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n), nil
	}
	if slices.Contains(protocolNames, name) {
		switch name {
		case "icmpv6":
			return "ipv6-icmp", nil
		case "ip", "hopopt":
			return "0", nil
		}
		return name, nil
	}
	return "", refuse("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %.40s not supported. Only protocol values %v and "+
		"integer representations [0 to 255] are supported.", text, protocolNames)
}

// setRemote reads the remote prefix; a single address is a prefix of full length.
func (g *groupRule) setRemote(text string) error {
	if text == "" {
		return nil
	}
	if g.RemoteGroupID != "" {
		return refuse("SecurityGroupRemoteGroupAndRemoteIpPrefix", "Only remote_ip_prefix or remote_group_id may be provided.")
	}
	if !strings.Contains(text, "/") {
		a, err := parseAddress(text)
		if err != nil {
			return badValue("remote_ip_prefix", "%s", err)
		}
		text = fmt.Sprintf("%s/%d", a, a.BitLen())
	}
	prefix, err := parsePrefix(text)
	if err != nil {
		return badValue("remote_ip_prefix", "%s", err)
	}
	if prefix.Addr().Is4() != (g.EtherType == "IPv4") {
		return refuse("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", g.EtherType, prefix)
	}
	g.RemotePrefix = prefix.String()
	return nil
}

// isICMP tells whether the port range is a type and a code.
func (g *groupRule) isICMP() bool {
	return slices.Contains([]string{"icmp", "1", "ipv6-icmp", "58"}, g.Protocol)
}

func (g *groupRule) checkFamily() error {
	v6only := strings.HasPrefix(g.Protocol, "ipv6-") || g.Protocol == "58"
	if v6only && g.EtherType != "IPv6" {
		return refuse("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", g.EtherType, g.Protocol)
	}
	return nil
}

// checkRange judges ports, or type and code, with the texts of the network API.
func (g *groupRule) checkRange() error {
	if g.Min == nil && g.Max == nil {
		return nil
	}
	withPorts := slices.Contains([]string{"tcp", "6", "udp", "17", "dccp", "33", "sctp", "132", "udplite", "136"}, g.Protocol)
	switch {
	case g.Protocol == "":
		return refuse("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case g.isICMP():
		return g.checkICMP()
	case !withPorts:
		return refuse("SecurityGroupInvalidProtocolForPort",
			"Invalid protocol %s for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.", g.Protocol)
	case g.Min == nil || g.Max == nil || *g.Min > *g.Max:
		return refuse("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
	}
	for _, n := range []int{*g.Min, *g.Max} {
		if n < 1 || n > 65535 {
			return refuse("SecurityGroupInvalidPortValue", "Invalid value for port %d", n)
		}
	}
	return nil
}

func (g *groupRule) checkICMP() error {
	if g.Min == nil {
		return refuse("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *g.Max)
	}
	for _, field := range []struct {
		name, attribute string
		value           *int
	}{{"type", "port-range-min", g.Min}, {"code", "port-range-max", g.Max}} {
		if field.value != nil && (*field.value < 0 || *field.value > 255) {
			return refuse("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", field.name, field.attribute, *field.value)
		}
	}
	return nil
}

// compiled is the rule in the data plane's words; a remote group stands for no address yet.
func (g *groupRule) compiled() fabric.Rule {
	return fabric.Rule{ID: g.ID, Direction: fabric.Direction(g.Direction), EtherType: fabric.EtherType(g.EtherType), Protocol: g.Protocol,
		PortMin: g.Min, PortMax: g.Max, AnyRemote: g.RemoteGroupID == "" && g.RemotePrefix == ""}
}

// remoteNetwork is the remote prefix without its host bits, which say nothing; empty without one.
func (g *groupRule) remoteNetwork() string {
	prefix, err := netip.ParsePrefix(g.RemotePrefix)
	if err != nil {
		return ""
	}
	return prefix.Masked().String()
}

// identity is the same for rules of the same meaning; protocol is its number, -1 for any.
func (g *groupRule) identity(protocol int) string {
	number := func(n *int) string {
		if n == nil {
			return "-"
		}
		return strconv.Itoa(*n)
	}
	remote := g.remoteNetwork()
	if remote == "0.0.0.0/0" || remote == "::/0" {
		remote = ""
	}
	return strings.Join([]string{g.GroupID, g.Direction, g.EtherType, strconv.Itoa(protocol), number(g.Min), number(g.Max), remote, g.RemoteGroupID}, "|")
}

// addRule inserts a rule into a group of the caller's.
func (s *Service) addRule(tx *db.Tx, r *api.Request, rule *groupRule) error {
	group, err := getGroup(tx, rule.GroupID)
	if err != nil {
		return err
	}
	if !seesAll(r) && group.ProjectID != r.ProjectID() {
		return groupNotFound(rule.GroupID)
	}
	if rule.RemoteGroupID != "" {
		remote, err := getGroup(tx, rule.RemoteGroupID)
		if err != nil {
			return err
		}
		if !seesAll(r) && remote.ProjectID != r.ProjectID() {
			return groupNotFound(rule.RemoteGroupID)
		}
	}
	rule.ProjectID = group.ProjectID
	same, err := ruleWithIdentity(tx, rule.IdentityKey)
	if err != nil {
		return err
	}
	if same != "" {
		return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", same)
	}
	if err := insertRule(tx, rule); err != nil {
		return err
	}
	if err := s.touchRow(tx, "security_groups", group.ID); err != nil {
		return err
	}
	if err := s.touchGroup(tx, group.ID); err != nil {
		return err
	}
	return s.record(tx, r, feed.Change{Kind: "security_group_rule", Action: "create", ID: rule.ID, OwnerProjectID: rule.ProjectID, After: showRule(rule)})
}

func (s *Service) ruleDelete(ctx context.Context, r *api.Request) (any, error) {
	target := api.Loaded[*loadedRule](r)
	return nil, s.write(ctx, func(tx *db.Tx) error {
		rule, err := getRule(tx, target.ID)
		if err != nil {
			return err
		}
		if err := deleteRule(tx, rule.ID); err != nil {
			return err
		}
		if err := s.touchRow(tx, "security_groups", rule.GroupID); err != nil {
			return err
		}
		if err := s.touchGroup(tx, rule.GroupID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "security_group_rule", Action: "delete", ID: rule.ID, OwnerProjectID: rule.ProjectID, Before: showRule(rule)})
	})
}
