package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// healthPath is the path of the page about the state of all nodes.
const healthPath = "operator/health"

// probeWithin is how long the page waits for any one thing; it shows – instead.
const probeWithin = 200 * time.Millisecond

// Bounds beyond which a line is a warning.
const (
	clockOff  = time.Second
	placesOld = 40 * 24 * time.Hour
)

// healthData is how everything is doing.
type healthData struct {
	*consoleView
	Lines []healthLine
	Nodes []nodeLine
}

// healthLine is one thing, and how it is doing.
type healthLine struct {
	Name  string
	State verdict
	More  []string
	Fix   string // lines of a Caddyfile that mend it; empty: none
}

// nodeLine is a node as it is shown.
type nodeLine struct {
	gate.Node
	State     verdict
	LastSeen  moment
	Lag       string
	Clock     string
	Decisions string
	Waiting   string
}

// probes are what the page asks the store for, each by itself.
type probes struct {
	nodes      []gate.Node
	now        time.Time // to compare the times of nodes with
	info       gate.StoreInfo
	deliveries []gate.Delivery

	knowNodes, knowStore, knowDeliveries bool
}

// probe asks everything at once.
func (h *Handler) probe(ctx context.Context) (p probes) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		var err error
		p.nodes, p.now, err = h.door.NodesNow(ctx)
		p.knowNodes = err == nil
	})
	all.Go(func() {
		var err error
		p.info, err = h.door.DescribeStore(ctx)
		p.knowStore = err == nil
	})
	all.Go(func() {
		var err error
		p.deliveries, err = h.door.Deliveries(ctx)
		p.knowDeliveries = err == nil
	})
	all.Wait()
	return p
}

func healthPage(s *screen) error {
	d := &healthData{consoleView: s.frame("op.health.title")}
	p := s.h.probe(s.Context())
	position := s.h.door.Position()
	for i := range p.nodes {
		d.Nodes = append(d.Nodes, d.nodeLine(&p.nodes[i], position, p.now))
	}
	running := runningNodes(&p)
	if !p.knowNodes { // of the others nothing is known
		running = []gate.Node{s.h.door.Own()}
	}
	d.Lines = append(d.Lines, d.decisions(running))
	d.Lines = append(d.Lines, d.clientAddresses(s, running)...)
	d.Lines = append(d.Lines, d.storeLine(s, &p), d.stepLine(&p, position), d.clockLine(running))
	check, under, err := s.verified(d.consoleView, false)
	if err != nil {
		return err
	}
	line := healthLine{Name: d.T("op.health.chain"), State: check}
	if under {
		line.More = []string{d.T("audit.running")}
	}
	d.Lines = append(d.Lines, line)
	d.Lines = append(d.Lines, d.certificates(running)...)
	d.Lines = append(d.Lines, d.places(s)...)
	d.Lines = append(d.Lines, d.deliveries(s, &p)...)
	d.Lines = append(d.Lines, d.pageLines(running)...)
	return s.render(http.StatusOK, "health", d)
}

// runningNodes are those that were heard of lately.
func runningNodes(p *probes) (out []gate.Node) {
	for _, n := range p.nodes {
		if !n.Silent(p.now) {
			out = append(out, n)
		}
	}
	return out
}

var nodeStates = map[string]verdict{
	gate.NodeInStep: {"allowed", "tick", "op.node.in_step"}, gate.NodeBehind: {"dry", "clock", "op.node.behind"},
	gate.NodeIsSilent: {"blocked", "warn", "op.node.silent"}, gate.NodeIsGone: {"off", "ring", "op.node.gone"},
}

func (v *consoleView) nodeLine(n *gate.Node, newest int64, now time.Time) nodeLine {
	state := nodeStates[n.State(newest, now)]
	state.Text = v.T(state.Text)
	return nodeLine{
		Node: *n, State: state, LastSeen: v.moment(n.Seen), Lag: grouped(max(0, newest-n.Position)), Clock: millis(n.Offset),
		Decisions: v.timing(&n.Health.Decisions), Waiting: grouped(n.Health.Waiting),
	}
}

// timing is how long decisions take, in words.
func (v *consoleView) timing(t *gate.Timing) string {
	if t.P50 == 0 {
		return "–"
	}
	return fmt.Sprintf("%s p50 · %s p99 · %.1f/s", short(t.P50), short(t.P99), t.PerSecond)
}

// millis writes the difference of two clocks.
func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// short writes a length of time with at most three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= 10*time.Microsecond:
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}

// decisions is how long the slowest node takes.
func (v *consoleView) decisions(nodes []gate.Node) healthLine {
	line := healthLine{Name: v.T("op.health.decisions"), State: verdict{"off", "ring", "–"}}
	for i := range nodes {
		t := &nodes[i].Health.Decisions
		if t.P50 > 0 {
			line.State = verdict{"allowed", "tick", ""}
			line.More = append(line.More, nodes[i].Name+": "+v.timing(t))
		}
	}
	if len(line.More) > 0 {
		line.State.Text, line.More = line.More[0], line.More[1:]
	}
	return line
}

// addressWords say what is wrong with the addresses of visitors.
var addressWords = map[gate.TroubleKind]string{
	gate.TroubleHidden: "op.proxy", gate.TroubleOne: "op.proxy.one", gate.TroubleSilent: "op.proxy.silent", gate.TroubleUnreadable: "op.proxy.unreadable",
}

// clientAddresses says whether visitors can be told from each other.
func (v *consoleView) clientAddresses(s *screen, nodes []gate.Node) (out []healthLine) {
	name, elsewhere := v.T("op.health.address"), false
	said := map[string]bool{}
	for _, n := range nodes {
		elsewhere = elsewhere || n.Health.TrustElsewhere
		for _, a := range n.Health.Addresses {
			key := string(a.Kind) + a.Peer.String()
			if said[key] { // by another node
				continue
			}
			said[key] = true
			header := s.h.door.Source.Header
			if a.Kind == gate.TroubleHidden && a.Header != "" {
				header = a.Header
			}
			text := v.T(addressWords[a.Kind], "N", grouped(a.Requests), "IP", a.Peer, "Header", header)
			out = append(out, healthLine{Name: name, State: verdict{"dry", "warn", text}, Fix: fixOf(a, s.h.door.Source.Header)})
		}
	}
	if elsewhere {
		out = append(out, healthLine{
			Name: name, State: verdict{"dry", "warn", v.T("op.proxy.elsewhere")},
			Fix: caddyfile("sallyport {", "\ttrusted_proxies static <the same ranges>", "}"),
		})
	}
	if out == nil {
		out = []healthLine{{Name: name, State: verdict{"allowed", "tick", v.T("op.proxy.fine")}}}
	}
	return out
}

// fixOf are the lines of a Caddyfile that mend what is wrong with addresses.
func fixOf(a gate.AddressTrouble, header string) string {
	trust := "\ttrusted_proxies static " + a.Peer.String()
	switch a.Kind {
	case gate.TroubleHidden:
		switch {
		case a.Header == "Forwarded": // whose syntax is not read
			return caddyfile("sallyport {", trust, "\tclient_ip_header X-Forwarded-For  # which the proxy has to send", "}")
		case a.Header != "" && a.Header != header:
			return caddyfile("sallyport {", trust, "\tclient_ip_header "+a.Header, "}")
		}
		return caddyfile("sallyport {", trust, "}")
	case gate.TroubleOne:
		return caddyfile("servers {", "\tlistener_wrappers {", "\t\tproxy_protocol {", "\t\t\tallow "+a.Peer.String()+"/"+fmt.Sprint(a.Peer.BitLen()), "\t\t}", "\t\ttls", "\t}", "}")
	case gate.TroubleSilent:
		return caddyfile("sallyport {", "\twithout_header peer  # only if these are health checks", "}")
	}
	return ""
}

// caddyfile puts lines into the global options of a Caddyfile.
func caddyfile(lines ...string) string {
	return "{\n\t" + strings.Join(lines, "\n\t") + "\n}"
}

// storeLine is which store there is and whether it answers.
func (v *consoleView) storeLine(s *screen, p *probes) healthLine {
	line := healthLine{Name: v.T("op.health.store"), State: verdict{"blocked", "warn", v.T("op.store.down")}}
	if p.knowStore && !s.h.door.StoreDown() {
		line.State = verdict{"allowed", "tick", v.T("op.store", "Kind", p.info.Kind, "Version", p.info.Version, "Size", sizeText(p.info.Bytes))}
	}
	if t := s.h.door.LastTrouble(); t != nil {
		line.More = []string{v.T("op.store.trouble", "Time", v.ago(s.visit.Decision.Now.Sub(t.At)), "Error", t.Task+": "+t.Error)}
	}
	return line
}

// sizeText writes a number of bytes in the unit that says it well.
func sizeText(n int64) string {
	const unit = 1024
	switch {
	case n >= unit*unit*unit:
		return fmt.Sprintf("%.1f GiB", float64(n)/(unit*unit*unit))
	case n >= unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
	}
	return fmt.Sprintf("%.0f KiB", float64(n)/unit)
}

// stepLine is how many nodes are in step.
func (v *consoleView) stepLine(p *probes, newest int64) healthLine {
	line := healthLine{Name: v.T("op.health.nodes"), State: verdict{"off", "ring", "–"}}
	if !p.knowNodes {
		return line
	}
	counted, inStep := 0, 0
	for i := range p.nodes {
		n := &p.nodes[i]
		state := n.State(newest, p.now)
		if state == gate.NodeIsGone {
			continue
		}
		if counted++; state == gate.NodeInStep {
			inStep++
			continue
		}
		if state == gate.NodeBehind {
			line.More = append(line.More, v.T("op.node.lags", "Node", n.Name, "N", newest-n.Position))
			continue
		}
		line.More = append(line.More, v.T("op.node.down", "Node", n.Name, "Time", v.rough(p.now.Sub(n.Seen))))
	}
	line.State = verdict{"allowed", "tick", v.T("op.nodes", "N", inStep, "M", counted)}
	if inStep < counted {
		line.State.Class, line.State.Icon = "blocked", "warn"
	}
	return line
}

// clockLine is how far the clocks are apart.
func (v *consoleView) clockLine(nodes []gate.Node) healthLine {
	line := healthLine{Name: v.T("op.health.clock"), State: verdict{"off", "ring", "–"}}
	var most time.Duration
	for i := range nodes {
		most = max(most, nodes[i].Offset.Abs())
	}
	if len(nodes) > 0 {
		line.State = verdict{"allowed", "tick", v.T("op.clock", "Time", millis(most))}
	}
	if most >= clockOff {
		line.State.Class, line.State.Icon = "dry", "warn"
	}
	return line
}

// certificates are those of the hosts of tenants, as far as nodes have any. What
// one node lacks is named once.
func (v *consoleView) certificates(nodes []gate.Node) []healthLine {
	line := healthLine{Name: v.T("op.health.certificates"), State: verdict{"off", "ring", "–"}}
	var first *gate.Certificates
	var late, without []string
	missing := 0
	for i := range nodes {
		c := nodes[i].Health.Certificates
		if c == nil {
			continue
		}
		if first == nil || c.Ends.Before(first.Ends) {
			first = c
		}
		late, without, missing = append(late, c.Late...), append(without, c.Without...), max(missing, c.Missing)
	}
	if first != nil {
		line.State = verdict{"allowed", "tick", v.T("op.certificates", "N", first.Held, "Time", v.minute(first.Ends), "Host", first.Host)}
	}
	for _, hosts := range []struct {
		key   string
		names []string
		n     int
	}{{"op.certificates.late", late, 0}, {"op.certificates.missing", without, missing}} {
		if len(hosts.names) == 0 {
			continue
		}
		line.State.Class, line.State.Icon = "dry", "warn"
		slices.Sort(hosts.names)
		line.More = append(line.More, v.T(hosts.key, "N", hosts.n, "Hosts", v.List(slices.Compact(hosts.names))))
	}
	return []healthLine{line}
}

// places are the files that tell places, with their ages.
func (v *consoleView) places(s *screen) (out []healthLine) {
	for _, f := range s.h.door.PlacesFiles() {
		age := s.visit.Decision.Now.Sub(f.Built)
		line := healthLine{Name: v.T("op.health.places"), State: verdict{"allowed", "tick", v.T("op.places", "File", f.Type, "Time", v.rough(age))}}
		if age >= placesOld {
			line.State.Class, line.State.Icon = "dry", "warn"
			line.More = []string{v.T("op.places.old")}
		}
		if f.Trouble != "" {
			line.State.Class, line.State.Icon = "dry", "warn"
			line.More = append(line.More, f.Trouble)
		}
		out = append(out, line)
	}
	return out
}

// deliveries are the destinations of records.
func (v *consoleView) deliveries(s *screen, p *probes) (out []healthLine) {
	if !p.knowDeliveries {
		return []healthLine{{Name: v.T("op.health.deliveries"), State: verdict{"off", "ring", "–"}}}
	}
	for i := range p.deliveries {
		d := &p.deliveries[i]
		line := healthLine{Name: v.T("op.health.deliveries"), State: verdict{"allowed", "tick", v.T("op.delivery", "Name", d.Name, "Count", grouped(d.Delivered), "Waiting", grouped(d.Waiting))}}
		if d.LastError != "" {
			line.State.Class, line.State.Icon = "dry", "warn"
			line.More = []string{v.T("op.delivery.failing", "Time", v.minute(d.Failing), "Error", export.Plain(d.LastError))}
		}
		if d.Dropped > 0 {
			line.State.Class, line.State.Icon = "blocked", "warn"
			line.More = append(line.More, v.T("op.delivery.dropped", "Count", grouped(d.Dropped)))
		}
		out = append(out, line)
	}
	return out
}

// pageLines are what the pages themselves have to say.
func (v *consoleView) pageLines(nodes []gate.Node) []healthLine {
	var violations, streams, missing int64
	last := ""
	for i := range nodes {
		h := &nodes[i].Health
		violations, streams, missing = violations+h.Violations, streams+h.Streams, missing+h.MissingWords
		if h.LastViolation != "" {
			last = h.LastViolation
		}
	}
	csp := healthLine{Name: v.T("op.health.csp"), State: verdict{"allowed", "tick", v.T("op.csp", "N", violations)}}
	if violations > 0 {
		csp.State.Class, csp.State.Icon, csp.More = "dry", "warn", []string{last}
	}
	words := healthLine{Name: v.T("op.health.words"), State: verdict{"allowed", "tick", v.T("op.words", "N", missing)}}
	if missing > 0 {
		words.State.Class, words.State.Icon = "dry", "warn"
	}
	return []healthLine{csp, words, {Name: v.T("op.health.streams"), State: verdict{"allowed", "tick", fmt.Sprint(streams)}}}
}
