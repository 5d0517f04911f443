package compute_test

import (
	"encoding/json"
	"testing"

	"virga/core/work/worktest"
)

// TestOperations proves of every kind that nothing is lost and nothing is left, whatever
// happens at whichever border of a step.
func TestOperations(t *testing.T) { worktest.Run(t, newEstate, subjects()...) }

// subjects are the kinds of operations: what has to be there before, and what starts them.
func subjects() []worktest.Subject[*estate] {
	return []worktest.Subject[*estate]{
		{Kind: "server_create", Start: (*estate).create},
		{Kind: "server_delete", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only()
			e.Delete(id)
			return id
		}},
		{Kind: "server_stop", Before: (*estate).active, Start: func(e *estate) string { return e.act(`{"os-stop":null}`) }},
		{Kind: "server_start", Before: (*estate).stopped, Start: func(e *estate) string { return e.act(`{"os-start":null}`) }},
		{Kind: "server_reboot", Before: (*estate).active, Start: func(e *estate) string { return e.act(`{"reboot":{"type":"HARD"}}`) }},
		{Kind: "server_pause", Before: (*estate).active, Start: func(e *estate) string { return e.act(`{"pause":null}`) }},
		{Kind: "server_unpause", Before: (*estate).paused, Start: func(e *estate) string { return e.act(`{"unpause":null}`) }},
		{Kind: "server_suspend", Before: (*estate).active, Start: func(e *estate) string { return e.act(`{"suspend":null}`) }},
		{Kind: "server_resume", Before: (*estate).suspended, Start: func(e *estate) string { return e.act(`{"resume":null}`) }},
		{Kind: "server_rescue", Before: (*estate).active, Start: (*estate).rescue},
		{Kind: "server_unrescue", Before: (*estate).rescued, Start: func(e *estate) string { return e.act(`{"unrescue":null}`) }},
		{Kind: "server_soft_delete", Before: (*estate).active, Start: (*estate).put},
		{Kind: "server_restore", Before: (*estate).aside, Start: func(e *estate) string { return e.act(`{"restore":null}`) }},
		{Kind: "server_change_password", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only() // the answer waits for the end of the operation
			go e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"changePassword":{"adminPass":"x"}}`)
			return id
		}},
		{Kind: "server_crash_dump", Before: (*estate).active, Start: func(e *estate) string { return e.act(`{"trigger_crash_dump":null}`) }},
		{Kind: "interface_attach", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only() // the answer waits for the end of the operation
			go e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/os-interface", `{"interfaceAttachment":{"net_id":"`+networkID+`"}}`)
			return id
		}},
		{Kind: "interface_detach", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only()
			e.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+id+"/os-interface/"+ownPortID, "").want(202, "")
			return id
		}},
		{Kind: "server_resize", Before: (*estate).active, Start: (*estate).resize},
		{Kind: "server_migrate", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only()
			e.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", `{"migrate":null}`).want(202, "")
			return id
		}},
		{Kind: "server_live_migrate", Before: (*estate).active, Start: func(e *estate) string {
			id := e.only()
			e.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`).want(202, "")
			return id
		}},
		{Kind: "server_evacuate", Before: (*estate).deserted, Start: func(e *estate) string {
			id := e.only()
			e.do(admin(), "2.94", "POST", "/v2.1/servers/"+id+"/action", `{"evacuate":{}}`).want(200, "")
			return id
		}},
		{Kind: "server_resize_confirm", Before: (*estate).resized, Start: func(e *estate) string {
			id := e.only()
			e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"confirmResize":null}`).want(204, "")
			return id
		}},
		{Kind: "server_rebuild", Before: (*estate).active, Start: func(e *estate) string {
			return e.act(`{"rebuild":{"imageRef":"` + otherImageID + `","name":"anew"}}`)
		}},
		{Kind: "server_shelve", Before: (*estate).active, Start: func(e *estate) string { return e.makes(`{"shelve":null}`) }},
		{Kind: "server_shelve_offload", Before: (*estate).shelved, Start: func(e *estate) string {
			id := e.only()
			e.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", `{"shelveOffload":null}`).want(202, "")
			return id
		}},
		{Kind: "server_unshelve", Before: (*estate).offloaded, Start: func(e *estate) string { return e.act(`{"unshelve":null}`) }},
		{Kind: "server_snapshot", Before: (*estate).active, Start: func(e *estate) string { return e.makes(`{"createImage":{"name":"kept"}}`) }},
		{Kind: "server_backup", Before: (*estate).stopped, Start: func(e *estate) string {
			return e.makes(`{"createBackup":{"name":"kept","backup_type":"daily","rotation":1}}`)
		}},
		{Kind: "server_resize_revert", Before: (*estate).resized, Start: func(e *estate) string { return e.act(`{"revertResize":null}`) }},
	}
}

// TestOrdersCarryTheFence looks at what a host is told.
func TestOrdersCarryTheFence(t *testing.T) {
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	order := n.lastOrder(t, id)
	text, err := json.Marshal(order)
	if err != nil || order.OperationID == "" || order.Epoch == 0 || order.Generation == 0 {
		t.Errorf("%s %v", text, err)
	}
}
