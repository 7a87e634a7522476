package store

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// BenchmarkMillion saves and restores a store with a million attempts:
//
//	go test ./internal/store -run xxx -bench Million -benchtime 1x -timeout 1h
//
// Besides the time it says how large the file is, and how much memory the process
// came to have at most.
func BenchmarkMillion(b *testing.B) {
	const attempts = 1_000_000
	benchEach(b, func(b *testing.B, s *Store) {
		fillStore(b, s)
		manyAttempts(b, s, attempts)
		dsn, file := dsnOf(b, s), b.TempDir()+"/million.backup"
		b.Run("backup", func(b *testing.B) {
			for b.Loop() {
				forgetPeak(b)
				out, err := os.Create(file)
				must(b, err)
				_, err = Backup(b.Context(), dsn, BackupOptions{Secret: testSecret}, out)
				must(b, err)
				must(b, out.Close())
			}
			reportPeak(b)
			info, err := os.Stat(file)
			must(b, err)
			b.ReportMetric(float64(info.Size())/1e6, "MB-file")
		})
		b.Run("restore", func(b *testing.B) {
			for b.Loop() {
				forgetPeak(b)
				restore(b, dsn, file, RestoreOptions{Replace: true})
			}
			reportPeak(b)
		})
	})
}

// forgetPeak begins to measure the memory of the process anew (Linux).
func forgetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		b.Logf("the peak is that of the whole benchmark: %v", err)
	}
}

func reportPeak(b *testing.B) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib float64
	if _, err := fmt.Sscan(string(after), &kib); err == nil {
		b.ReportMetric(kib/1e3, "MB-memory")
	}
}
