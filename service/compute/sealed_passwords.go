package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
	"virga/core/work"
)

// Vault seals and opens the passwords that are on their way to guests; see package core/vault.
type Vault interface {
	Seal(text []byte, about string) string
	Open(sealed, about string) ([]byte, error)
}

// What passwords are for. A server has one of each at most, while the operation lives that brings
// it to the guest: afterwards only the guest knows it, as with nova.
const (
	// forBoot is in the config drive of a guest that gets new disks.
	forBoot = "boot"
	// forRescue is in the config drive of a guest that is rescued.
	forRescue = "rescue"
	// forChange is what a guest's agent is told.
	forChange = "change"
)

// strayPasswordAge is after how long passwords are looked at that no operation has taken away: one
// that was abandoned, for instance.
const strayPasswordAge = time.Hour

// bringsPassword tells whether operations of a kind bring passwords to guests.
func bringsPassword(kind string) bool {
	return slices.Contains([]string{opCreate, opRebuild, opEvacuate, opRescue, opPassword}, kind)
}

func aboutPassword(serverID, purpose string) string {
	return "password of server " + serverID + " for " + purpose
}

// putPassword keeps a password until the operation has ended that is admitted in the transaction.
func (s *Service) putPassword(tx *db.Tx, serverID, purpose, password string) error {
	return upsertPassword(tx, serverPassword{ServerID: serverID, Purpose: purpose, CreatedAt: s.clock.Now(),
		Sealed: s.deps.Vault.Seal([]byte(password), aboutPassword(serverID, purpose))})
}

// passwordsOf are the passwords of servers, by server and purpose. One that no key opens any more
// is left out.
func (s *Service) passwordsOf(tx *db.Tx, serverIDs ...string) (map[string]map[string]string, error) {
	rows, err := listPasswords(tx, serverIDs)
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]string{}
	for _, row := range rows {
		text, err := s.deps.Vault.Open(row.Sealed, aboutPassword(row.ServerID, row.Purpose))
		if err != nil {
			s.log.WarnContext(tx.Context(), "open a password on its way", "server", row.ServerID, "error", err)
			continue
		}
		if found[row.ServerID] == nil {
			found[row.ServerID] = map[string]string{}
		}
		found[row.ServerID][row.Purpose] = string(text)
	}
	return found, nil
}

// drivePassword is what a server's config drive tells: from the sealed passwords, or from where the
// row kept it in plain text before there were those.
func drivePassword(row *server, sealed map[string]string, rescued bool) string {
	switch {
	case rescued && row.Detail.Rescue != nil && sealed[forRescue] != "":
		return sealed[forRescue]
	case rescued && row.Detail.Rescue != nil:
		return row.Detail.Rescue.PlainPass
	case sealed[forBoot] != "":
		return sealed[forBoot]
	}
	return row.Detail.PlainPass
}

// newPassword is the password that a guest's agent is to be told, if it is still known.
func (s *Service) newPassword(ctx context.Context, row *server) (password string, known bool, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		sealed, err := s.passwordsOf(tx, row.ID)
		password, known = sealed[row.ID][forChange]
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("read the new password of server %s: %w", row.ID, err)
	}
	if !known && row.Detail.PlainNewPass != "" {
		return row.Detail.PlainNewPass, true, nil
	}
	return password, known, nil
}

// forgetStrayPasswords removes passwords that no operation is going to use.
func (s *Service) forgetStrayPasswords(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		ids, err := serversWithOldPasswords(tx, s.clock.Now().Add(-strayPasswordAge), 500)
		if err != nil || len(ids) == 0 {
			return err
		}
		unfinished, err := work.Unfinished(tx, ids...)
		if err != nil {
			return err
		}
		return deletePasswords(tx, slices.DeleteFunc(ids, func(id string) bool { return len(unfinished[id]) > 0 })...)
	})
}

// sealPlainPasswords is the backfill that takes passwords in plain text out of servers' rows, where
// releases had them that knew no table of them. Those on their way are sealed, the others dropped.
func (s *Service) sealPlainPasswords(tx *db.Tx, after string, limit int) (string, error) {
	rows, err := detailsBehind(tx, after, limit)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	for _, row := range rows {
		plain, rest, err := withoutPasswords(row.Text)
		if err != nil {
			return "", fmt.Errorf("read server %s: %w", row.ID, err)
		}
		if len(plain) == 0 {
			continue
		}
		if err := s.keepIfOnTheirWay(tx, row.ID, plain); err != nil {
			return "", err
		}
		if err := replaceDetail(tx, row.ID, rest); err != nil {
			return "", err
		}
	}
	return rows[len(rows)-1].ID, nil
}

func (s *Service) keepIfOnTheirWay(tx *db.Tx, serverID string, plain map[string]string) error {
	unfinished, err := work.Unfinished(tx, serverID)
	if err != nil || !slices.ContainsFunc(unfinished[serverID], func(o work.Operation) bool { return bringsPassword(o.Kind) }) {
		return err
	}
	for purpose, password := range plain {
		if err := s.putPassword(tx, serverID, purpose, password); err != nil {
			return err
		}
	}
	return nil
}

// withoutPasswords is a server's detail without the passwords that it had in plain text, and these
// by purpose. What else there is stays, known or not.
func withoutPasswords(detail string) (plain map[string]string, rest string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(detail), &fields); err != nil {
		return nil, "", err
	}
	plain = map[string]string{}
	err = errors.Join(takeText(fields, "admin_pass", forBoot, plain), takeText(fields, "new_password", forChange, plain))
	if saved, there := fields["rescue"]; there && err == nil {
		var inner map[string]json.RawMessage
		if err = json.Unmarshal(saved, &inner); err == nil {
			err = takeText(inner, "admin_pass", forRescue, plain)
		}
		if err == nil {
			fields["rescue"], err = json.Marshal(inner)
		}
	}
	if err != nil || len(plain) == 0 {
		return nil, detail, err
	}
	text, err := json.Marshal(fields)
	return plain, string(text), err
}

// takeText moves a text out of an object.
func takeText(from map[string]json.RawMessage, key, purpose string, into map[string]string) error {
	raw, there := from[key]
	if !there {
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	delete(from, key)
	into[purpose] = text
	return nil
}

// sealRebuildPasswords is the same for rebuilds, which had them among what they were to make of a
// server, in rows that are kept for months.
func (s *Service) sealRebuildPasswords(tx *db.Tx, after string, limit int) (string, error) {
	rows, err := rebuildsBehind(tx, after, limit)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	for _, row := range rows {
		plain := map[string]string{}
		params, err := withoutInnerPassword(row.Params, "after", plain)
		if err != nil {
			return "", fmt.Errorf("read operation %s: %w", row.ID, err)
		}
		frame, err := withoutInnerPassword(row.Frame, "before", map[string]string{})
		if err != nil {
			return "", fmt.Errorf("read operation %s: %w", row.ID, err)
		}
		if params == row.Params && frame == row.Frame {
			continue
		}
		if row.FinishedAt.IsZero() && plain[forBoot] != "" {
			if err := s.putPassword(tx, row.ServerID, forBoot, plain[forBoot]); err != nil {
				return "", err
			}
		}
		if err := replaceRebuild(tx, row.ID, params, frame); err != nil {
			return "", err
		}
	}
	return rows[len(rows)-1].ID, nil
}

// withoutInnerPassword takes admin_pass out of an object within an object.
func withoutInnerPassword(text, key string, into map[string]string) (string, error) {
	var fields, inner map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return "", err
	}
	raw, there := fields[key]
	if !there {
		return text, nil
	}
	if err := json.Unmarshal(raw, &inner); err != nil {
		return "", err
	}
	if _, there := inner["admin_pass"]; !there {
		return text, nil
	}
	if err := takeText(inner, "admin_pass", forBoot, into); err != nil {
		return "", err
	}
	changed, err := json.Marshal(inner)
	if err != nil {
		return "", err
	}
	fields[key] = changed
	whole, err := json.Marshal(fields)
	return string(whole), err
}
