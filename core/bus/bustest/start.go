package bustest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ports are the broker's on 127.0.0.1.
type ports struct{ amqp, amqps, distribution, epmd int }

// script runs a name server and the broker and ends both when its standard input does,
// which is when the test process is gone. Words on standard input stop and start the broker
// in between. The name server is a child of its own, because the one that the broker would
// start stays behind as a daemon.
const script = `
"$epmd" -port "$ERL_EPMD_PORT" -address 127.0.0.1 > /dev/null 2>&1 < /dev/null &
names=$!
server=
start() { [ -n "$server" ] || { "$broker" >> "$folder/log" 2>&1 < /dev/null & server=$!; echo $server > "$folder/server"; }; }
finish() { [ -z "$server" ] || { kill -CONT $server; kill -"$1" $server; wait $server; server=; rm -f "$folder/server"; } 2> /dev/null; }
stop() { finish TERM; }
pause() { kill -STOP $server; }
resume() { kill -CONT $server; }
start
while read -r word; do
	$word
done
finish KILL
kill $names
wait $names
rm -rf "$folder"
exit 0
`

const nobody = 65534

// unprivileged has a program run as nobody when the test runs as root, and in a group of
// its own, so that an interrupt from the terminal is for the test alone.
func unprivileged() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attr
}

// start makes a broker and waits until it answers.
func start() (*Broker, error) {
	program, err := find("rabbitmq-server")
	if err != nil {
		return nil, err
	}
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return nil, errors.New("the program epmd of Erlang is not installed")
	}
	folder, err := os.MkdirTemp("", "virga-broker-")
	if err != nil {
		return nil, err
	}
	b := &Broker{folder: folder}
	if b.ports, err = freePorts(); err != nil {
		return nil, err
	}
	if err := b.configure(); err != nil {
		return nil, fmt.Errorf("configure the broker: %w", err)
	}
	b.environ = append(os.Environ(), "folder="+folder, "broker="+program, "epmd="+epmd, "HOME="+folder, "TMPDIR="+folder, "LC_ALL=C.UTF-8",
		fmt.Sprintf("ERL_EPMD_PORT=%d", b.ports.epmd), "ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODENAME=virga-%d@localhost", b.ports.amqp), fmt.Sprintf("RABBITMQ_DIST_PORT=%d", b.ports.distribution),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_CONFIG_FILE="+filepath.Join(folder, "rabbitmq.conf"),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(folder, "mnesia"), "RABBITMQ_LOG_BASE="+filepath.Join(folder, "logs"),
		"RABBITMQ_GENERATED_CONFIG_DIR="+filepath.Join(folder, "config"), "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(folder, "plugins"),
		"RABBITMQ_PID_FILE="+filepath.Join(folder, "pid"),
		"RABBITMQ_ALLOW_INPUT=1", // the script becomes the server instead of waiting for it
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput +S 2:2 -kernel inet_dist_use_interface {127,0,0,1}")
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = folder, b.environ, unprivileged()
	if b.orders, err = cmd.StdinPipe(); err != nil { // it ends with this process at the latest
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
	b.ended = ended
	if err := b.answers(); err != nil {
		_ = b.orders.Close()
		return nil, errors.Join(err, <-ended)
	}
	return b, nil
}

// find looks for a program of RabbitMQ. The ones in Debian's PATH insist on a user.
func find(program string) (string, error) {
	for _, pattern := range []string{"/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/rabbitmq/sbin"} {
		matches, _ := filepath.Glob(filepath.Join(pattern, program)) // the pattern is a good one
		if len(matches) > 0 {
			return matches[len(matches)-1], nil
		}
	}
	return "", fmt.Errorf("RabbitMQ is not installed (no program %s)", program)
}

// freePorts finds ports that nobody uses now.
func freePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.amqp, &p.amqps, &p.distribution, &p.epmd} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p, err
		}
		defer func() { _ = l.Close() }() // only now, so that all differ
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// configure writes the broker's files into its folder.
func (b *Broker) configure() error {
	if err := b.certificates(); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(b.folder, name) }
	definitions, err := json.Marshal(map[string]any{
		"users":  []map[string]any{{"name": User, "password": Password, "tags": "administrator"}, {"name": OpenStack, "password": OpenStack, "tags": ""}},
		"vhosts": []map[string]any{{"name": VirtualHost}, {"name": ForbiddenHost}, {"name": OpenStack}},
		"permissions": []map[string]any{{"user": User, "vhost": VirtualHost, "configure": "^virga\\.", "write": "^(virga\\.|amq\\.default$)", "read": "^virga\\."},
			{"user": OpenStack, "vhost": OpenStack, "configure": ".*", "write": ".*", "read": ".*"}},
	})
	if err != nil {
		return err
	}
	conf := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlisteners.ssl.1 = 127.0.0.1:%d\n", b.ports.amqp, b.ports.amqps) +
		"ssl_options.cacertfile = " + b.CA() + "\nssl_options.certfile = " + in("server.pem") + "\nssl_options.keyfile = " + in("server.key") + "\n" +
		"load_definitions = " + in("definitions.json") + "\nlog.console = true\nlog.console.level = info\nlog.file = false\n" +
		"disk_free_limit.absolute = 10MB\nvm_memory_high_watermark.absolute = 2GB\n"
	for name, text := range map[string][]byte{"definitions.json": definitions, "rabbitmq.conf": []byte(conf), "plugins": []byte("[].\n")} {
		if err := os.WriteFile(in(name), text, 0o600); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return filepath.Walk(b.folder, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
}

// certificates makes a CA and the broker's certificate for 127.0.0.1.
func (b *Broker) certificates() error {
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	server, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":     {Type: "CERTIFICATE", Bytes: ca},
		"server.pem": {Type: "CERTIFICATE", Bytes: server},
		"server.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(b.folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
