package network

// groupView is the body of a security group with its rules.
type groupView struct {
	standardView
	Name  string     `json:"name"`
	Rules []ruleView `json:"security_group_rules"`
}

// ruleView is the body of a rule; normalized_cidr is what the prefix means.
type ruleView struct {
	standardView
	GroupID        string  `json:"security_group_id"`
	Direction      string  `json:"direction"`
	EtherType      string  `json:"ethertype"`
	Protocol       *string `json:"protocol"`
	Min            *int    `json:"port_range_min"`
	Max            *int    `json:"port_range_max"`
	RemotePrefix   *string `json:"remote_ip_prefix"`
	NormalizedCIDR *string `json:"normalized_cidr"`
	RemoteGroupID  *string `json:"remote_group_id"`
	RemoteAddress  *string `json:"remote_address_group_id"`
}

// groupBody is the body of a create or an update.
type groupBody struct {
	bodyStandard
	Name given[string] `json:"name"`
}

// ruleBody is the body of a create; rules are never changed.
type ruleBody struct {
	bodyStandard
	GroupID       string        `json:"security_group_id"`
	Direction     string        `json:"direction"`
	EtherType     given[string] `json:"ethertype"`
	Protocol      given[word]   `json:"protocol"`
	Min           given[whole]  `json:"port_range_min"`
	Max           given[whole]  `json:"port_range_max"`
	RemotePrefix  given[string] `json:"remote_ip_prefix"`
	RemoteGroupID given[string] `json:"remote_group_id"`
}

func showGroup(g *securityGroup) groupView {
	view := groupView{standardView: g.view(), Name: g.Name, Rules: make([]ruleView, len(g.Rules))}
	for i, rule := range g.Rules {
		view.Rules[i] = showRule(rule)
	}
	return view
}

func showRule(rule *groupRule) ruleView {
	return ruleView{
		standardView: rule.view(), GroupID: rule.GroupID, Direction: rule.Direction, EtherType: rule.EtherType, Protocol: orNull(rule.Protocol),
		Min: rule.Min, Max: rule.Max, RemotePrefix: orNull(rule.RemotePrefix), NormalizedCIDR: orNull(rule.remoteNetwork()),
		RemoteGroupID: orNull(rule.RemoteGroupID),
	}
}
