package web

import (
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

// columnKeys are the keys of the words for the columns of a list. Exported lists
// are headed by them, so package sheet has to know them all.
var columnKeys = map[string]string{
	"": "import.col.none", sheet.Range: "import.col.range", sheet.Label: "import.col.label", sheet.Note: "import.col.note",
	sheet.Owner: "import.col.owner", sheet.Enabled: "import.col.enabled", sheet.NotBefore: "import.col.not_before",
	sheet.Expires: "import.col.expires", sheet.Roles: "import.col.roles", sheet.Admins: "import.col.admins",
	sheet.ProblemColumn: "import.col.problem",
}

var charsetKeys = map[string]string{
	sheet.UTF8: "import.charset.utf8", sheet.GB18030: "import.charset.gb18030", sheet.UTF16LE: "import.charset.utf16le",
	sheet.UTF16BE: "import.charset.utf16be", sheet.Windows1252: "import.charset.windows1252",
}

// commaKeys are in the order in which they are shown.
var commaKeys = []wordChoice{
	{Value: "comma", Word: "import.comma.comma"}, {Value: "semicolon", Word: "import.comma.semicolon"},
	{Value: "tab", Word: "import.comma.tab"}, {Value: "", Word: "import.comma.none"},
}

// fateWord is how a fate is shown.
type fateWord struct{ Class, Icon, Word string }

var fateWords = map[gate.Fate]fateWord{
	gate.FateNew:       {"allowed", "tick", "fate.new"},
	gate.FateKept:      {"allowed", "tick", "fate.kept"},
	gate.FateCovered:   {"off", "ring", "fate.covered"},
	gate.FatePrivate:   {"dry", "warn", "fate.private"},
	gate.FateWide:      {"dry", "warn", "fate.wide"},
	gate.FateDuplicate: {"blocked", "cross", "fate.duplicate"},
	gate.FateInvalid:   {"blocked", "cross", "fate.invalid"},
}

// sheetFaults are the sentences for what is wrong with a file as a whole.
var sheetFaults = map[string]string{
	sheet.CodeEmpty: "import.file.empty", sheet.CodeBinary: "import.file.binary", sheet.CodeWorkbook: "import.file.workbook",
	sheet.CodeCharset: "import.file.charset", sheet.CodeQuotes: "import.file.quotes", sheet.CodeTooMany: "import.file.too_many",
	sheet.CodeTooWide: "import.file.too_wide",
}

// rowFaults are the sentences for what is wrong with a cell, by its column and
// the code of the error, or by the code alone, where those of other forms do
// not fit.
var rowFaults = map[string]string{
	sheet.CodeCells: "import.row.cells", sheet.CodeNotBool: "import.row.not_bool", sheet.CodeNotTime: "import.row.not_time",
	"range.wide": "import.row.wide", "range.duplicate": "import.row.duplicate",
	"roles.unknown": "import.row.roles", "admins.unknown": "import.row.admins",
}

// columnWord is what people call a column.
func (l *locale) columnWord(column string) string { return l.T(columnKeys[column]) }

// sheetFault says what is wrong with a file as a whole.
func (l *locale) sheetFault(e *sheet.Error) string {
	key, ok := sheetFaults[e.Code]
	if !ok { // what was chosen on the page is none of the choices
		return e.Error()
	}
	return l.T(key, "N", e.N, "Line", e.Line)
}
