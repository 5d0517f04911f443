// Package placement is the placement service: which resources exist, where, and who uses
// how much of them. It speaks OpenStack's Placement API, microversions 1.0 to 1.39.
//
// It owns resource providers (trees of them), their inventories, traits and aggregates,
// custom resource classes and traits, consumers and their allocations. Tables:
// resource_providers, inventories, provider_traits, provider_aggregates,
// resource_classes, traits, consumers, allocations, tree_changes.
//
// Every request is one transaction. A write that allocates reads the inventories, checks
// and writes in the same serializable transaction, so an inventory is never promised
// twice; inventories.used is the sum of the inventory's allocations and is kept by the
// same statement sequence that changes them (replaceAllocations, deleteAllocations).
//
// Questions that look at many providers (allocation candidates, filtered lists) are
// answered from an image of all trees in memory (image.go). Each write notes the root of
// the tree it touched in tree_changes; each question first reads, from the database,
// which trees changed since the last one and loads those, so the answer is as fresh as
// one made by SQL, also with several processes on one database.
//
// GET /internal/providers is Virga's own route: it tells which providers changed since the
// caller asked last, so that a scheduler keeps all of them in memory and asks nothing big.
//
// It has no neighbours, no durable operations and no agents: compute and others call its
// public API. It never decides where something goes and knows nothing of servers. Only
// the wiring imports it.
package placement
