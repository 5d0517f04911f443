package app

import (
	"context"
	"time"

	"virga/core/api"
	"virga/core/authz"
)

// policyEvery is how often policy files are looked at for changes.
const policyEvery = 3 * time.Second

// readPolicies puts the operator's policy files in force for the services of this process, and
// follows changes of them. A wrong file is an error now, and later one in the log alone.
func (cl *cloud) readPolicies(ctx context.Context) error {
	enforcers := map[string]*authz.Enforcer{}
	for _, p := range cl.parts {
		if service, ok := p.(interface{ Table() *api.Table }); ok {
			enforcers[service.Table().Service] = service.Table().Policy
		}
	}
	folder := authz.NewFolder(cl.conf.PolicyDir, !cl.conf.PolicyDirGiven, enforcers, cl.log)
	if err := folder.Load(ctx); err != nil {
		return err
	}
	cl.onRun(func(ctx context.Context) error {
		tick := time.NewTicker(policyEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				folder.Refresh(ctx)
			}
		}
	})
	return nil
}
