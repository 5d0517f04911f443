package compute

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// projectTarget is a project as a route's target.
type projectTarget struct{ id string }

// PolicyTarget implements api.Target.
func (p projectTarget) PolicyTarget() authz.Target { return ownTarget(p.id, "") }

var projectIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func loadProject(_ context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("project_id")
	if !projectIDPattern.MatchString(id) {
		return nil, api.BadRequest("Project ID %s is not a valid project.", oneLine(id, 60))
	}
	return projectTarget{id}, nil
}

// proxiedQuotas are quotas of what the network service owns; nova keeps and shows them without
// enforcing them.
var proxiedQuotas = []string{"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}

// quotaNames are the quotas of projects that a version has.
func quotaNames(v api.Version) []string { return quotasIn(v, vNoProxies) }

// classNames are the quotas of classes that a version has; groups have some since 2.50, when
// those of networks went.
func classNames(v api.Version) []string {
	names := quotasIn(v, vGroupQuotas)
	if v.Before(vGroupQuotas) {
		names = slices.DeleteFunc(names, func(name string) bool { return name == quotaGroups || name == quotaGroupMembers })
	}
	return names
}

// quotasIn are the quotas of a version, those of networks until before the one that took them away.
func quotasIn(v, withoutProxied api.Version) []string {
	names := []string{quotaInstances, quotaCores, quotaRAM, quotaKeypairs, quotaMetadata, quotaGroups, quotaGroupMembers}
	if v.Before(vNoPersonality) {
		names = append(names, quotaFiles, quotaFileBytes, quotaPathBytes)
	}
	if v.Before(withoutProxied) {
		names = append(names, proxiedQuotas...)
	}
	return names
}

func viewQuotas(limits map[string]int64, names []string, id string) map[string]any {
	view := map[string]any{}
	if id != "" {
		view["id"] = id
	}
	for _, name := range names {
		view[name] = limits[name]
	}
	return view
}

func (s *Service) readLimits(ctx context.Context, projectID string) (limits map[string]int64, used usedByProject, err error) {
	if err := s.learnLimits(ctx, projectID); err != nil {
		return nil, used, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		if limits, err = s.quotaLimits(tx, projectID); err != nil {
			return err
		}
		used, err = sumProject(tx, projectID)
		return err
	})
	return limits, used, err
}

func (s *Service) quotaShow(ctx context.Context, r *api.Request) (any, error) {
	limits, _, err := s.readLimits(ctx, r.Param("project_id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota_set": viewQuotas(limits, quotaNames(r.Version), r.Param("project_id"))}, nil
}

// quotaDefaults shows what a project without quotas of its own has.
func (s *Service) quotaDefaults(ctx context.Context, r *api.Request) (any, error) {
	limits, _, err := s.readLimits(ctx, "")
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota_set": viewQuotas(limits, quotaNames(r.Version), r.Param("project_id"))}, nil
}

func (s *Service) quotaDetail(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("project_id")
	limits, used, err := s.readLimits(ctx, id)
	if err != nil {
		return nil, err
	}
	groups := int64(0)
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		groups, err = countGroups(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	inUse := map[string]int64{quotaInstances: used.Instances, quotaCores: used.Cores, quotaRAM: used.RAM, quotaGroups: groups}
	view := map[string]any{"id": id}
	for name, limit := range viewQuotas(limits, quotaNames(r.Version), "") {
		view[name] = map[string]any{"limit": limit, "in_use": inUse[name], "reserved": 0}
	}
	return map[string]any{"quota_set": view}, nil
}

// maxQuota is the greatest limit that Nova takes.
const maxQuota = 0x7FFFFFFF

func readQuotaBody(r *api.Request, key string, allowed []string) (values map[string]int64, force bool, err error) {
	var body map[string]map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, false, err
	}
	values = map[string]int64{}
	for name, raw := range body[key] {
		if name == "force" {
			var flag flexBool
			if err := json.Unmarshal(raw, &flag); err != nil {
				return nil, false, api.BadRequest("Invalid input for field/attribute force.")
			}
			force = bool(flag)
			continue
		}
		if name == "id" || name == "tenant_id" {
			continue
		}
		if !slices.Contains(allowed, name) {
			return nil, false, unexpectedField(key, oneLine(name, 60))
		}
		var value flexInt
		if err := json.Unmarshal(raw, &value); err != nil || value < -1 || value > maxQuota {
			return nil, false, api.BadRequest("Invalid input for field/attribute %s. Value: %s. It is a number from -1 to %d.", name, oneLine(string(raw), 60), maxQuota)
		}
		values[name] = int64(value)
	}
	return values, force, nil
}

func (s *Service) quotaUpdate(ctx context.Context, r *api.Request) (any, error) {
	values, force, err := readQuotaBody(r, "quota_set", quotaNames(r.Version))
	if err != nil {
		return nil, err
	}
	id := r.Param("project_id")
	var limits map[string]int64
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		used, err := sumProject(tx, id)
		if err != nil {
			return err
		}
		before, err := ownLimits(tx, id)
		if err != nil {
			return err
		}
		for name, value := range values {
			taken := map[string]int64{quotaInstances: used.Instances, quotaCores: used.Cores, quotaRAM: used.RAM}[name]
			if !force && value >= 0 && value < taken {
				return api.BadRequest("Quota limit %d for %s must be greater than or equal to already used and reserved %d.", value, name, taken)
			}
			if err := setQuota(tx, quotaRow{quotaOfProject, id, name, value}); err != nil {
				return err
			}
		}
		if limits, err = s.quotaLimits(tx, id); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "quota", ID: id, Action: "update", OwnerProjectID: id, Before: before, After: limits})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota_set": viewQuotas(limits, quotaNames(r.Version), "")}, nil
}

func (s *Service) quotaDelete(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("project_id")
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		before, err := ownLimits(tx, id)
		if err != nil {
			return err
		}
		if err := deleteQuotas(tx, quotaOfProject, id); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "quota", ID: id, Action: "delete", OwnerProjectID: id, Before: before})
	})
	return accepted(), err
}

func (s *Service) quotaClassShow(ctx context.Context, r *api.Request) (any, error) {
	limits, _, err := s.readLimits(ctx, "")
	if err != nil {
		return nil, err
	}
	if r.Param("class") != defaultClass {
		limits = defaultQuotas()
	}
	return map[string]any{"quota_class_set": viewQuotas(limits, classNames(r.Version), r.Param("class"))}, nil
}

// quotaClassUpdate changes the defaults of all projects; there is no other class in use.
func (s *Service) quotaClassUpdate(ctx context.Context, r *api.Request) (any, error) {
	values, _, err := readQuotaBody(r, "quota_class_set", classNames(r.Version))
	if err != nil {
		return nil, err
	}
	if r.Param("class") != defaultClass {
		return nil, api.BadRequest("The only quota class is %s.", defaultClass)
	}
	var limits map[string]int64
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		before, err := ownLimits(tx, "")
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if err := setQuota(tx, quotaRow{quotaOfClass, defaultClass, name, values[name]}); err != nil {
				return err
			}
		}
		if limits, err = s.quotaLimits(tx, ""); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "quota_class", ID: defaultClass, Action: "update", Before: before, After: limits})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"quota_class_set": viewQuotas(limits, classNames(r.Version), "")}, nil
}

// limitsShow answers GET /limits; administrators may name another project.
func (s *Service) limitsShow(ctx context.Context, r *api.Request) (any, error) {
	id := r.ProjectID()
	if asked := r.Query.Get("tenant_id"); asked != "" && asked != id {
		if err := r.May(ruleLimitsOther, nil); err != nil {
			return nil, err
		}
		id = asked
	}
	limits, used, err := s.readLimits(ctx, id)
	if err != nil {
		return nil, err
	}
	groups := int64(0)
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { groups, err = countGroups(tx, id); return err }); err != nil {
		return nil, err
	}
	absolute := map[string]int64{
		"maxTotalInstances": limits[quotaInstances], "maxTotalCores": limits[quotaCores], "maxTotalRAMSize": limits[quotaRAM],
		"maxTotalKeypairs": limits[quotaKeypairs], "maxServerMeta": limits[quotaMetadata], "maxServerGroups": limits[quotaGroups],
		"maxServerGroupMembers": limits[quotaGroupMembers], "totalInstancesUsed": used.Instances, "totalCoresUsed": used.Cores,
		"totalRAMUsed": used.RAM, "totalServerGroupsUsed": groups,
	}
	if r.Version.Before(vNoProxies) {
		for name, value := range map[string]int64{"maxSecurityGroups": limits["security_groups"], "maxSecurityGroupRules": limits["security_group_rules"],
			"maxTotalFloatingIps": limits["floating_ips"], "totalFloatingIpsUsed": 0, "totalSecurityGroupsUsed": 0} {
			absolute[name] = value
		}
	}
	if r.Version.Before(vNoImageMeta) {
		absolute["maxImageMeta"] = limits[quotaMetadata]
	}
	if r.Version.Before(vNoPersonality) {
		absolute["maxPersonality"], absolute["maxPersonalitySize"] = limits[quotaFiles], limits[quotaFileBytes]
	}
	owner := id
	if owner == "" {
		owner = rateOwner(r)
	}
	rates, err := s.viewRates(ctx, owner)
	if err != nil {
		return nil, err
	}
	return map[string]any{"limits": map[string]any{"rate": rates, "absolute": absolute}}, nil
}
