// Bench measures what the gate costs, beside what else Caddy offers.
//
//	go run ./bench                    all variants, about three minutes
//	go run ./bench -only 'sallyport'  those whose name matches, and the bare proxy
//	go run ./bench -json              the same figures for programs
//	go run ./bench -profile DIR       afterwards also CPU and allocation profiles of each
//
// It builds cmd/caddy, makes tenants, lists and people with its commands, starts
// it with one plain HTTP listener for each variant on loopback, signs in, and
// sends requests from this process, which is also the console behind. Plain
// HTTP, because TLS costs more than everything that is compared here.
//
// Every variant is measured in short rounds that take turns with those of all
// others, and is compared with the bare proxy of the same round, so that what
// else the machine does hits all alike. Figures are medians over the rounds, CPU
// is the mean:
//
//   - req/s: with -connections, each of which sends its next request when the
//     last was answered. This saturates the machine, the load included.
//   - ratio: of these to the bare proxy's, with its lower and upper quartile.
//   - added p50, p99: with one connection, how much longer the request took than
//     through the bare proxy. With more it would be the time in the queue.
//   - CPU: of the whole program for each request, by its own
//     metric process_cpu_seconds_total. It depends least on other load.
//
// Everybody sends the same request, with a session cookie of the same length: the
// gate's, or one of the console's own; visitors who are refused send none. The
// variant with request_header shows what it takes to tell the console as much as
// Sallyport does, without deciding anything.
//
// After the refusals it looks up that the store counted every one, and fails
// when it did not. Aims that are missed are named and are no failure: a busy
// machine misses them too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

// roundTime is how long each variant is measured in one round: short, so that
// its ratio compares what was measured within a few seconds.
const roundTime = 200 * time.Millisecond

// options are the flags.
type options struct {
	seconds     float64 // of load on each variant, in all rounds together
	connections int
	only        *regexp.Regexp
	json        bool
	profiles    string // folder; empty: none
}

func (o options) rounds() int {
	return int(o.seconds * float64(time.Second) / float64(roundTime))
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // flag has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Float64Var(&o.seconds, "seconds", 10, "seconds of load on each variant, 1 to 100")
	f.IntVar(&o.connections, "connections", 16, "connections at a time, 1 to 1024; beyond 32, Caddy's proxy opens new ones to the console all the time")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.profiles, "profile", "", "write profiles of each variant into this `folder`")
	only := f.String("only", "", "measure only variants whose name matches this regular `expression`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch o.only, err = regexp.Compile(*only); {
	case err != nil:
		err = fmt.Errorf("-only: %w", err)
	case f.NArg() > 0:
		err = fmt.Errorf("%q is one argument too many", f.Arg(0))
	case !(o.seconds >= 1 && o.seconds <= 100):
		err = fmt.Errorf("-seconds is %v: give 1 to 100", o.seconds)
	case o.connections < 1 || o.connections > 1024:
		err = fmt.Errorf("-connections is %d: give 1 to 1024", o.connections)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return o, err
}

func run(ctx context.Context, o options) (err error) {
	variants := selected(o.only)
	if len(variants) == 1 && !o.only.MatchString(bareProxy) {
		return fmt.Errorf("-only %q matches no variant", o.only)
	}
	dir, err := os.MkdirTemp("", "sallyport-bench.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return err
		}
	}

	console, err := startConsole()
	if err != nil {
		return err
	}
	defer console.Close()
	p := &program{dir: dir}
	if err := p.build(ctx); err != nil {
		return err
	}
	if err := setUp(ctx, p, variants, console.Addr().String()); err != nil {
		return err
	}
	if err := p.start(ctx); err != nil {
		return err
	}
	r, err := measure(ctx, p, variants, o)
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	return r.finish(ctx, p, variants, o)
}

// measure signs in and takes the rounds.
func measure(ctx context.Context, p *program, variants []*variant, o options) (*report, error) {
	for _, v := range variants {
		if err := v.prepare(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	for round := range o.rounds() {
		for i := range variants {
			v := variants[(i+round)%len(variants)]
			if err := v.measure(ctx, p, o.connections); err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	if o.profiles != "" {
		for _, v := range variants {
			if err := v.profile(ctx, p, o.connections, filepath.Join(o.profiles, v.file())); err != nil {
				return nil, fmt.Errorf("%s: profiling: %w", v.name, err)
			}
		}
	}
	return newReport(variants, runtime.GOMAXPROCS(0), o), nil
}
