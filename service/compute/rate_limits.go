package compute

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// rateRule bounds how many requests of a project go to some routes in a time: "POST /servers
// 10/minute". All processes count together, in the database; a project that has not asked for a
// time may use the whole number at once, and gets it back evenly.
type rateRule struct {
	method, pattern string
	matches         *regexp.Regexp
	count           int64
	unit            string
	per             time.Duration
}

const (
	maxRateRules = 64
	// maxRateName bounds what stands for a rule in the database.
	maxRateName = 160
)

// rateUnits are the units of time in which rules count, nova's own words in capitals.
var rateUnits = map[string]time.Duration{"SECOND": time.Second, "MINUTE": time.Minute, "HOUR": time.Hour, "DAY": 24 * time.Hour}

// name stands for the rule in the database; a rule whose number changes begins anew.
func (r *rateRule) name() string {
	return fmt.Sprintf("%s %s %d/%s", r.method, r.pattern, r.count, r.unit)
}

// interval is the time in which one request is given back.
func (r *rateRule) interval() time.Duration { return r.per / time.Duration(r.count) }

// remaining is how many requests are left at now, of a limit that is free again at freeAt.
func (r *rateRule) remaining(freeAt, now time.Time) int64 {
	if !freeAt.After(now) {
		return r.count
	}
	used := int64(math.Ceil(float64(freeAt.Sub(now)) / float64(r.interval())))
	return max(r.count-used, 0)
}

// take uses one request: it returns when the limit will be free again, and how long to wait
// when there is no room.
func (r *rateRule) take(freeAt, now time.Time) (after time.Time, wait time.Duration) {
	if freeAt.Before(now) {
		freeAt = now
	}
	after = freeAt.Add(r.interval())
	if over := after.Sub(now) - r.per; over > 0 {
		return freeAt, over
	}
	return after, 0
}

// readRateRules reads rules of the form METHOD PATH COUNT/UNIT. METHOD may be *, a * in PATH
// stands for anything, and the path is without the version before it.
func readRateRules(texts []string) ([]rateRule, error) {
	if len(texts) > maxRateRules {
		return nil, fmt.Errorf("%d rate limits are more than %d", len(texts), maxRateRules)
	}
	var rules []rateRule
	for _, text := range texts {
		fields := strings.Fields(text)
		if len(fields) != 3 {
			return nil, fmt.Errorf("rate limit %q is not METHOD PATH COUNT/UNIT", text)
		}
		number, unit, _ := strings.Cut(fields[2], "/")
		rule := rateRule{method: strings.ToUpper(fields[0]), pattern: fields[1], unit: strings.ToUpper(unit), per: rateUnits[strings.ToUpper(unit)]}
		count, err := strconv.ParseInt(number, 10, 64)
		if err != nil || count < 1 || count > 1_000_000 || rule.per == 0 {
			return nil, fmt.Errorf("rate limit %q: %q is no number of 1 to 1000000 in a second, minute, hour or day", text, fields[2])
		}
		if !slices.Contains([]string{"*", get, post, put, del}, rule.method) || !strings.HasPrefix(rule.pattern, "/") && rule.pattern != "*" {
			return nil, fmt.Errorf("rate limit %q is not METHOD PATH COUNT/UNIT", text)
		}
		rule.count = count
		if len(rule.name()) > maxRateName {
			return nil, fmt.Errorf("rate limit %q is too long", text)
		}
		rule.matches = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(rule.pattern), `\*`, ".*") + "$")
		rules = append(rules, rule)
	}
	return rules, nil
}

// rulesFor are the rate limits of a request. Services and node agents have none: what they ask
// for follows from what users asked for.
func (s *Service) rulesFor(r *api.Request) []rateRule {
	path, found := strings.CutPrefix(r.HTTP.URL.Path, "/v2.1")
	if len(s.rates) == 0 || !found || r.Identity == nil || slices.ContainsFunc([]string{"service", "node"}, r.Identity.HasRole) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.rates), func(rule rateRule) bool {
		return rule.method != "*" && rule.method != r.HTTP.Method || !rule.matches.MatchString(path)
	})
}

// limitRate takes a request off the rate limits of its project. One that is over them is only
// read about, so that asking on costs little.
func (s *Service) limitRate(ctx context.Context, r *api.Request) error {
	rules := s.rulesFor(r)
	if len(rules) == 0 {
		return nil
	}
	var refused *rateRule
	var wait time.Duration
	look := func(tx *db.Tx) (map[string]time.Time, error) {
		refused, wait = nil, 0
		now := s.clock.Now()
		free, err := rateLimitsOf(tx, rateOwner(r))
		if err != nil {
			return nil, err
		}
		after := map[string]time.Time{}
		for i := range rules {
			at, w := rules[i].take(free[rules[i].name()], now)
			after[rules[i].name()] = at
			if w > wait {
				refused, wait = &rules[i], w
			}
		}
		return after, nil
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := look(tx)
		return err
	})
	if err == nil && refused == nil {
		err = s.db.Write(ctx, func(tx *db.Tx) error {
			after, err := look(tx)
			if err != nil || refused != nil {
				return err
			}
			return setRateLimits(tx, rateOwner(r), after)
		})
	}
	if err != nil || refused == nil {
		return err
	}
	return tooMany(r, refused, wait)
}

// rateOwner is whom requests are counted for: the project, or the user without one.
func rateOwner(r *api.Request) string {
	if id := r.ProjectID(); id != "" {
		return id
	}
	return "user " + r.UserID()
}

// tooMany is nova's answer to a request that is over a limit; before microversions it was 413.
func tooMany(r *api.Request, rule *rateRule, wait time.Duration) error {
	status := http.StatusTooManyRequests
	if r.Relaxed() {
		status = http.StatusRequestEntityTooLarge
	}
	e := api.Errorf(status, "This request was rate-limited. Only %d %s request(s) can be made to %s every %s.", rule.count, rule.method, rule.pattern, strings.ToLower(rule.unit))
	e.Header = http.Header{"Retry-After": {strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)}}
	return e
}

type rateView struct {
	URI    string          `json:"uri"`
	Regex  string          `json:"regex"`
	Limits []rateLimitView `json:"limit"`
}

type rateLimitView struct {
	Verb      string `json:"verb"`
	Value     int64  `json:"value"`
	Remaining int64  `json:"remaining"`
	Unit      string `json:"unit"`
	Next      string `json:"next-available"`
}

// viewRates shows the rate limits of a project and what is left of them.
func (s *Service) viewRates(ctx context.Context, owner string) ([]rateView, error) {
	views := []rateView{}
	if len(s.rates) == 0 {
		return views, nil
	}
	var free map[string]time.Time
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { free, err = rateLimitsOf(tx, owner); return err }); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	for i := range s.rates {
		rule := &s.rates[i]
		at := slices.IndexFunc(views, func(v rateView) bool { return v.URI == rule.pattern })
		if at < 0 {
			at, views = len(views), append(views, rateView{URI: rule.pattern, Regex: rule.matches.String()})
		}
		freeAt := free[rule.name()]
		_, wait := rule.take(freeAt, now)
		views[at].Limits = append(views[at].Limits, rateLimitView{rule.method, rule.count, rule.remaining(freeAt, now), rule.unit, secondTime(now.Add(wait))})
	}
	return views, nil
}
