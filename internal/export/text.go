package export

import (
	"strconv"
	"strings"
)

// Plain makes text that anybody may have written safe to show on a terminal and
// in a cell: control characters, and those that hide text or turn it around, are
// shown as Go escapes them. A backslash is doubled, so that nothing can look
// like one.
func Plain(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
