package compute

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
)

// Changes of security groups, until 2.35, which the network service makes.

type securityGroupBody struct {
	Group struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"security_group"`
}

// fromGroups turns a refusal of the network service into nova's: what goes over a quota, or
// is there already, is forbidden.
func fromGroups(err error, id string) error {
	if api.StatusOf(err) == http.StatusConflict {
		return api.Forbidden("%s", refusalText(err)).Because(err)
	}
	return fromNetwork(err, "Security group %s not found.", oneLine(id, 60))
}

// securityGroupCreate answers POST /os-security-groups.
func (s *Service) securityGroupCreate(ctx context.Context, r *api.Request) (any, error) {
	var body securityGroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	group, err := s.deps.Networks.CreateSecurityGroup(as(ctx, r), body.Group.Name, body.Group.Description)
	if err != nil {
		return nil, fromGroups(err, body.Group.Name)
	}
	return map[string]any{"security_group": viewGroups([]SecurityGroup{group})[0]}, nil
}

// securityGroupUpdate answers PUT /os-security-groups/{security_group_id}.
func (s *Service) securityGroupUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body securityGroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	id := r.Param("security_group_id")
	group, err := s.deps.Networks.UpdateSecurityGroup(as(ctx, r), id, body.Group.Name, body.Group.Description)
	if err != nil {
		return nil, fromGroups(err, id)
	}
	return map[string]any{"security_group": viewGroups([]SecurityGroup{group})[0]}, nil
}

// securityGroupDelete answers DELETE /os-security-groups/{security_group_id}; a group in use
// is a bad request, as in nova.
func (s *Service) securityGroupDelete(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("security_group_id")
	err := s.deps.Networks.DeleteSecurityGroup(as(ctx, r), id)
	switch {
	case err == nil:
		return accepted(), nil
	case api.StatusOf(err) == http.StatusConflict:
		return nil, api.BadRequest("%s", refusalText(err)).Because(err)
	}
	return nil, fromGroups(err, id)
}

// ruleBody has what nova never looked at the types of.
type ruleBody struct {
	Rule struct {
		ParentID string          `json:"parent_group_id"`
		GroupID  *string         `json:"group_id"`
		Protocol json.RawMessage `json:"ip_protocol"`
		From     json.RawMessage `json:"from_port"`
		To       json.RawMessage `json:"to_port"`
		CIDR     json.RawMessage `json:"cidr"`
	} `json:"security_group_rule"`
}

// securityGroupRuleCreate answers POST /os-security-group-rules.
func (s *Service) securityGroupRuleCreate(ctx context.Context, r *api.Request) (any, error) {
	var body ruleBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	rule, err := readIngressRule(&body)
	if err != nil {
		return nil, err
	}
	ctx = as(ctx, r)
	parent := body.Rule.ParentID
	names := map[string]SecurityGroup{}
	for _, id := range []string{parent, rule.RemoteGroupID} {
		if id == "" {
			continue
		}
		if names[id], err = s.deps.Networks.SecurityGroup(ctx, id); err != nil {
			return nil, fromGroups(err, id)
		}
	}
	if slices.ContainsFunc(names[parent].Rules, rule.same) {
		return nil, api.BadRequest("This rule already exists in group %s", parent)
	}
	made, err := s.deps.Networks.CreateSecurityGroupRule(ctx, parent, rule)
	if err != nil {
		return nil, fromGroups(err, parent)
	}
	return map[string]any{"security_group_rule": viewGroupRule(parent, made, names)}, nil
}

// same tells whether another rule lets the same through.
func (rule SecurityGroupRule) same(other SecurityGroupRule) bool {
	port := func(p *int) int {
		if p == nil {
			return -1
		}
		return *p
	}
	network := func(prefix string) netip.Prefix {
		p, _ := netip.ParsePrefix(prefix) // none is the zero prefix
		return p.Masked()
	}
	return rule.Direction == other.Direction && rule.EtherType == other.EtherType && rule.Protocol == other.Protocol && network(rule.RemotePrefix) == network(other.RemotePrefix) &&
		rule.RemoteGroupID == other.RemoteGroupID && port(rule.PortMin) == port(other.PortMin) && port(rule.PortMax) == port(other.PortMax)
}

// securityGroupRuleDelete answers DELETE /os-security-group-rules/{rule_id}.
func (s *Service) securityGroupRuleDelete(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("security_group_rule_id")
	if err := s.deps.Networks.DeleteSecurityGroupRule(as(ctx, r), id); err != nil {
		return nil, fromNetwork(err, "Rule %s not found.", oneLine(id, 60))
	}
	return accepted(), nil
}

// readIngressRule reads a rule in nova's form: a source and a protocol with a range of ports,
// where -1 is any type or code of ICMP. Only a source group may come without the rest.
func readIngressRule(body *ruleBody) (SecurityGroupRule, error) {
	in := &body.Rule
	rule := SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: strings.ToLower(scalar(in.Protocol))}
	if in.GroupID != nil {
		rule.RemoteGroupID = *in.GroupID
	} else if err := rule.readSource(scalar(in.CIDR)); err != nil {
		return rule, err
	}
	from, to := scalar(in.From), scalar(in.To)
	if rule.Protocol == "" || from == "" || to == "" {
		if rule.RemoteGroupID == "" {
			return rule, api.BadRequest("Not enough parameters to build a valid rule.")
		}
		return rule, rule.checkProtocol() // everything of the protocol
	}
	if err := rule.checkProtocol(); err != nil {
		return rule, err
	}
	return rule, rule.readPorts(from, to)
}

func (rule *SecurityGroupRule) readSource(text string) error {
	if text == "" {
		text = "0.0.0.0/0"
	}
	if !strings.Contains(text, "/") {
		if address, err := netip.ParseAddr(text); err == nil {
			text = netip.PrefixFrom(address, address.BitLen()).String()
		}
	}
	source, err := netip.ParsePrefix(text)
	if err != nil {
		return api.BadRequest("Invalid cidr %s.", oneLine(text, 60))
	}
	if source.Bits() == 0 && !source.Addr().IsUnspecified() {
		return api.BadRequest("Bad prefix for network in cidr %s", oneLine(text, 60))
	}
	if source.Addr().Is6() {
		rule.EtherType = "IPv6"
	}
	rule.RemotePrefix = source.String()
	return nil
}

func (rule *SecurityGroupRule) checkProtocol() error {
	if rule.Protocol != "" && !slices.Contains([]string{"tcp", "udp", "icmp"}, rule.Protocol) {
		return api.BadRequest("Invalid IP protocol %s.", strings.ToUpper(oneLine(rule.Protocol, 20)))
	}
	return nil
}

func (rule *SecurityGroupRule) readPorts(from, to string) error {
	first, errFrom := strconv.Atoi(from)
	last, errTo := strconv.Atoi(to)
	low, high := 1, 65535
	if rule.Protocol == "icmp" {
		low, high = -1, 255
	}
	refuse := func(why string) error {
		return api.BadRequest("Invalid port range %s:%s. %s", oneLine(from, 20), oneLine(to, 20), why)
	}
	switch {
	case errFrom != nil || errTo != nil:
		return refuse("Input parameters are not integers")
	case rule.Protocol != "icmp" && first > last:
		return refuse("Former value cannot be greater than the later")
	case rule.Protocol == "icmp" && (first < low || first > high || last < low || last > high):
		return refuse("For ICMP, the type:code must be valid")
	case first < low || last > high:
		return refuse("Valid " + strings.ToUpper(rule.Protocol) + " ports should be between 1-65535")
	}
	if first >= 0 {
		rule.PortMin = &first
	}
	if last >= 0 {
		rule.PortMax = &last
	}
	return nil
}

// scalar is a JSON string or number as text; empty for null and what is neither.
func scalar(raw json.RawMessage) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strings.TrimSpace(string(raw))
	}
	return ""
}
