package caddymodule

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// openPlaces reads the files that tell places; nil: there are none.
func openPlaces(paths []string) (*geo.Files, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := geo.Open(paths)
	if err != nil {
		return nil, fmt.Errorf("places: %w", err)
	}
	return files, nil
}

// watchPlaces takes in what replaces the files that tell places, until Stop.
func (a *App) watchPlaces() {
	if a.places == nil {
		return
	}
	ctx, cancel := context.WithCancel(a.ctx)
	var done sync.WaitGroup
	done.Go(func() {
		a.places.Watch(ctx, func(path string, err error) {
			if err != nil {
				a.logger.Error("places file cannot be used: what was read before stays in use", zap.String("file", path), zap.Error(err))
				return
			}
			a.logger.Info("places file is in order again", zap.String("file", path))
		})
	})
	a.unwatch = func() {
		cancel()
		done.Wait()
	}
}

// printPlaces prints the state of the files as a table; nothing without any.
func printPlaces(w io.Writer, files []gate.PlacesFile) {
	if len(files) == 0 {
		return
	}
	line(w, "")
	row(w, "PLACES", "TYPE", "BUILT", "AGE", "STATE")
	for _, f := range files {
		state, age := "in use", ""
		if f.Trouble != "" {
			state = f.Trouble
		}
		if !f.Built.IsZero() {
			age = fmt.Sprintf("%d days", int(time.Since(f.Built)/(24*time.Hour)))
		}
		row(w, f.Path, f.Type, stamp(f.Built), age, state)
	}
}

// readPlaces reads the files that the configuration names, for a command. One
// that cannot be used is left out, and its state says why.
func (c *call) readPlaces() {
	if len(c.at.places) == 0 {
		return
	}
	files, _ := geo.Open(c.at.places) // the error is in the state of the files
	c.SetPlaces(files)
}

// replacePlaces replaces placeholders in the names of files.
func replacePlaces(paths []string) ([]string, error) {
	out := make([]string, len(paths))
	for i, path := range paths {
		text, err := fillIn("places", path)
		if err != nil {
			return nil, err
		}
		out[i] = text
	}
	return out, nil
}
