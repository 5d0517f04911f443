package compute

// repairLoad finds how many servers fewer a host would have to have, or to be busy with.
func (t *trial) repairLoad(filter string) (change, bool) {
	c, sc := &t.host, t.scheduler
	fewer := func(kind string, n, limit int64) (change, bool) {
		return change{Kind: kind, Host: c.name, Amount: n - limit + 1}, limit > 0
	}
	switch filter {
	case "NumInstancesFilter":
		return fewer(changeServersAway, c.load.count(), sc.MaxServers)
	case "AggregateNumInstancesFilter":
		return fewer(changeServersAway, c.load.count(), c.terms.maxServersOr(sc.MaxServers))
	case "IoOpsFilter":
		return fewer(changeWorkDone, c.load.busy(), sc.MaxWork)
	case "AggregateIoOpsFilter":
		return fewer(changeWorkDone, c.load.busy(), c.terms.maxWorkOr(sc.MaxWork))
	}
	return change{}, false
}

// repairCapability leaves out the extra spec of which the host is not.
func repairCapability(c *candidate, w *wish) (change, bool) {
	for _, key := range sortedKeys(w.extraSpecs) {
		if spec, asked := capabilitySpec(key, w.extraSpecs[key]); asked {
			if value, known := c.capability(spec.key); !known || !spec.holds(value) {
				return change{Kind: changeDropSpec, Name: key}, true
			}
		}
	}
	return change{}, false
}

// loadWords are words for changes of what goes on on a host.
func (ch *change) loadWords() string {
	switch ch.Kind {
	case changeServersAway:
		return "move " + counted(ch.Amount, "server") + " away from " + ch.Host
	case changeWorkDone:
		return "wait until " + ch.Host + " has made, moved or copied " + counted(ch.Amount, "server") + " more"
	}
	return ch.Kind
}
