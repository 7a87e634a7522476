package store

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestImpatient: a connection on which nothing comes fails, and the driver's own
// deadline counts where it is earlier.
func TestImpatient(t *testing.T) {
	tests := []struct {
		name        string
		until, want time.Duration // deadline of the driver (0: none), when reading fails
	}{
		{"no deadline", 0, silence},
		{"an earlier deadline", time.Second, time.Second},
		{"a later deadline", 2 * silence, silence},
		{"a deadline that is past", -time.Second, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				defer server.Close()
				defer client.Close()
				conn := &impatient{Conn: client}
				if test.until != 0 {
					must(t, conn.SetDeadline(time.Now().Add(test.until)))
				}
				began := time.Now()
				_, err := conn.Read(make([]byte, 1))
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v, want a deadline exceeded", err)
				}
				if got := time.Since(began); got != test.want {
					t.Errorf("failed after %s, want %s", got, test.want)
				}
			})
		})
	}
}
