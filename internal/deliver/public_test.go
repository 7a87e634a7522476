package deliver_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/deliver"
)

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "192.0.2.1": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::7f00:1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false, "fec0::1": false,
	} {
		if got := deliver.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
	if deliver.Public(netip.Addr{}) {
		t.Error("no address is said to be public")
	}
}

// TestPosterStaysOutside: whatever name leads inside, nothing is sent there, and
// the answer does not say what is there.
func TestPosterStaysOutside(t *testing.T) {
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	closed := ":" + freePort(t)
	secret, err := deliver.NewSecret(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1" + port, "localhost" + port, "127.1" + port, "[::1]" + port, "[::ffff:127.0.0.1]" + port, "127.0.0.1" + closed} {
		err := deliver.NewPoster(false).Post(t.Context(), "https://"+host+"/", secret, "A", []byte("{}"))
		if err == nil || host != "127.1"+port && err.Error() != "it is an address inside of this network, which the operator does not allow" {
			t.Errorf("%s: got %v", host, err)
		}
	}
	err = deliver.NewPoster(true).Post(t.Context(), r.URL, secret, "A", []byte("{}"))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("where it is allowed: got %v, want it to reach the server, whose certificate it does not know", err)
	}
}
