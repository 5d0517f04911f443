package compute_test

import (
	"context"
	"maps"
	"slices"
	"strings"

	"virga/core/api"
	"virga/service/compute"
)

// What the network and the image service do for clients of before they had APIs of their own.

func (w networks) VisibleNetworks(ctx context.Context) ([]compute.Network, error) {
	leave, err := w.enter(ctx, "networks")
	defer leave()
	var found []compute.Network
	for _, id := range slices.Sorted(maps.Keys(w.networks)) {
		found = append(found, w.networks[id])
	}
	return found, err
}

func (w networks) ExternalNetworks(ctx context.Context) ([]compute.Network, error) {
	leave, err := w.enter(ctx, "external networks")
	defer leave()
	var found []compute.Network
	for _, id := range slices.Sorted(maps.Keys(w.networks)) {
		if w.networks[id].External {
			found = append(found, w.networks[id])
		}
	}
	return found, err
}

// findGroup looks for a group among all projects'.
func (w networks) findGroup(id string) (project string, at int, err error) {
	for project, groups := range w.groups {
		for i := range groups {
			if groups[i].ID == id {
				return project, i, nil
			}
		}
	}
	return "", 0, api.NotFound("Security group %s does not exist", id)
}

func (w networks) SecurityGroup(ctx context.Context, id string) (compute.SecurityGroup, error) {
	leave, err := w.enter(ctx, "security group")
	defer leave()
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	project, at, err := w.findGroup(id)
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	return w.groups[project][at], nil
}

func (w networks) CreateSecurityGroup(ctx context.Context, name, description string) (compute.SecurityGroup, error) {
	leave, err := w.enter(ctx, "create security group")
	defer leave()
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	group := compute.SecurityGroup{ID: w.id(), Name: name, Description: description, ProjectID: projectID}
	w.groups[projectID] = append(w.groups[projectID], group)
	return group, nil
}

func (w networks) UpdateSecurityGroup(ctx context.Context, id, name, description string) (compute.SecurityGroup, error) {
	leave, err := w.enter(ctx, "update security group")
	defer leave()
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	project, at, err := w.findGroup(id)
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	w.groups[project][at].Name, w.groups[project][at].Description = name, description
	return w.groups[project][at], nil
}

func (w networks) DeleteSecurityGroup(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete security group")
	defer leave()
	if err != nil {
		return err
	}
	project, at, err := w.findGroup(id)
	if err == nil && id == groupID {
		return api.Conflict("Security Group %s in use.", id)
	}
	if err == nil {
		w.groups[project] = slices.Delete(w.groups[project], at, at+1)
	}
	return err
}

func (w networks) CreateSecurityGroupRule(ctx context.Context, group string, rule compute.SecurityGroupRule) (compute.SecurityGroupRule, error) {
	leave, err := w.enter(ctx, "create security group rule")
	defer leave()
	if err != nil {
		return rule, err
	}
	project, at, err := w.findGroup(group)
	if err != nil {
		return rule, err
	}
	rule.ID = w.id()
	w.groups[project][at].Rules = append(w.groups[project][at].Rules, rule)
	return rule, nil
}

func (w networks) DeleteSecurityGroupRule(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete security group rule")
	defer leave()
	if err != nil {
		return err
	}
	for project, groups := range w.groups {
		for i := range groups {
			if at := slices.IndexFunc(groups[i].Rules, func(r compute.SecurityGroupRule) bool { return r.ID == id }); at >= 0 {
				w.groups[project][i].Rules = slices.Delete(groups[i].Rules, at, at+1)
				return nil
			}
		}
	}
	return api.NotFound("Security group rule %s does not exist", id)
}

func (w networks) ProjectFloatingIPs(ctx context.Context, _ string) ([]compute.ProjectFloatingIP, error) {
	leave, err := w.enter(ctx, "floating IPs")
	defer leave()
	return slices.Clone(w.owned), err
}

func (w networks) ProjectFloatingIP(ctx context.Context, id string) (compute.ProjectFloatingIP, error) {
	leave, err := w.enter(ctx, "floating IP")
	defer leave()
	if err != nil {
		return compute.ProjectFloatingIP{}, err
	}
	for _, f := range w.owned {
		if f.ID == id {
			return f, nil
		}
	}
	return compute.ProjectFloatingIP{}, api.NotFound("Floating IP %s could not be found", id)
}

func (w networks) CreateFloatingIP(ctx context.Context, network string) (compute.ProjectFloatingIP, error) {
	leave, err := w.enter(ctx, "create floating IP")
	defer leave()
	if err != nil {
		return compute.ProjectFloatingIP{}, err
	}
	if len(w.owned) > 1 {
		return compute.ProjectFloatingIP{}, api.Conflict("Quota exceeded for resources: ['floatingip'].")
	}
	made := compute.ProjectFloatingIP{ID: w.id(), Address: "203.0.113.7", NetworkID: network}
	w.owned = append(w.owned, made)
	return made, nil
}

func (w networks) DeleteFloatingIP(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete floating IP")
	defer leave()
	w.owned = slices.DeleteFunc(w.owned, func(f compute.ProjectFloatingIP) bool { return f.ID == id })
	return err
}

func (w images) ListImages(ctx context.Context, filter compute.ImageFilter) ([]compute.ImageDocument, error) {
	leave, err := w.enter(ctx, "images")
	defer leave()
	var found []compute.ImageDocument
	for _, id := range slices.Sorted(maps.Keys(w.images)) {
		image := w.images[id]
		if (filter.Name == "" || filter.Name == image.Name) && (filter.Status == "" || filter.Status == image.Status) && len(found) < filter.Limit {
			found = append(found, compute.ImageDocument{Image: image, SizeKnown: true})
		}
	}
	return found, err
}

func (w images) ImageDocument(ctx context.Context, id string) (compute.ImageDocument, error) {
	image, err := w.Image(ctx, id)
	return compute.ImageDocument{Image: image, SizeKnown: true}, err
}

func (w images) DeleteImage(ctx context.Context, id string) error {
	leave, err := w.enter(ctx, "delete image")
	defer leave()
	if err != nil {
		return err
	}
	if strings.HasPrefix(id, "1") {
		return api.Forbidden("Image %s is protected and cannot be deleted.", id)
	}
	return api.NotFound("No image found with ID %s", id)
}

func (w images) ChangeImageProperties(ctx context.Context, id string, set map[string]string, remove []string) error {
	leave, err := w.enter(ctx, "change image")
	defer leave()
	if err != nil {
		return err
	}
	image := w.images[id]
	image.Properties = maps.Clone(image.Properties)
	if image.Properties == nil {
		image.Properties = map[string]string{}
	}
	maps.Copy(image.Properties, set)
	for _, key := range remove {
		delete(image.Properties, key)
	}
	w.images[id] = image
	return nil
}

func (w networks) LeadFloatingIP(ctx context.Context, id, portID, fixedAddress string) error {
	leave, err := w.enter(ctx, "lead floating IP")
	defer leave()
	if err != nil {
		return err
	}
	for i := range w.owned {
		if w.owned[i].ID == id {
			w.owned[i].PortID, w.owned[i].FixedAddress = portID, fixedAddress
			return nil
		}
	}
	return api.NotFound("Floating IP %s could not be found", id)
}
