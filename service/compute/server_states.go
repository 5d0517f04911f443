package compute

import (
	"strings"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/work"
)

// serverTarget is a server as a route's target.
type serverTarget struct{ *server }

// PolicyTarget implements api.Target.
func (t serverTarget) PolicyTarget() authz.Target {
	return authz.Target{"project_id": t.ProjectID, "tenant_id": t.ProjectID, "user_id": t.UserID}
}

// HiddenError implements api.Hidden.
func (t serverTarget) HiddenError() error { return noSuchServer(t.ID) }

func noSuchServer(id string) error { return api.NotFound("Instance %s could not be found.", id) }

// task is what an unfinished operation makes of a server.
type task struct {
	// state is the task_state; empty when nothing goes on.
	state string
	// building is true while the server is being made.
	building bool
}

// taskOf derives the task from the unfinished operations, of which a delete counts most
// and then the oldest.
func taskOf(operations []work.Operation) task {
	var t task
	for _, o := range operations {
		if o.Kind == opCreate {
			t.building = true
		}
		state := taskState(o)
		if t.state == "" || o.Kind == opDelete {
			t.state = state
		}
	}
	return t
}

// taskState is the compute API's word for what an operation does now.
func taskState(o work.Operation) string {
	switch o.Kind {
	case opCreate:
		switch o.StepName {
		case "schedule", "claim":
			return "scheduling"
		case "network":
			return "networking"
		}
		return "spawning"
	case opDelete:
		return "deleting"
	case opStart:
		return "powering-on"
	case opStop:
		return "powering-off"
	case opReboot:
		if strings.Contains(o.Params, `"hard":true`) {
			return "rebooting_hard"
		}
		return "rebooting"
	case opPause:
		return "pausing"
	case opUnpause:
		return "unpausing"
	case opSuspend:
		return "suspending"
	case opResume:
		return "resuming"
	case opPassword:
		return "updating_password"
	case opSoftDelete:
		return "soft-deleting"
	case opRestore:
		return "restoring"
	case opRescue:
		return "rescuing"
	case opUnrescue:
		return "unrescuing"
	case opResize, opMigrate:
		return moveTask(o.StepName)
	case opLiveMigrate:
		return taskMigrating
	case opEvacuate:
		return evacuateTask(o.StepName)
	case opRevert:
		return "resize_reverting"
	case opShelve:
		return shelveTask(o)
	case opOffload:
		return "shelving_offloading"
	case opUnshelve:
		if o.StepName == "spawn" || o.StepName == "settle" || o.StepName == "forget" {
			return "spawning"
		}
		return "unshelving"
	case opRebuild:
		if o.StepName == "order" || o.StepName == "settle" {
			return "rebuild_spawning"
		}
		return "rebuilding"
	case opSnapshot, opBackup:
		return imageTask(o)
	}
	return ""
}

// taskMigrating is the task_state of a server that goes to another host while it runs.
const taskMigrating = "migrating"

// evacuateTask is the task_state that a step of an evacuation is: a server is rebuilt elsewhere.
func evacuateTask(step string) string {
	switch step {
	case "schedule", "claim", "prepare", "prepared":
		return "rebuilding"
	}
	return "rebuild_spawning"
}

// moveTask is the task_state that a step of a move is.
func moveTask(step string) string {
	switch step {
	case "schedule", "claim":
		return "resize_prep"
	case "stop", "stopped", "transfer", "received":
		return "resize_migrating"
	case "network":
		return "resize_migrated"
	}
	return "resize_finish"
}

// statusOf is the status that users see, from vm_state and task (nova/api/openstack/common.py).
func statusOf(vmState string, t task) string {
	vmState = shownState(vmState)
	switch vmState {
	case vmBuilding:
		return "BUILD"
	case vmActive, vmStopped, vmPaused, vmSuspended, vmError:
		switch t.state {
		case "updating_password":
			if vmState == vmActive {
				return "PASSWORD"
			}
		case "rebooting":
			return "REBOOT"
		case "rebooting_hard":
			return "HARD_REBOOT"
		case taskMigrating:
			return "MIGRATING"
		}
		if strings.HasPrefix(t.state, "rebuild") {
			return "REBUILD"
		}
		if strings.HasPrefix(t.state, "resize_") && vmState != vmError {
			return "RESIZE"
		}
	case vmResized:
		if t.state == "resize_reverting" {
			return "REVERT_RESIZE"
		}
		return "VERIFY_RESIZE"
	}
	return map[string]string{vmActive: "ACTIVE", vmShelved: "SHELVED", shownOffloaded: "SHELVED_OFFLOADED", vmPaused: "PAUSED", vmSuspended: "SUSPENDED", vmRescued: "RESCUE", vmStopped: "SHUTOFF", vmError: "ERROR", vmSoft: "SOFT_DELETED", vmDeleted: "DELETED"}[vmState]
}

// vmStateOf is the vm_state that is shown: a server that is building has an operation that
// builds it; one without was abandoned by an operator and is in error.
func vmStateOf(row *server, t task) string {
	if row.VMState == vmBuilding && !t.building && t.state != "deleting" {
		return vmError
	}
	return shownState(row.VMState)
}

// shownOffloaded is how the API calls vmOffloaded.
const shownOffloaded = "shelved_offloaded"

// shownState is how the API calls a vm_state.
func shownState(vmState string) string {
	if vmState == vmOffloaded {
		return shownOffloaded
	}
	return vmState
}

// secondTime is the form of times in server views: no fractions.
func secondTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// microTime is the form of times without a zone and with microseconds.
func microTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// optionalMicroTime is microTime, or nil for no time.
func optionalMicroTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := microTime(t)
	return &text
}
