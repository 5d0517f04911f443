package compat

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocationcandidates"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceclasses"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/traits"
)

func walkPlacement(t *testing.T, admin *clients) {
	client, ctx := at(admin.placement, "1.38"), t.Context()
	provider := need(resourceproviders.Create(ctx, client, resourceproviders.CreateOpts{Name: "shelf"}).Extract())(t)
	done(t, resourceclasses.Create(ctx, client, resourceclasses.CreateOpts{Name: "CUSTOM_BOOK"}).ExtractErr())
	done(t, traits.Create(ctx, client, "CUSTOM_WOODEN").ExtractErr())
	done(t, traits.Get(ctx, client, "CUSTOM_WOODEN").ExtractErr())
	inventory := need(resourceproviders.UpdateInventories(ctx, client, provider.UUID, resourceproviders.UpdateInventoriesOpts{
		ResourceProviderGeneration: provider.Generation,
		Inventories:                map[string]resourceproviders.Inventory{"CUSTOM_BOOK": {Total: 10, MinUnit: 1, MaxUnit: 10, StepSize: 1, AllocationRatio: 1}},
	}).Extract())(t)
	labelled := need(resourceproviders.UpdateTraits(ctx, client, provider.UUID, resourceproviders.UpdateTraitsOpts{
		ResourceProviderGeneration: inventory.ResourceProviderGeneration, Traits: []string{"CUSTOM_WOODEN"}}).Extract())(t)
	equal(t, "traits", labelled.Traits, "CUSTOM_WOODEN")
	refused(t, 409, resourceproviders.UpdateTraits(ctx, client, provider.UUID, resourceproviders.UpdateTraitsOpts{
		ResourceProviderGeneration: provider.Generation, Traits: []string{"CUSTOM_WOODEN"}}).Err)

	page := need(allocationcandidates.List(client, allocationcandidates.ListOpts{Resources: "CUSTOM_BOOK:3", Required: []string{"CUSTOM_WOODEN"}}).AllPages(ctx))(t)
	candidates := need(allocationcandidates.ExtractAllocationCandidates(page))(t)
	if len(candidates.AllocationRequests) != 1 || candidates.ProviderSummaries[provider.UUID].Resources["CUSTOM_BOOK"].Capacity != 10 {
		t.Errorf("candidates %+v", candidates)
	}
	const consumer = "6d4a1c0e-31c6-4d0b-9f4c-6a7f4f1f2a55"
	claim := func(books int) error {
		return allocations.Update(ctx, client, consumer, allocations.UpdateOpts{ProjectID: "p", UserID: "u", ConsumerType: "READER",
			Allocations: map[string]allocations.ProviderAllocationsOpts{provider.UUID: {Resources: map[string]int{"CUSTOM_BOOK": books}}}}).ExtractErr()
	}
	refused(t, 409, claim(11))
	done(t, claim(4))
	if usage := need(resourceproviders.GetUsages(ctx, client, provider.UUID).Extract())(t); usage.Usages["CUSTOM_BOOK"] != 4 {
		t.Errorf("usage %+v", usage)
	}
	if held := need(allocations.Get(ctx, client, consumer).Extract())(t); held.Allocations[provider.UUID].Resources["CUSTOM_BOOK"] != 4 || held.ConsumerType == nil || *held.ConsumerType != "READER" {
		t.Errorf("allocations %+v", held)
	}
	refused(t, 409, resourceproviders.Delete(ctx, client, provider.UUID).ExtractErr())
	done(t, allocations.Delete(ctx, client, consumer).ExtractErr())
	done(t, resourceproviders.Delete(ctx, client, provider.UUID).ExtractErr())
	done(t, resourceclasses.Delete(ctx, client, "CUSTOM_BOOK").ExtractErr())
	done(t, traits.Delete(ctx, client, "CUSTOM_WOODEN").ExtractErr())
}
