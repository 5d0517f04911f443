package conf

import (
	"fmt"
	"regexp"
	"time"
)

// Passwords are the settings of what passwords have to be and when accounts are closed. None
// is on by default, as in the field.
type Passwords struct {
	LockoutAttempts  int           `name:"lockout-attempts" env:"VIRGA_LOCKOUT_ATTEMPTS" default:"0" help:"Failed log-ins in a row that lock an account; 0: none do."`
	LockoutDuration  time.Duration `name:"lockout-duration" env:"VIRGA_LOCKOUT_DURATION" default:"30m" help:"How long an account stays locked; 0: until an administrator sets another password."`
	PasswordHistory  int           `name:"password-history" env:"VIRGA_PASSWORD_HISTORY" default:"0" help:"How many of the last passwords users may not choose again; 0: they may."`
	PasswordMinAge   time.Duration `name:"password-minimum-age" env:"VIRGA_PASSWORD_MINIMUM_AGE" default:"0" help:"How long a password stays before its user may change it again."`
	PasswordExpires  time.Duration `name:"password-expires" env:"VIRGA_PASSWORD_EXPIRES" default:"0" help:"How long a password may be used; 0: for ever."`
	PasswordPatterns []string      `name:"password-pattern" env:"VIRGA_PASSWORD_PATTERN" sep:"none" placeholder:"REGEX" help:"Regular expression (RE2) that passwords must match; may be given several times, then all must."`
	PasswordHint     string        `name:"password-hint" env:"VIRGA_PASSWORD_HINT" placeholder:"TEXT" help:"What users are told about passwords that do not match."`
	PasswordFirstUse bool          `name:"password-change-first" env:"VIRGA_PASSWORD_CHANGE_FIRST" help:"Have users choose another password than that which an administrator gave them before they log in."`
	DisableInactive  time.Duration `name:"disable-inactive" env:"VIRGA_DISABLE_INACTIVE" default:"0" help:"How long users may stay away before they can no longer log in; 0: for ever."`
	compiledPatterns []*regexp.Regexp
}

// Patterns are the compiled PasswordPatterns, after Complete.
func (p *Passwords) Patterns() []*regexp.Regexp { return p.compiledPatterns }

// maxPasswordHistory bounds the comparisons that a change of a password costs.
const maxPasswordHistory = 24

// complete compiles the patterns and refuses what cannot be.
func (p *Passwords) complete() error {
	if p.PasswordHistory < 0 || p.PasswordHistory > maxPasswordHistory {
		return fmt.Errorf("password-history: %d is not a number from 0 to %d", p.PasswordHistory, maxPasswordHistory)
	}
	if p.LockoutAttempts < 0 {
		return fmt.Errorf("lockout-attempts: %d is less than 0", p.LockoutAttempts)
	}
	for name, d := range map[string]time.Duration{"lockout-duration": p.LockoutDuration, "password-minimum-age": p.PasswordMinAge,
		"password-expires": p.PasswordExpires, "disable-inactive": p.DisableInactive} {
		if d < 0 {
			return fmt.Errorf("%s: %s is less than 0", name, d)
		}
	}
	p.compiledPatterns = nil
	for _, text := range p.PasswordPatterns {
		pattern, err := regexp.Compile(text)
		if err != nil {
			return fmt.Errorf("password-pattern: %w", err)
		}
		p.compiledPatterns = append(p.compiledPatterns, pattern)
	}
	return nil
}
