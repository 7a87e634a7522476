package store

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
)

// secretSuffix is what the file of a SQLite store's secret is called, after the
// file of the store.
const secretSuffix = ".secret"

// SecretFile returns the file beside a SQLite store that has its secret; false
// for PostgreSQL, whose secret is configured.
func SecretFile(dsn string) (string, bool) {
	path, ok := sqlitePath(dsn)
	return path + secretSuffix, ok
}

// LoadSecret reads a secret. The error is fs.ErrNotExist where there is none;
// a secret that other users may read is refused.
func LoadSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it has to be a file that this user may read", err)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("the secret %s may be read by others (mode %04o): run 'chmod 600 %s', and change it if somebody did", path, perm, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < auth.MinSecret {
		return nil, fmt.Errorf("the secret %s has %d bytes and needs at least %d: put the right one back", path, len(secret), auth.MinSecret)
	}
	return secret, nil
}

// LoadOrCreateSecret reads the secret of a SQLite store, or makes one: 32
// random bytes as one line of text, so that it can be copied into a
// configuration. Of several programs that start at once, all get the same. It
// makes none beside a store that exists, whose secret must have been another.
func LoadOrCreateSecret(path string) ([]byte, error) {
	secret, err := LoadSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if db, ok := strings.CutSuffix(path, secretSuffix); ok {
		if info, err := os.Stat(db); err == nil && info.Size() > 0 {
			// Somebody else may have made both since the first look.
			if secret, err := LoadSecret(path); !errors.Is(err, fs.ErrNotExist) {
				return secret, err
			}
			return nil, fmt.Errorf("the store %s exists but its secret %s is missing: put it back from the copy that you keep apart", db, path)
		}
	}
	if err := createSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the secret of the store: %w", err)
	}
	return LoadSecret(path)
}

// createSecret writes a whole file under another name and links it: nobody sees
// half a secret, and the name is given once.
func createSecret(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	secret := make([]byte, 32)
	rand.Read(secret)                                          // never fails
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
