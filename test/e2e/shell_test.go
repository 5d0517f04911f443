//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// commandPatience bounds one command; nothing that a test asks for takes a third of it.
const commandPatience = 90 * time.Second

// shell is one `openstack` process that reads commands, as it does when it is started without one. That saves the start
// of Python for each of some hundred commands.
type shell struct {
	mu      sync.Mutex
	command *exec.Cmd
	input   io.WriteCloser
	// out and complaints carry what the process prints, by line.
	out, complaints chan string
	number          int
}

// environment is what the openstack command needs to be somebody; other credentials of the caller's are left out.
func (a *account) environment() []string {
	environment := []string{"OS_CLOUD=" + a.cloud, "OS_CLIENT_CONFIG_FILE=" + a.file, "PYTHONUNBUFFERED=1"}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OS_") {
			environment = append(environment, variable)
		}
	}
	return environment
}

func (a *account) startShell() (*shell, error) {
	s := &shell{command: exec.Command("openstack"), out: make(chan string, 100000), complaints: make(chan string, 100000)}
	s.command.Env = a.environment()
	var err error
	if s.input, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	complaints, err := s.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	go pass(out, s.out)
	go pass(complaints, s.complaints)
	return s, s.command.Start()
}

// pass sends what comes, by line.
func pass(from io.Reader, lines chan<- string) {
	defer close(lines)
	for scanner := bufio.NewScanner(from); scanner.Scan(); {
		lines <- scanner.Text()
	}
}

func (s *shell) close() {
	s.input.Close()
	s.command.Process.Kill()
	s.command.Wait()
}

// run gives one command and returns what it printed. It failed when it complained: this process has no exit status for it.
func (s *shell) run(ctx context.Context, args []string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	line := strings.Join(args, " ")
	if plain := regexp.MustCompile(`^[A-Za-z0-9_./:=,^ -]+$`); !plain.MatchString(line) || len(strings.Fields(line)) != len(args) {
		return "", fmt.Errorf("openstack %s: the process splits its input at spaces and knows no quotes; run it alone", line)
	}
	s.number++
	mark := fmt.Sprintf("end of command %d", s.number)
	// The marks come after all that the command prints.
	_, err := fmt.Fprintf(s.input, "%s\n!echo '%s'\n!sh -c 'echo \"%s\" 1>&2'\n", line, mark, mark)
	if err != nil {
		return "", fmt.Errorf("openstack %s: %w", line, err)
	}
	out, outErr := until(ctx, s.out, mark)
	complaint, complaintErr := until(ctx, s.complaints, mark)
	if err := errors.Join(outErr, complaintErr); err != nil {
		return "", fmt.Errorf("openstack %s: %w: %s", line, err, complaint)
	}
	if complaint = strings.TrimSpace(complaint); complaint != "" {
		return "", fmt.Errorf("openstack %s: %s", line, complaint)
	}
	return out, nil
}

// until collects lines up to the mark.
func until(ctx context.Context, lines <-chan string, mark string) (string, error) {
	var text strings.Builder
	for {
		select {
		case line, more := <-lines:
			switch {
			case !more:
				return text.String(), errors.New("the process ended")
			case line == mark:
				return text.String(), nil
			}
			text.WriteString(line + "\n")
		case <-ctx.Done():
			return text.String(), ctx.Err()
		}
	}
}
