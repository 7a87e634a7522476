package deliver_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/deliver"
)

// smtpServer is a real mail server, of this test alone, which puts what it gets
// into a mailbox.
type smtpServer struct {
	address, dir string
}

// newSMTP starts one, with TLS by the way of scheme; empty: without.
func newSMTP(t *testing.T, scheme string) *smtpServer {
	t.Helper()
	const program = "/usr/bin/aiosmtpd"
	if _, err := os.Stat(program); err != nil {
		missing(t, "there is no aiosmtpd: install the package python3-aiosmtpd")
	}
	dir := t.TempDir()
	s := &smtpServer{address: net.JoinHostPort("127.0.0.1", freePort(t)), dir: dir}
	args := []string{"-n", "-l", s.address, "-c", "aiosmtpd.handlers.Mailbox"}
	if scheme != "" {
		makeCertificates(t, dir)
		way := map[string]string{"smtp": "tls", "smtps": "smtps"}[scheme]
		args = append(args, "--"+way+"cert", filepath.Join(dir, "server.pem"), "--"+way+"key", filepath.Join(dir, "server.key"))
	}
	var said strings.Builder
	cmd := exec.Command(program, append(args, filepath.Join(dir, "mail"))...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 500 {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return s
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the mail server does not listen")
	return nil
}

// received returns the one letter that has come.
func (s *smtpServer) received(t *testing.T) *mail.Message {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "mail/new/*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the mailbox has %v, %v, want one letter", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mailerOf(t *testing.T, server string, plain bool, config *tls.Config) *deliver.Mailer {
	t.Helper()
	u, err := deliver.ParseServer(server)
	if err != nil {
		t.Fatal(err)
	}
	return deliver.NewMailer(deliver.MailOptions{Server: u, From: &mail.Address{Name: "Sallyport 门", Address: "gate@example.test"}, Plain: plain, TLS: config})
}

// TestMail: a real server takes a letter, in clear and by both ways to TLS, and
// nothing in it becomes a header of its own.
func TestMail(t *testing.T) {
	for name, scheme := range map[string]string{"plain": "", "STARTTLS": "smtp", "TLS": "smtps"} {
		t.Run(name, func(t *testing.T) {
			s := newSMTP(t, scheme)
			var config *tls.Config
			if scheme != "" {
				config = syslogTLS(t, &rsyslog{dir: s.dir})
			}
			m := mailerOf(t, cmp.Or(scheme, "smtp")+"://"+s.address, scheme == "", config)
			l := &deliver.Letter{ID: "ABC", To: "li.na@example.test", Subject: "[北京] one\r\nBcc: x@example.test\x00", Text: "第一行\nline 2\n.\nline 4\n"}
			if err := m.Send(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			got := s.received(t)
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			if err != nil || subject != "[北京] one Bcc: x@example.test" {
				t.Errorf("got the subject %q, %v", subject, err)
			}
			for header, want := range map[string]string{
				"Bcc": "", "To": "<li.na@example.test>", "Message-Id": "<ABC@example.test>", "Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8",
			} {
				if got := got.Header.Get(header); got != want {
					t.Errorf("%s: got %q, want %q", header, got, want)
				}
			}
			body, err := io.ReadAll(quoted(got))
			if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != l.Text {
				t.Errorf("got the text %q, %v", body, err)
			}
		})
	}
}

// TestMailRefused: who cannot be trusted gets no letter.
func TestMailRefused(t *testing.T) {
	plain, secured := newSMTP(t, ""), newSMTP(t, "smtp")
	for name, tt := range map[string]struct {
		server string
		says   string
	}{
		"no STARTTLS":         {"smtp://" + plain.address, "STARTTLS"},
		"unknown certificate": {"smtp://" + secured.address, "certificate"},
		"nobody there":        {"smtp://127.0.0.1:" + freePort(t), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			err := mailerOf(t, tt.server, false, nil).Send(t.Context(), &deliver.Letter{ID: "A", To: "a@example.test", Subject: "x", Text: "y"})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error with %q", err, tt.says)
			}
		})
	}
}

// TestMailSilent: a server that says nothing holds nobody up for longer than it is
// given.
func TestMailSilent(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := mailerOf(t, "smtp://"+l.Addr().String(), true, nil).Send(ctx, &deliver.Letter{ID: "A", To: "a@example.test", Subject: "x", Text: "y"})
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("got %v after %s", err, took)
	}
}

func TestParseServer(t *testing.T) {
	for text, ok := range map[string]bool{
		"smtp://mail.example.test":       true,
		"smtps://me@mail.example.test:1": true,
		"smtp://me:pw@mail.example.test": false,
		"mail.example.test:25":           false,
		"smtp://":                        false,
		"smtp://mail.example.test/x":     false,
		"http://mail.example.test":       false,
	} {
		if u, err := deliver.ParseServer(text); (err == nil) != ok {
			t.Errorf("%s: got %v, %v", text, u, err)
		}
	}
}

// quoted reads the body of a letter.
func quoted(m *mail.Message) io.Reader {
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		return quotedprintable.NewReader(m.Body)
	}
	return m.Body
}
