package compute

import (
	"context"
	"slices"
	"strings"

	"virga/core/api"
)

// Security groups are the network service's; what stands here shows them in nova's form.

// securityGroupList answers GET /os-security-groups, which the openstack command asks for
// before it gives a server another group.
func (s *Service) securityGroupList(ctx context.Context, r *api.Request) (any, error) {
	project := r.ProjectID()
	if all, _ := api.ParseBool(r.Query.Get("all_tenants")); all && r.Can("context_is_admin", nil) {
		project = ""
	}
	groups, err := s.deps.Networks.SecurityGroups(as(ctx, r), project)
	if err != nil {
		return nil, passedOn("network", err)
	}
	return map[string]any{"security_groups": viewGroups(groups)}, nil
}

// securityGroupShow answers GET /os-security-groups/{security_group_id}.
func (s *Service) securityGroupShow(ctx context.Context, r *api.Request) (any, error) {
	groups, err := s.deps.Networks.SecurityGroups(as(ctx, r), r.ProjectID())
	if err != nil {
		return nil, passedOn("network", err)
	}
	id := r.Param("security_group_id")
	at := slices.IndexFunc(groups, func(g SecurityGroup) bool { return g.ID == id })
	if at < 0 {
		return nil, api.NotFound("Security group %s not found.", oneLine(id, 60))
	}
	return map[string]any{"security_group": viewGroups(groups)[at]}, nil
}

// serverSecurityGroups answers GET /servers/{server_id}/os-security-groups.
func (s *Service) serverSecurityGroups(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	groups, err := s.deps.Networks.SecurityGroups(as(ctx, r), row.ProjectID)
	if err != nil {
		return nil, passedOn("network", err)
	}
	views := slices.DeleteFunc(viewGroups(groups), func(v securityGroupView) bool {
		return !slices.ContainsFunc(row.NICs, func(n nic) bool {
			return slices.ContainsFunc(n.Groups, func(g groupOfPort) bool { return g.ID == v.ID })
		})
	})
	return map[string]any{"security_groups": views}, nil
}

type securityGroupView struct {
	ID          string                  `json:"id"`
	Name        string                  `json:"name"`
	Description string                  `json:"description"`
	TenantID    string                  `json:"tenant_id"`
	Rules       []securityGroupRuleView `json:"rules"`
}

type securityGroupRuleView struct {
	ID       string            `json:"id"`
	ParentID string            `json:"parent_group_id"`
	Protocol *string           `json:"ip_protocol"`
	FromPort *int              `json:"from_port"`
	ToPort   *int              `json:"to_port"`
	Group    map[string]string `json:"group"`
	Range    map[string]string `json:"ip_range"`
}

func viewGroups(groups []SecurityGroup) []securityGroupView {
	names := map[string]SecurityGroup{}
	for _, g := range groups {
		names[g.ID] = g
	}
	views := make([]securityGroupView, len(groups))
	for i, g := range groups {
		views[i] = securityGroupView{g.ID, g.Name, g.Description, g.ProjectID, []securityGroupRuleView{}}
		for _, rule := range g.Rules {
			if rule.Direction == "ingress" { // nova knows no other
				views[i].Rules = append(views[i].Rules, viewGroupRule(g.ID, rule, names))
			}
		}
	}
	return views
}

// viewGroupRule shows a rule as nova does: all ports of TCP and UDP are a range, and whoever
// is let in from everywhere comes from 0.0.0.0/0 or ::/0.
func viewGroupRule(parent string, rule SecurityGroupRule, groups map[string]SecurityGroup) securityGroupRuleView {
	view := securityGroupRuleView{ID: rule.ID, ParentID: parent, Protocol: orNull(rule.Protocol), FromPort: rule.PortMin, ToPort: rule.PortMax,
		Group: map[string]string{}, Range: map[string]string{}}
	if rule.Protocol != "" && rule.PortMin == nil && rule.PortMax == nil {
		from, to := -1, -1
		if p := strings.ToLower(rule.Protocol); p == "tcp" || p == "udp" {
			from, to = 1, 65535
		}
		view.FromPort, view.ToPort = &from, &to
	}
	switch {
	case rule.RemoteGroupID != "":
		remote := groups[rule.RemoteGroupID]
		view.Group = map[string]string{"name": remote.Name, "tenant_id": remote.ProjectID}
	case rule.RemotePrefix != "":
		view.Range["cidr"] = rule.RemotePrefix
	case rule.EtherType == "IPv6":
		view.Range["cidr"] = "::/0"
	default:
		view.Range["cidr"] = "0.0.0.0/0"
	}
	return view
}
