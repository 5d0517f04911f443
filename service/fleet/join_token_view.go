package fleet

import "time"

type joinTokenRequest struct {
	Kind string `json:"kind"`
	Host string `json:"host"`
	// TTL is how long the token can be used, in seconds.
	TTL int64 `json:"ttl"`
}

type joinTokenAnswer struct {
	Token joinTokenView `json:"join_token"`
}

type joinTokensAnswer struct {
	Tokens []joinTokenView `json:"join_tokens"`
	Links  []linkView      `json:"join_tokens_links"`
}

type joinTokenView struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Host      *string    `json:"host"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
	UsedBy    *string    `json:"used_by"`
	// Token is the text, in the answer to its creation alone.
	Token string `json:"token,omitempty"`
}

// viewToken shows a token without what would let somebody use it.
func viewToken(t *joinToken, now time.Time) joinTokenView {
	view := joinTokenView{ID: t.ID, Kind: t.Kind, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, State: "unused"}
	if t.Host != "" {
		view.Host = &t.Host
	}
	switch {
	case t.UsedPin != "":
		view.State, view.UsedAt, view.UsedBy = "used", &t.UsedAt, &t.UsedBy
	case t.Failures >= maxFailures:
		view.State = "locked"
	case !now.Before(t.ExpiresAt):
		view.State = "expired"
	}
	return view
}
