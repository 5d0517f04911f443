package app

import (
	"virga/core/conf"
	"virga/service/compute"
)

// schedulerSettings are the settings of the scheduler, as the compute service takes them.
func schedulerSettings(c *conf.Scheduler) compute.SchedulerSettings {
	var checks []compute.SchedulerCheck
	for _, address := range c.Checks {
		checks = append(checks, compute.SchedulerCheck{URL: address, Timeout: c.CheckTimeout, FailOpen: c.CheckFailOpen, CAFile: c.CheckCA, Hosts: c.CheckHosts})
	}
	return compute.SchedulerSettings{
		Filters: c.EnabledFilters, Weighers: c.WeightClasses, Multipliers: c.Multipliers(), Subset: c.HostSubsetSize, KeepOrder: !c.Shuffle, Attempts: c.MaxAttempts,
		MaxServers: c.MaxInstancesPerHost, MaxWork: c.MaxIOOpsPerHost,
		IsolatedHosts: c.IsolatedHosts, IsolatedImages: c.IsolatedImages, SharedIsolatedHosts: !c.RestrictIsolated,
		DefaultArch: c.DefaultArchitecture, ImageNamespace: c.ImageIsolationNamespace, ImageSeparator: c.ImageIsolationSeparator,
		Checks: checks,
	}
}
