package compute

import (
	"context"
	"slices"
	"strconv"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// groupTarget is a server group as a route's target.
type groupTarget struct{ *serverGroup }

// PolicyTarget implements api.Target.
func (g groupTarget) PolicyTarget() authz.Target { return ownTarget(g.ProjectID, g.UserID) }

// HiddenError implements api.Hidden.
func (g groupTarget) HiddenError() error { return noSuchGroup(g.ID) }

func noSuchGroup(id string) error {
	return api.NotFound("Instance group %s could not be found.", oneLine(id, 60))
}

func (s *Service) loadGroup(ctx context.Context, r *api.Request) (api.Target, error) {
	var row *serverGroup
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = findGroup(tx, r.Param("group_id"))
		return err
	})
	if isNotFound(err) {
		return nil, noSuchGroup(r.Param("group_id"))
	}
	return groupTarget{row}, err
}

func viewGroup(r *api.Request, g *serverGroup, members []string) map[string]any {
	view := map[string]any{"id": g.ID, "name": g.Name, "members": members}
	if r.Version.AtLeast(vGroupProject) {
		view["project_id"], view["user_id"] = g.ProjectID, g.UserID
	}
	if r.Version.Before(vGroupRules) {
		view["policies"], view["metadata"] = []string{g.Policy}, map[string]string{}
		return view
	}
	rules := map[string]int{}
	if g.Policy == "anti-affinity" {
		rules["max_server_per_host"] = max(g.MaxPerHost, 1)
	}
	view["policy"], view["rules"] = g.Policy, rules
	return view
}

type groupBody struct {
	Group struct {
		Name     string   `json:"name"`
		Policy   string   `json:"policy"`
		Policies []string `json:"policies"`
		Rules    *struct {
			MaxPerHost *flexInt `json:"max_server_per_host"`
		} `json:"rules"`
	} `json:"server_group"`
}

// readGroup reads the two forms that a group's policy has had.
func readGroup(r *api.Request) (*serverGroup, error) {
	var body groupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Group
	policy := in.Policy
	switch {
	case r.Version.Before(vGroupRules) && (in.Policy != "" || in.Rules != nil):
		return nil, unexpectedField("server_group", "policy")
	case r.Version.AtLeast(vGroupRules) && in.Policies != nil:
		return nil, unexpectedField("server_group", "policies")
	case r.Version.Before(vGroupRules) && len(in.Policies) != 1:
		return nil, api.BadRequest("Invalid input for field/attribute policies. Exactly one policy is required.")
	case r.Version.Before(vGroupRules):
		policy = in.Policies[0]
	}
	known := []string{"affinity", "anti-affinity"}
	if r.Version.AtLeast(vSoftAffinity) {
		known = append(known, "soft-affinity", "soft-anti-affinity")
	}
	if !slices.Contains(known, policy) {
		return nil, api.BadRequest("Invalid input for field/attribute policy. Value: %s. It is none of %v.", oneLine(policy, 60), known)
	}
	if err := checkServerName(in.Name); err != nil {
		return nil, err
	}
	group := &serverGroup{ProjectID: r.ProjectID(), UserID: r.UserID(), Name: in.Name, Policy: policy}
	if in.Rules != nil && in.Rules.MaxPerHost != nil {
		if policy != "anti-affinity" {
			return nil, api.BadRequest("Only anti-affinity policy supports rules.")
		}
		if group.MaxPerHost = int(*in.Rules.MaxPerHost); group.MaxPerHost < 1 || group.MaxPerHost > maxQuota {
			return nil, api.BadRequest("Invalid input for field/attribute max_server_per_host.")
		}
	}
	return group, nil
}

func (s *Service) groupCreate(ctx context.Context, r *api.Request) (any, error) {
	group, err := readGroup(r)
	if err != nil {
		return nil, err
	}
	group.ID, group.CreatedAt = s.clock.ID(), s.clock.Now()
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		limits, err := s.quotaLimits(tx, group.ProjectID)
		if err != nil {
			return err
		}
		n, err := countGroups(tx, group.ProjectID)
		if err != nil {
			return err
		}
		if over(limits[quotaGroups], n, 1) {
			return api.Forbidden("Quota exceeded, too many server groups.")
		}
		if err := insertGroup(tx, group); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "server_group", ID: group.ID, Action: "create", OwnerProjectID: group.ProjectID, After: documentOfGroup(group)})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"server_group": viewGroup(r, group, []string{})}, nil
}

func (s *Service) groupShow(ctx context.Context, r *api.Request) (any, error) {
	group := api.Loaded[groupTarget](r)
	var members []string
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		members, err = groupMembers(tx, group.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"server_group": viewGroup(r, group.serverGroup, members)}, nil
}

func (s *Service) groupList(ctx context.Context, r *api.Request) (any, error) {
	project := r.ProjectID()
	if _, all := r.Query["all_projects"]; all && r.Can("context_is_admin", nil) {
		project = ""
	}
	limit, offset := maxServersPage, 0
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		if text := r.Query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return nil, api.BadRequest("%s must be a non-negative integer", name)
			}
			*into = n
		}
	}
	views := []map[string]any{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := listGroups(tx, project, offset, min(limit, maxServersPage))
		if err != nil {
			return err
		}
		members, err := membersOfGroups(tx, rows)
		if err != nil {
			return err
		}
		views = make([]map[string]any, len(rows))
		for i := range rows {
			views[i] = viewGroup(r, &rows[i], append([]string{}, members[rows[i].ID]...))
		}
		return nil
	})
	return map[string]any{"server_groups": views}, err
}

func (s *Service) groupDelete(ctx context.Context, r *api.Request) (any, error) {
	gone := api.Loaded[groupTarget](r).serverGroup
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		if err := deleteGroup(tx, gone.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "server_group", ID: gone.ID, Action: "delete", OwnerProjectID: gone.ProjectID, Before: documentOfGroup(gone)})
	})
}

// checkGroup checks in the admission whether the group may take the servers.
func (s *Service) checkGroup(tx *db.Tx, r *api.Request, c *createRequest, count int) error {
	if c.groupID == "" {
		return nil
	}
	group, err := findGroup(tx, c.groupID)
	if isNotFound(err) || err == nil && group.ProjectID != r.ProjectID() {
		return api.BadRequest("Instance group %s could not be found.", oneLine(c.groupID, 60))
	}
	if err != nil {
		return err
	}
	members, err := groupMembers(tx, group.ID)
	if err != nil {
		return err
	}
	limits, err := s.quotaLimits(tx, r.ProjectID())
	if err != nil {
		return err
	}
	if over(limits[quotaGroupMembers], int64(len(members)), int64(count)) {
		return api.Forbidden("Quota exceeded, too many servers in group")
	}
	return nil
}
