package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// kind is how one sort of server is made and reached. Durability is off: the data lives
// no longer than the test.
type kind struct {
	name string
	// programs are looked up in PATH and in folders (patterns).
	programs, folders []string
	// make and run are shell commands; $folder is the server's, and each program's path is
	// a variable of its name with _ for -.
	make, run string
	// fast and safe are more arguments of a server that nobody kills, and of one that keeps
	// what it has committed when it is killed; the machine itself does not go down.
	fast, safe string
	// stop is the signal of a quick and orderly end.
	stop string
	// driver and admin reach the server's own database.
	driver string
	admin  func(folder string) string
	url    func(folder, name string) string
	// schemas is the address of a schema in the server's own database, where there are such.
	schemas func(folder, name string) string
	// force ends a DROP DATABASE that does not wait for connections.
	force string
}

func kinds() map[string]kind {
	return map[string]kind{
		"postgres": {
			name: "PostgreSQL", programs: []string{"initdb", "postgres"}, folders: []string{"/usr/lib/postgresql/*/bin"},
			make: `"$initdb" -D "$folder/data" -U virga -A trust -E UTF8 --locale=C.UTF-8 --no-sync`,
			run:  `"$postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200`,
			fast: ` -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off`,
			safe: ` -c max_connections=100`, // as it comes
			stop: "INT", driver: "pgx",
			admin: func(folder string) string { return postgresURL(folder, "postgres") },
			url:   postgresURL, force: " WITH (FORCE)",
			schemas: func(folder, name string) string { return postgresURL(folder, "postgres") + "&search_path=" + name },
		},
		"mysql": {
			name: "MariaDB", programs: []string{"mariadb-install-db", "mariadbd"}, folders: []string{"/usr/sbin", "/usr/libexec"},
			make: `"$mariadb_install_db" --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal --skip-test-db`,
			run: `"$mariadbd" --no-defaults --datadir="$folder/data" --socket="$folder/socket" --pid-file="$folder/pid" --skip-networking` +
				` --innodb-flush-method=nosync --innodb-file-per-table=0 --innodb-log-file-size=32M --max-connections=200`,
			fast: ` --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0`,
			safe: ` --innodb-flush-log-at-trx-commit=2 --max-connections=100`,
			stop: "TERM", driver: "mysql",
			admin: func(folder string) string { return "root@unix(" + filepath.Join(folder, "socket") + ")/" },
			url: func(folder, name string) string {
				return "mysql://root@localhost/" + name + "?socket=" + url.QueryEscape(filepath.Join(folder, "socket"))
			},
		},
	}
}

func postgresURL(folder, name string) string {
	return "postgres:///" + name + "?user=virga&host=" + url.QueryEscape(folder)
}

// script starts the server and ends it when its standard input does, which is when the
// test process is gone. Words on standard input stop, kill and start it in between. PostgreSQL's
// processes would end by themselves after their first, but too late for the next start.
const script = `
set -e
server=
{ %s; } > "$folder/log" 2>&1 < /dev/null
start() { [ -n "$server" ] || { %s >> "$folder/log" 2>&1 < /dev/null & server=$!; }; }
stop() { [ -z "$server" ] || { kill -%s $server; wait $server; server=; }; }
kill9() {
	[ -n "$server" ] || return
	kill -STOP $server # it makes no more processes
	all="$server $(cat /proc/$server/task/*/children)"
	kill -9 $all
	wait $server
	server=
	for one in $all; do
		while grep -q . "/proc/$one/cmdline"; do sleep 0.01; done
	done
} 2> /dev/null
start
set +e
while read -r word; do
	$word
done
stop
rm -rf "$folder"
`

// start makes a server, with more arguments, and waits until it answers.
func start(k kind, more string) (*server, error) {
	programs, err := find(k)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "virga-db-") // a socket's path has little room
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(script, k.make, k.run+more, k.stop))
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), programs...), "folder="+folder, "TMPDIR="+folder, "LC_ALL=C.UTF-8") // servers side by side share no folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                                                     // an interrupt from the terminal is for the test
	if os.Geteuid() == 0 {
		const nobody = 65534 // the servers refuse to run as root
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(folder, nobody, nobody); err != nil {
			return nil, err
		}
	}
	orders, err := cmd.StdinPipe() // it ends with this process at the latest
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		close(ended) // whoever asks again does not wait
	}()
	admin, err := openAdmin(k, folder)
	if err != nil {
		return nil, err
	}
	admin.SetMaxIdleConns(1)
	if err := answers(admin, ended); err != nil {
		log, _ := os.ReadFile(filepath.Join(folder, "log"))
		_, _ = orders.Close(), os.RemoveAll(folder)
		return nil, fmt.Errorf("start %s: %w: %s", k.name, err, log[max(0, len(log)-2000):])
	}
	return &server{kind: k, folder: folder, admin: admin, orders: orders, ended: ended}, nil
}

// openAdmin opens the server's own database with all rights.
func openAdmin(k kind, folder string) (*sql.DB, error) {
	if k.driver != "mysql" {
		return sql.Open(k.driver, k.admin(folder))
	}
	settings, err := mysqldriver.ParseDSN(k.admin(folder))
	if err != nil {
		return nil, err
	}
	settings.Logger = &mysqldriver.NopLogger{} // tests stop servers
	connector, err := mysqldriver.NewConnector(settings)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// find looks for the programs; the result is an environment for the script.
func find(k kind) ([]string, error) {
	var found []string
	for _, program := range k.programs {
		path, err := exec.LookPath(program)
		for _, folder := range k.folders {
			if err == nil {
				break
			}
			matches, _ := filepath.Glob(filepath.Join(folder, program)) // the pattern is a good one
			if len(matches) > 0 {
				path, err = matches[len(matches)-1], nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not installed (no program %s)", k.name, program)
		}
		found = append(found, strings.ReplaceAll(program, "-", "_")+"="+path)
	}
	return found, nil
}

// answers waits until the server does or has ended.
func answers(admin *sql.DB, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("it ended at once"), err)
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}
