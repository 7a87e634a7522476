package deliver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rsyslog is a real syslog server, of this test alone.
type rsyslog struct {
	t       *testing.T
	dir     string
	address string
	config  string
	cmd     *exec.Cmd
}

// rsyslogConfig listens on one port of loopback, and writes what it understood
// of each message on a line.
const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="64k" %[3]s)
module(load="imtcp" %[4]s)
input(type="imtcp" address="127.0.0.1" port="%[2]s")
template(name="understood" type="string" string="%%pri%%\t%%timestamp:::date-rfc3339%%\t%%hostname%%\t%%app-name%%\t%%msgid%%\t%%structured-data%%\t%%msg%%\n")
action(type="omfile" file="%[1]s/messages" template="understood" asyncWriting="off" flushOnTXEnd="on")
`

// newRsyslog starts a server, for TLS where secured.
func newRsyslog(t *testing.T, secured bool) *rsyslog {
	t.Helper()
	path, err := exec.LookPath("rsyslogd")
	if err != nil {
		path = "/usr/sbin/rsyslogd"
		if _, err := os.Stat(path); err != nil {
			missing(t, "there is no rsyslogd: install the packages rsyslog and rsyslog-openssl")
		}
	}
	dir := t.TempDir()
	port := freePort(t)
	r := &rsyslog{t: t, dir: dir, address: net.JoinHostPort("127.0.0.1", port), config: filepath.Join(dir, "rsyslog.conf")}
	global, module := "", ""
	if secured {
		makeCertificates(t, dir)
		global = fmt.Sprintf(`defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="%[1]s/ca.pem" defaultNetstreamDriverCertFile="%[1]s/server.pem" defaultNetstreamDriverKeyFile="%[1]s/server.key"`, dir)
		module = `streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"`
	}
	if err := os.WriteFile(r.config, fmt.Appendf(nil, rsyslogConfig, dir, port, global, module), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(path)
	t.Cleanup(r.kill)
	return r
}

// missing skips a test for want of a program, or fails it where nothing may be
// skipped.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || strings.Contains(os.Getenv("SALLYPORT_REQUIRE"), "servers") {
		t.Fatal(what)
	}
	t.Skip(what)
}

func (r *rsyslog) start(path string) {
	r.t.Helper()
	var said strings.Builder
	r.cmd = exec.Command(path, "-n", "-f", r.config, "-i", filepath.Join(r.dir, "pid"))
	r.cmd.Stdout, r.cmd.Stderr = &said, &said
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for range 500 {
		conn, err := net.Dial("tcp", r.address)
		if err == nil {
			conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.kill()
	r.t.Fatalf("rsyslogd does not listen: %s", said.String())
}

// kill ends the server as kill -9 does.
func (r *rsyslog) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		_ = os.Remove(filepath.Join(r.dir, "pid"))
		r.cmd = nil
	}
}

// understood returns what the server has written, one message each, once there
// are n.
func (r *rsyslog) understood(n int) [][]string {
	r.t.Helper()
	var lines []string
	for range 500 {
		text, err := os.ReadFile(filepath.Join(r.dir, "messages"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			r.t.Fatal(err)
		}
		if lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"); len(lines) >= n && lines[0] != "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(lines) != n {
		r.t.Fatalf("the server has %d messages, want %d:\n%s", len(lines), n, strings.Join(lines, "\n"))
	}
	var all [][]string
	for _, line := range lines {
		all = append(all, strings.Split(line, "\t"))
	}
	return all
}

// makeCertificates writes an authority and a server's certificate for
// 127.0.0.1.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	sign := func(name string, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parentKey == nil {
			parentKey = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return key
	}
	until := time.Now().Add(24 * time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := sign("ca", ca, ca, nil)
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "logs"}, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	sign("server", server, ca, key)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
