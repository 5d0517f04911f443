package compute

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// serverAction is a row of the second table: actions of POST /servers/{server_id}/action, by
// the single key of the body.
type serverAction struct {
	rule   string
	handle func(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error)
}

// actions is the table of server actions.
func (s *Service) actions() map[string]serverAction {
	return map[string]serverAction{
		"shelve":              {ruleShelve, s.actionShelve},
		"shelveOffload":       {ruleShelveOffload, s.actionShelveOffload},
		"unshelve":            {ruleUnshelve, s.actionUnshelve},
		"rebuild":             {ruleRebuild, s.actionRebuild},
		"createImage":         {ruleCreateImage, s.actionCreateImage},
		"createBackup":        {ruleCreateBackup, s.actionCreateBackup},
		"os-getVNCConsole":    {ruleRemoteConsoles, s.actionOldConsole("vnc")},
		"os-getSPICEConsole":  {ruleRemoteConsoles, s.actionOldConsole("spice")},
		"os-getRDPConsole":    {ruleRemoteConsoles, s.actionOldConsole("rdp")},
		"os-getSerialConsole": {ruleRemoteConsoles, s.actionOldConsole("serial")},
		"reboot":              {ruleReboot, s.actionReboot},
		"os-start":            {ruleStart, s.actionStart},
		"os-stop":             {ruleStop, s.actionStop},
		"os-getConsoleOutput": {ruleConsoleOutput, s.actionConsole},
		"addSecurityGroup":    {ruleGroupAdd, s.actionAddGroup},
		"removeSecurityGroup": {ruleGroupRemove, s.actionRemoveGroup},
		"lock":                {ruleLock, s.actionLock},
		"unlock":              {ruleUnlock, s.actionUnlock},
		"os-resetState":       {ruleResetState, s.actionResetState},
		"forceDelete":         {ruleForceDelete, s.actionForceDelete},
		"restore":             {ruleRestore, s.actionRestore},
		"addFixedIp":          {ruleMultinic + "add", s.actionAddFixedIP},
		"removeFixedIp":       {ruleMultinic + "remove", s.actionRemoveFixedIP},
		"addFloatingIp":       {ruleFloatingIPs + "add", s.actionAddFloatingIP},
		"removeFloatingIp":    {ruleFloatingIPs + "remove", s.actionRemoveFloatingIP},
		"changePassword":      {ruleAdminPassword, s.actionChangePassword},
		"trigger_crash_dump":  {ruleCrashDump, s.actionCrashDump},
		"injectNetworkInfo":   {ruleInjectNetwork, s.actionInjectNetwork},
		"resetNetwork":        {ruleAction, s.actionResetNetwork},
		"resize":              {ruleResize, s.actionResize},
		"confirmResize":       {ruleResizeConfirm, s.actionConfirmResize},
		"revertResize":        {ruleResizeRevert, s.actionRevertResize},
		"migrate":             {ruleMigrate, s.actionMigrate},
		"os-migrateLive":      {ruleMigrateLive, s.actionLiveMigrate},
		"evacuate":            {ruleEvacuate, s.actionEvacuate},
		"pause":               {rulePause, s.actionPause},
		"unpause":             {ruleUnpause, s.actionUnpause},
		"suspend":             {ruleSuspend, s.actionSuspend},
		"resume":              {ruleResume, s.actionResume},
		"rescue":              {ruleRescue, s.actionRescue},
		"unrescue":            {ruleUnrescue, s.actionUnrescue},
	}
}

func (s *Service) serverAction(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row := api.Loaded[serverTarget](r).server
	actions := s.actions()
	for name, argument := range body {
		action, known := actions[name]
		switch {
		case len(body) > 1:
			return nil, api.BadRequest("There is no such action: several keys were given")
		case !known:
			return nil, api.BadRequest("There is no such action: %s", oneLine(name, 60))
		}
		if err := r.May(action.rule, serverTarget{row}.PolicyTarget()); err != nil {
			return nil, err
		}
		return action.handle(ctx, r, row, argument)
	}
	return nil, api.BadRequest("Malformed request body: it names no action.")
}

// start admits an operation on a server: the server is read anew, the state checked, and
// nothing else may go on with it. What is to be true together with that is done by also.
func (s *Service) start(ctx context.Context, r *api.Request, action, kind string, params any, check func(row *server, t task) error,
	also ...func(tx *db.Tx, row *server) error) (string, error) {
	unlocked := func(row *server, t task) error {
		if err := s.checkLock(r, row); err != nil {
			return err
		}
		return check(row, t)
	}
	return s.startAnyway(ctx, r, action, kind, params, unlocked, also...)
}

// startAnyway is start for what a lock does not keep from: it changes nothing of the server.
func (s *Service) startAnyway(ctx context.Context, r *api.Request, action, kind string, params any, check func(row *server, t task) error,
	also ...func(tx *db.Tx, row *server) error) (string, error) {
	id := r.Param("server_id")
	operation := ""
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(id)
		}
		if err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil {
			return err
		}
		t := taskOf(unfinished[id])
		if err := check(row, t); err != nil {
			return err
		}
		if len(unfinished[id]) > 0 {
			if t.state == "" {
				return api.Conflict("Cannot '%s' instance %s while another change of it is under way", action, id)
			}
			return stateConflict(action, id, "task_state", t.state)
		}
		operation, err = s.engine.Start(tx, work.Order{Kind: kind, ResourceKind: "server", ResourceID: id, ProjectID: row.ProjectID,
			UserID: r.UserID(), RequestID: r.ID, Params: params})
		if err != nil {
			return err
		}
		for _, fn := range also {
			if err := fn(tx, row); err != nil {
				return err
			}
		}
		return s.recordAdmitted(tx, r, row, operation, action+".start")
	})
	return operation, err
}

// inStates is the check that a server is in one of some vm_states, unless something goes on.
func inStates(action string, states ...string) func(*server, task) error {
	return func(row *server, t task) error {
		if t.state == "" && !slices.Contains(states, row.VMState) {
			return stateConflict(action, row.ID, "vm_state", row.VMState)
		}
		return nil
	}
}

func (s *Service) actionReboot(ctx context.Context, r *api.Request, _ *server, argument json.RawMessage) (any, error) {
	var in struct{ Type string }
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute reboot.")
	}
	hard := strings.EqualFold(in.Type, "HARD")
	states := []string{vmActive}
	if hard {
		states = []string{vmActive, vmStopped, vmPaused, vmSuspended, vmError}
	}
	check := inStates("reboot", states...)
	_, err := s.start(ctx, r, "reboot", opReboot, powerParams{Hard: hard}, func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return stateConflict("reboot", row.ID, "vm_state", row.VMState)
		}
		return check(row, t)
	})
	return accepted(), err
}

func (s *Service) actionStart(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "start", opStart, powerParams{}, inStates("start", vmStopped))
	return accepted(), err
}

func (s *Service) actionStop(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "stop", opStop, powerParams{}, func(row *server, t task) error {
		if row.VMState == vmError && row.Host == "" {
			return stateConflict("stop", row.ID, "vm_state", row.VMState)
		}
		return inStates("stop", vmActive, vmError)(row, t)
	})
	return accepted(), err
}

func (s *Service) actionLock(ctx context.Context, r *api.Request, _ *server, argument json.RawMessage) (any, error) {
	var in *struct {
		Reason *string `json:"locked_reason"`
	}
	if r.Version.AtLeast(vLockedReason) { // before, nova does not look at the argument, and clients send {} or null
		if err := json.Unmarshal(argument, &in); err != nil {
			return nil, api.BadRequest("Invalid input for field/attribute lock.")
		}
	}
	_, err := s.changeServer(ctx, r, "lock", func(_ *db.Tx, row *server) error {
		owner := row.ProjectID == r.ProjectID()
		if row.Locked && row.Detail.LockedBy == "admin" && owner {
			return nil // an administrator's lock does not become the owner's, who could open it then
		}
		row.Locked, row.Detail.LockedBy, row.Detail.LockedReason = true, "admin", ""
		if owner {
			row.Detail.LockedBy = "owner"
		}
		if in != nil && in.Reason != nil {
			row.Detail.LockedReason = *in.Reason
		}
		return nil
	})
	return accepted(), err
}

func (s *Service) actionUnlock(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.changeServer(ctx, r, "unlock", func(_ *db.Tx, row *server) error {
		if row.Locked && row.Detail.LockedBy == "admin" {
			if err := r.May(ruleUnlockOverride, serverTarget{row}.PolicyTarget()); err != nil {
				return err
			}
		}
		row.Locked, row.Detail.LockedBy, row.Detail.LockedReason = false, "", ""
		return nil
	})
	return accepted(), err
}

// actionResetState sets the state as an operator says. A state that the operations follow
// from cannot be made up, so it is refused while one goes on.
func (s *Service) actionResetState(ctx context.Context, r *api.Request, _ *server, argument json.RawMessage) (any, error) {
	var in struct {
		State string `json:"state"`
	}
	if err := json.Unmarshal(argument, &in); err != nil || in.State != "active" && in.State != "error" {
		return nil, api.BadRequest("Invalid input for field/attribute state. It is active or error.")
	}
	_, err := s.changeServer(ctx, r, "reset_state", func(tx *db.Tx, row *server) error {
		unfinished, err := work.Unfinished(tx, row.ID)
		if err != nil {
			return err
		}
		if t := taskOf(unfinished[row.ID]); t.state != "" {
			return stateConflict("os-resetState", row.ID, "task_state", t.state)
		}
		if in.State == "active" && row.Host == "" {
			return stateConflict("os-resetState", row.ID, "vm_state", row.VMState)
		}
		row.VMState, row.Detail.SoftDelete = in.State, nil
		return nil
	})
	return accepted(), err
}

func (s *Service) actionForceDelete(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	return accepted(), s.deleteServer(ctx, r, false)
}

// maxConsole bounds the console output of one answer in bytes.
const maxConsole = 1 << 20

func (s *Service) actionConsole(ctx context.Context, _ *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in struct {
		Length *flexInt `json:"length"`
	}
	if err := json.Unmarshal(argument, &in); err != nil || in.Length != nil && *in.Length < -1 {
		return nil, api.BadRequest("Invalid input for field/attribute length. It is a number of lines.")
	}
	if row.Host == "" {
		return nil, api.Conflict("Instance %s is not ready", row.ID)
	}
	question, err := json.Marshal(orders.ConsoleQuestion{ServerID: row.ID, Length: maxConsole})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	log, err := s.deps.Bus.Call(ctx, orders.Topic(row.Host), orders.QuestionConsole, question)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), orders.ErrNoGuest):
		return nil, api.Conflict("Instance %s is not ready", row.ID)
	case errors.Is(err, bus.ErrNobody), errors.Is(err, context.DeadlineExceeded):
		return nil, api.Conflict("The host of instance %s does not answer.", row.ID).Because(err)
	default:
		return nil, api.Unavailable("The console log cannot be read now.").Because(err)
	}
	lines := -1
	if in.Length != nil {
		lines = int(*in.Length)
	}
	return map[string]string{"output": consoleText(lastLines(string(log), lines))}, nil
}

// lastLines is the end of a text; a negative count means all of it.
func lastLines(text string, count int) string {
	if count < 0 {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-count):], "")
}

// consoleText drops what neither XML nor a careless terminal can take, as Nova does.
func consoleText(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b || c == '\uFFFD' {
			return -1
		}
		return c
	}, text)
}

func (s *Service) actionAddGroup(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	return s.changeGroups(ctx, r, row, argument, func(ids []string, id string) ([]string, bool) {
		return append(ids, id), !slices.Contains(ids, id)
	})
}

func (s *Service) actionRemoveGroup(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	return s.changeGroups(ctx, r, row, argument, func(ids []string, id string) ([]string, bool) {
		there := slices.Contains(ids, id)
		return slices.DeleteFunc(ids, func(other string) bool { return other == id }), there
	})
}

// changeGroups changes the security groups of all ports of a server, as the caller.
func (s *Service) changeGroups(ctx context.Context, r *api.Request, row *server, argument json.RawMessage, change func(ids []string, id string) ([]string, bool)) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(argument, &in); err != nil || strings.TrimSpace(in.Name) == "" {
		return nil, api.BadRequest("Security group name is required")
	}
	ctx = as(ctx, r)
	groups, err := s.deps.Networks.SecurityGroups(ctx, row.ProjectID)
	if err != nil {
		return nil, unavailable("network", err)
	}
	group, err := pickGroup(groups, in.Name, row.ProjectID)
	if err != nil {
		if api.StatusOf(err) == 400 {
			err = api.NotFound("Security group %s not found for project %s.", oneLine(in.Name, 255), row.ProjectID)
		}
		return nil, err
	}
	ports, err := s.deps.Networks.PortsOfDevices(ctx, []string{row.ID})
	if err != nil {
		return nil, unavailable("network", err)
	}
	changed := false
	for _, p := range ports {
		ids, differs := change(slices.Clone(p.SecurityGroupIDs), group.ID)
		if !differs {
			continue
		}
		changed = true
		if _, err := s.deps.Networks.UpdatePort(ctx, p.ID, PortChange{SecurityGroupIDs: &ids}); err != nil {
			return nil, refusedBy("network", err)
		}
	}
	if !changed && len(ports) == 0 {
		return nil, api.BadRequest("Instance %s has no port to which security groups apply", row.ID)
	}
	s.fresh.forget(row.ID)
	s.freshen(ctx, []*server{row})
	return accepted(), nil
}

// refusedBy passes a neighbour's refusal on to the caller and hides other trouble.
func refusedBy(neighbour string, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && refused.Status != 401 {
		return api.Errorf(refused.Status, "%s", refused.Message).Because(err)
	}
	return unavailable(neighbour, err)
}
