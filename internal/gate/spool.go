package gate

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/edsrzf/mmap-go"
	"github.com/gofrs/flock"
)

// spool keeps on disk what must outlive a program that is killed: how many
// attempts it saw, in a mapped file that costs a memory write an attempt, and
// the attempts themselves while the store is away. Files are named after the
// start of the program that wrote them and locked while it lives.
type spool struct {
	dir string // empty: memory only, nothing outlives the program

	mu      sync.Mutex
	boot    string
	lock    *flock.Flock
	file    *os.File
	counter mmap.MMap
	log     *os.File // created when first needed
}

// spooled is what a start that is over has left.
type spooled struct {
	boot     string
	seen     int64
	attempts []Attempt
}

func (s *spool) path(boot, kind string) string { return filepath.Join(s.dir, boot+"."+kind) }

// open makes the files of this start.
func (s *spool) open(boot string) error {
	if s.dir == "" {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the spool folder: %w", err)
	}
	s.boot = boot
	s.lock = flock.New(s.path(boot, "lock"))
	if ok, err := s.lock.TryLock(); err != nil || !ok {
		return fmt.Errorf("locking the spool in %s: %w", s.dir, err)
	}
	f, err := os.OpenFile(s.path(boot, "seen"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(make([]byte, 8)); err != nil {
		f.Close()
		return err
	}
	s.file = f
	s.counter, err = mmap.Map(f, mmap.RDWR, 0)
	return err
}

// count notes how many attempts were seen; the caller orders the calls.
func (s *spool) count(seen int64) {
	if s.counter != nil {
		binary.LittleEndian.PutUint64(s.counter, uint64(seen))
	}
}

// add appends attempts. A record that has grown is appended again: the last
// line of a record counts.
func (s *spool) add(list []Attempt) error {
	if s.dir == "" || len(list) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		f, err := os.OpenFile(s.path(s.boot, "jsonl"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.log = f
	}
	w := bufio.NewWriter(s.log)
	enc := json.NewEncoder(w)
	for i := range list {
		if err := enc.Encode(&list[i]); err != nil { //nolint:gosec // G117: a word about a password, and none
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return s.log.Sync()
}

// clear forgets the spooled attempts: the store has them.
func (s *spool) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		s.log.Close()
		os.Remove(s.log.Name())
		s.log = nil
	}
}

// end ends the use of the files. They are deleted when everything is stored
// and accounted for, and left to the next start otherwise. The caller holds
// off count.
func (s *spool) end(complete bool) {
	if s.counter == nil {
		return
	}
	_ = s.counter.Unmap() // the file has every write: nothing depends on it
	s.counter = nil
	s.file.Close()
	if complete {
		s.clear()
		os.Remove(s.path(s.boot, "seen"))
		os.Remove(s.path(s.boot, "lock"))
	}
	_ = s.lock.Unlock() // the end of the program does it too
}

// recover hands over what each start that is over has left, and deletes it
// when that succeeds.
func (s *spool) recover(take func(spooled) error) error {
	if s.dir == "" {
		return nil
	}
	files, err := filepath.Glob(s.path("*", "seen"))
	if err != nil {
		return err
	}
	for _, file := range files {
		boot := strings.TrimSuffix(filepath.Base(file), ".seen")
		if boot == s.boot {
			continue
		}
		if err := s.recoverBoot(boot, take); err != nil {
			return fmt.Errorf("taking over what an earlier start left in %s: %w", file, err)
		}
	}
	return nil
}

func (s *spool) recoverBoot(boot string, take func(spooled) error) error {
	lock := flock.New(s.path(boot, "lock"))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return err // alive: another program uses the same folder
	}
	defer func() { _ = lock.Unlock() }()
	old := spooled{boot: boot}
	raw, err := os.ReadFile(s.path(boot, "seen"))
	if err != nil {
		return err
	}
	if len(raw) == 8 {
		old.seen = int64(binary.LittleEndian.Uint64(raw))
	}
	if old.attempts, err = readSpool(s.path(boot, "jsonl")); err != nil {
		return err
	}
	if err := take(old); err != nil {
		return err
	}
	for _, kind := range []string{"seen", "jsonl", "lock"} {
		os.Remove(s.path(boot, kind))
	}
	return nil
}

// readSpool reads spooled attempts. A line that is cut short, by the kill that
// ended its writer, ends the reading.
func readSpool(path string) ([]Attempt, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	type key struct {
		reference string
		first     int64
	}
	last := map[key]int{}
	var out []Attempt
	for dec := json.NewDecoder(f); ; {
		var a Attempt
		if dec.Decode(&a) != nil {
			return out, nil
		}
		k := key{a.Reference, a.FirstTime.UnixMicro()}
		if i, ok := last[k]; ok {
			out[i] = a
			continue
		}
		last[k] = len(out)
		out = append(out, a)
	}
}
