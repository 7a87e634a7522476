// Package sheet reads and writes lists of networks as text: as CSV, however
// spreadsheets save it, and with one range a line. What it reads are drafts of
// entries; whether they are right, package gate says. What it writes as CSV it
// reads back the same, and no cell of it is a formula to a spreadsheet.
package sheet

import (
	"fmt"
	"slices"
	"strings"
)

// Columns of a list as CSV, in the order in which they are written.
const (
	Range     = "range"
	Label     = "label"
	Note      = "note"
	Owner     = "owner"
	Enabled   = "enabled"
	NotBefore = "not_before"
	Expires   = "expires"
	Roles     = "roles"
	Admins    = "admins"
)

// Columns are all that an entry has, in the order of a file without a header.
var Columns = []string{Range, Label, Note, Owner, Enabled, NotBefore, Expires, Roles, Admins}

// ProblemColumn says in a file of problem rows what is wrong with each. It is
// known so that such a file can be mended and read again, and not read.
const ProblemColumn = "problem"

// names are how people head the columns, in small letters and without spaces,
// dashes and the like.
var names = map[string]string{
	"range": Range, "ranges": Range, "network": Range, "networks": Range, "ip": Range, "iprange": Range, "ipaddress": Range, "address": Range, "cidr": Range, "subnet": Range, "prefix": Range,
	"网络": Range, "网段": Range, "ip网段": Range, "ip地址": Range, "ip地址段": Range, "ip段": Range, "ip范围": Range, "地址": Range, "地址段": Range, "网络地址": Range, "范围": Range,
	"label": Label, "name": Label, "title": Label, "标签": Label, "名称": Label, "网络名称": Label,
	"note": Note, "notes": Note, "comment": Note, "comments": Note, "description": Note, "remark": Note, "remarks": Note, "备注": Note, "说明": Note, "描述": Note,
	"owner": Owner, "contact": Owner, "负责人": Owner, "联系人": Owner, "所有者": Owner,
	"enabled": Enabled, "on": Enabled, "active": Enabled, "启用": Enabled, "是否启用": Enabled, "已启用": Enabled,
	"notbefore": NotBefore, "begins": NotBefore, "begin": NotBefore, "start": NotBefore, "starts": NotBefore, "validfrom": NotBefore, "生效时间": NotBefore, "开始时间": NotBefore, "开始": NotBefore, "生效": NotBefore,
	"expires": Expires, "expiry": Expires, "end": Expires, "ends": Expires, "validuntil": Expires, "到期时间": Expires, "失效时间": Expires, "结束时间": Expires, "过期时间": Expires, "到期": Expires, "有效期至": Expires,
	"roles": Roles, "role": Roles, "角色": Roles,
	"admins": Admins, "admin": Admins, "logins": Admins, "管理员": Admins,
	ProblemColumn: ProblemColumn, "问题": ProblemColumn,
}

// column returns which column a cell of a header stands for, empty for none.
func column(cell string) string {
	return names[strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\u3000_-*:：", r) {
			return -1
		}
		return r
	}, strings.ToLower(cell))]
}

// Codes of what is wrong with a text as a whole.
const (
	CodeEmpty        = "empty"          // there is no row in it
	CodeBinary       = "binary"         // it is no text
	CodeWorkbook     = "workbook"       // it is a spreadsheet's own format
	CodeCharset      = "charset"        // it is not in the encoding that was chosen, or in none that is known
	CodeQuotes       = "quotes"         // a quoted cell does not end, or ends too early
	CodeTooMany      = "too_many"       // more rows than a list may have
	CodeTooWide      = "too_wide"       // more columns than anybody would have
	CodeNoRange      = "no_range"       // no column holds the ranges
	CodeNoHeader     = "no_header"      // plain lines, and no label for them
	CodeUnknown      = "unknown_column" // a column that no entry has
	CodeTwice        = "doubled_column"
	CodeUnknownWords = "unknown_option"
)

// Error is what is wrong with a text as a whole.
type Error struct {
	Code string
	Line int    // quotes: where; else 0
	Name string // of a column or an encoding, as it was written
	N    int    // too_many, too_wide: how many there are
}

// Error says in English what is wrong and what to do.
func (e *Error) Error() string {
	switch e.Code {
	case CodeEmpty:
		return "there is no range in it"
	case CodeWorkbook:
		return "this is a spreadsheet's own format: save it as CSV there first"
	case CodeCharset:
		return "it cannot be read as " + e.Name + ": save it as UTF-8"
	case CodeQuotes:
		return fmt.Sprintf("a quotation mark stands wrong in the cell on line %d: put cells with one between quotation marks, and double it", e.Line)
	case CodeTooMany:
		return fmt.Sprintf("it has %d ranges, and a list at most %d: nothing was read", e.N, most)
	case CodeTooWide:
		return fmt.Sprintf("it has %d columns, and at most %d are read", e.N, mostColumns)
	case CodeNoRange:
		return "no column holds the ranges: call it \"range\" in the first line"
	case CodeNoHeader:
		return fmt.Sprintf("the first line is no header: write %q there, or give a label for a file with one range a line", strings.Join(Columns[:7], ","))
	case CodeUnknown:
		return fmt.Sprintf("there is no column %q: there are %s", e.Name, strings.Join(Columns, ", "))
	case CodeTwice:
		return fmt.Sprintf("the column %q is there twice", e.Name)
	case CodeUnknownWords:
		return fmt.Sprintf("%q is not known here", e.Name)
	}
	return "it is no text, so it cannot be a list of networks"
}

// Check reports what is wrong with the columns, for whoever cannot be asked
// what they mean: an unknown one may well be what keeps an entry from counting.
func (t *Table) Check() error {
	for i, name := range t.Columns {
		switch {
		case name == "" && i < len(t.Header) && t.Header[i] != "":
			return &Error{Code: CodeUnknown, Name: t.Header[i]}
		case name != "" && slices.Contains(t.Columns[:i], name):
			return &Error{Code: CodeTwice, Name: name}
		}
	}
	switch {
	case !slices.Contains(t.Columns, Range):
		return &Error{Code: CodeNoRange}
	case t.Header == nil && t.Columns[0] != Range:
		return &Error{Code: CodeNoHeader}
	}
	return nil
}
