package browser

import (
	_ "embed"
	"encoding/json"
)

//go:embed vendor-js/axe.min.js
var axeSource string

// Violation is one accessibility rule that a page breaks, and where.
type Violation struct {
	Rule   string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"` // CSS selector and what to mend
}

// Axe checks the document as it stands against WCAG 2.2 A and AA and axe's best
// practices. The script comes through the browser's own interface into a world
// of its own, so the page's policy stays as it is and is not disturbed.
func (tab *Tab) Axe() []Violation {
	tab.t.Helper()
	const run = `axe.run({
		runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'],
		resultTypes: ['violations'],
	}).then(r => r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help,
		nodes: v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary)})))`
	var violations []Violation
	result := tab.isolated(axeSource + ";\n" + run)
	if err := json.Unmarshal(result, &violations); err != nil {
		tab.t.Fatalf("reading what axe found: %v in %.200s", err, result)
	}
	return violations
}
