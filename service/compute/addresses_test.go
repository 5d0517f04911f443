package compute

import "testing"

// TestAttachDuringARefreshIsSeen: a refresh stores what it found only when the server has
// the same interfaces as before; one more or one less is a change that counts more.
func TestAttachDuringARefreshIsSeen(t *testing.T) {
	nics := func(ids ...string) (list []nic) {
		for _, id := range ids {
			list = append(list, nic{PortID: id})
		}
		return list
	}
	for _, c := range []struct {
		now, before []nic
		same        bool
	}{
		{nics("a"), nics("a"), true},
		{nics("b", "a"), nics("a", "b"), true},
		{nil, nil, true},
		{nics("a", "attached"), nics("a"), false},
		{nics("a"), nics("a", "detached"), false},
		{nics("a", "new"), nics("a", "old"), false},
	} {
		if sameInterfaces(c.now, c.before) != c.same {
			t.Errorf("now %v, before %v: same is %v", c.now, c.before, !c.same)
		}
	}
}
