package conf_test

import "testing"

func TestSchedulerSettings(t *testing.T) {
	c, err := parse(t, "enabled_filters = \"ComputeFilter,JsonFilter\"\nram_weight_multiplier = -2.5\nshuffle_best_same_weighed_hosts = false\n", "--max-io-ops-per-host", "3", "--no-restrict-isolated-hosts-to-isolated-images")
	if err != nil {
		t.Fatal(err)
	}
	s := &c.Scheduler
	if len(s.EnabledFilters) != 2 || s.EnabledFilters[1] != "JsonFilter" || s.Multipliers()["ram"] != -2.5 || s.Multipliers()["io_ops"] != -1 || s.Multipliers()["build_failure"] != 1e6 ||
		s.Shuffle || s.RestrictIsolated || s.MaxIOOpsPerHost != 3 || s.MaxInstancesPerHost != 50 || s.MaxAttempts != 3 || s.HostSubsetSize != 1 {
		t.Errorf("%+v", s)
	}
	for _, text := range []string{"scheduler_max_attempts = 0\n", "max_instances_per_host = 0\n", "host_subset_size = -1\n", "soft_affinity_weight_multiplier = -1.0\n", "ram_weight_multiplier = \"much\"\n"} {
		if _, err := parse(t, text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
