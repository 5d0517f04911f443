package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"virga/core/api"
)

// remoteToken is a join token as the fleet service tells it.
type remoteToken struct {
	ID, Kind, State, Token string
	Host                   *string
	ExpiresAt              time.Time `json:"expires_at"`
	UsedBy                 *string   `json:"used_by"`
}

// remoteMember is a member of the cloud as the fleet service tells it.
type remoteMember struct {
	ID, Kind, Host, State, Address, Version string

	ExpiresAt time.Time `json:"expires_at"`
	RenewedAt time.Time `json:"renewed_at"`
	JoinedAt  time.Time `json:"joined_at"`
}

// fleetOf logs in and returns a client for the fleet service, which is where identity is,
// and the address of the cloud.
func (a Account) fleetOf(ctx context.Context) (client *api.Client, address string, err error) {
	r, err := a.logIn(ctx)
	if err != nil {
		return nil, "", err
	}
	address, found := strings.CutSuffix(r.identity, "/identity")
	if !found {
		return nil, "", fmt.Errorf("the identity service at %s is not Virga's", r.identity)
	}
	return r.service(address + "/fleet"), address, nil
}

// CreateJoinToken creates a join token and writes it with the command that it is for.
func CreateJoinToken(ctx context.Context, account Account, kind, host string, ttl time.Duration, out io.Writer) error {
	client, address, err := account.fleetOf(ctx)
	if err != nil {
		return err
	}
	body := map[string]any{"kind": kind, "ttl": int64(ttl / time.Second)}
	if host != "" {
		body["host"] = host
	}
	var answer struct {
		Token remoteToken `json:"join_token"`
	}
	if err := client.Do(ctx, http.MethodPost, "/v1/join-tokens", body, &answer); err != nil {
		return fmt.Errorf("create join token: %w", refusal(err))
	}
	options := ""
	if host != "" {
		options += " --host " + host
	}
	if kind != "node" {
		options += " --role " + kind
	}
	fmt.Fprintf(out, "%s\n\nIt is shown this once, can be used until %s and lets one %s join:\n\n    virga join %s --token %s%s\n",
		answer.Token.Token, answer.Token.ExpiresAt.Local().Format("2006-01-02 15:04:05"), kind, address, answer.Token.Token, options)
	return nil
}

// ListJoinTokens writes a table of join tokens.
func ListJoinTokens(ctx context.Context, account Account, out io.Writer) error {
	client, _, err := account.fleetOf(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tROLE\tHOST\tSTATE\tEXPIRES\tUSED BY")
	err = eachPage(ctx, client, "/v1/join-tokens", "join_tokens", func(t remoteToken) string {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Kind, given(t.Host), t.State, t.ExpiresAt.Format(time.RFC3339), given(t.UsedBy))
		return t.ID
	})
	if err != nil {
		return fmt.Errorf("list join tokens: %w", refusal(err))
	}
	return table.Flush()
}

// RevokeJoinToken makes a join token worthless.
func RevokeJoinToken(ctx context.Context, account Account, id string, out io.Writer) error {
	client, _, err := account.fleetOf(ctx)
	if err != nil {
		return err
	}
	if err := client.Do(ctx, http.MethodDelete, "/v1/join-tokens/"+url.PathEscape(id), nil, nil); err != nil {
		return fmt.Errorf("revoke join token: %w", refusal(err))
	}
	fmt.Fprintf(out, "Nobody can join with the token %s any more.\n", plain(id, 64))
	return nil
}

// ListMembers writes a table of the members of the cloud.
func ListMembers(ctx context.Context, account Account, out io.Writer) error {
	client, _, err := account.fleetOf(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tHOST\tCERTIFICATE\tEXPIRES\tRENEWED\tJOINED\tADDRESS\tVERSION")
	err = eachPage(ctx, client, "/v1/members", "members", func(m remoteMember) string {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Kind, m.Host, m.State, m.ExpiresAt.Format(time.RFC3339),
			m.RenewedAt.Format(time.RFC3339), m.JoinedAt.Format(time.RFC3339), plain(m.Address, 64), plain(m.Version, 64))
		return m.ID
	})
	if err != nil {
		return fmt.Errorf("list members: %w", refusal(err))
	}
	return table.Flush()
}

// RemoveMember removes a member from the cloud.
func RemoveMember(ctx context.Context, account Account, kind, host string, out io.Writer) error {
	client, _, err := account.fleetOf(ctx)
	if err != nil {
		return err
	}
	if err := client.Do(ctx, http.MethodDelete, "/v1/members/"+url.PathEscape(kind)+"/"+url.PathEscape(host), nil, nil); err != nil {
		return fmt.Errorf("remove %s %s: %w", kind, plain(host, 64), refusal(err))
	}
	fmt.Fprintf(out, "%s is not a %s of the cloud any more.\n", plain(host, 64), kind)
	return nil
}

// eachPage calls show with all rows of a list, which returns each one's marker.
func eachPage[T any](ctx context.Context, client *api.Client, path, key string, show func(T) (marker string)) error {
	const limit = 500
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	for {
		page := map[string]json.RawMessage{}
		if err := client.Do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		var rows []T
		if err := json.Unmarshal(page[key], &rows); err != nil {
			return fmt.Errorf("read the list of %s: %w", key, err)
		}
		marker := ""
		for _, row := range rows {
			marker = show(row)
		}
		if len(rows) < limit {
			return nil
		}
		query.Set("marker", marker)
	}
}

// given is a text that may be missing.
func given(text *string) string {
	if text == nil {
		return "-"
	}
	return plain(*text, 64)
}
