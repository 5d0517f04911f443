package fake

import "virga/service/compute/hypervisor"

// isActive tells whether the guest has memory and devices at present.
func isActive(power hypervisor.PowerState) bool {
	return power == hypervisor.Running || power == hypervisor.Paused || power == hypervisor.Suspended
}

// starts tells whether a wish has a guest started that is off.
func starts(want hypervisor.Power, saved bool) bool {
	return want == hypervisor.PowerRunning || want == hypervisor.PowerPaused || want == hypervisor.PowerSuspended && !saved
}

// power brings a guest to the power state wished for.
func (d *Driver) power(r *record, want hypervisor.Power) error {
	switch want {
	case hypervisor.PowerRunning:
		return d.proceed(r, hypervisor.Running)
	case hypervisor.PowerPaused:
		return d.proceed(r, hypervisor.Paused)
	case hypervisor.PowerSuspended:
		return d.suspend(r)
	case hypervisor.PowerStopped:
		if r.Power != hypervisor.Shutdown || r.Saved {
			return d.setPower(r, hypervisor.Shutdown)
		}
	}
	return nil
}

// proceed has a guest run or stand still with its memory in place: from where it is, from what was kept of it, or from the beginning.
func (d *Driver) proceed(r *record, power hypervisor.PowerState) error {
	switch {
	case r.Power == power:
		return nil
	case isActive(r.Power), r.Saved:
		return d.setPower(r, power)
	}
	return d.boot(r, power)
}

// suspend keeps a guest's memory and ends it.
func (d *Driver) suspend(r *record) error {
	if r.Saved {
		return nil
	}
	if !isActive(r.Power) {
		if err := d.boot(r, hypervisor.Paused); err != nil {
			return err
		}
		r = d.lookup(r.Guest.ID)
	}
	next := *r
	next.Power, next.Saved = hypervisor.Shutdown, true
	return d.enter(&next)
}
