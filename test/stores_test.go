package test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// engines are the databases that everything has to work on, each with what names
// an empty store.
var engines = []struct {
	name  string
	store func(*testing.T) string
}{
	{"sqlite", newFile},
	{"postgres", newDatabase},
}

func newFile(t *testing.T) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "sallyport.db")
}

// newDatabase makes a database on the server of SALLYPORT_TEST_POSTGRES, which
// is gone after the test.
func newDatabase(t *testing.T) string {
	t.Helper()
	server := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if server == "" {
		const missing = "SALLYPORT_TEST_POSTGRES is not set: it names a PostgreSQL server and a user who may make databases, as in postgres://postgres@127.0.0.1:5432/postgres"
		if strings.Contains(os.Getenv("SALLYPORT_REQUIRE"), "postgres") || os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("SALLYPORT_TEST_POSTGRES is not a URL")
	}
	cfg, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cfg)
	name := "sallyport_test_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u.Path = "/" + name
	return u.String()
}
