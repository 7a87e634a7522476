package web

import (
	"errors"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// faultWords are the sentences for what is wrong with a field, by its name and
// the code of the error, or by the code alone.
var faultWords = map[string]string{
	"range.duplicate": "fault.duplicate", "range.wide": "fault.wide", "label.required": "fault.label", "too_long": "fault.too_long",
	"control_character": "fault.control_character", "expires.before_begin": "fault.before_begin", "admins.unknown": "fault.admins",
	"entries.everything": "fault.all", "entries.too_many": "fault.too_many", "reason.required": "fault.reason",
}

// fault says in words what is wrong with a field; for what there are no words,
// as programs are told.
func (l *locale) fault(f gate.FieldError) string {
	for _, code := range []string{f.Field + "." + f.Code, f.Code} {
		if key, ok := faultWords[code]; ok {
			return l.T(key)
		}
	}
	return f.Message
}

// rangeFaults are the sentences for what is no range, by the codes of cidr.
var rangeFaults = map[string]string{
	cidr.CodeEmpty: "fault.empty", cidr.CodeNotAnAddress: "fault.not_an_address", cidr.CodeShortened: "fault.shortened",
	cidr.CodeOctetTooLarge: "fault.octet_too_large", cidr.CodeLeadingZero: "fault.leading_zero", cidr.CodeHex: "fault.hex",
	cidr.CodeZone: "fault.zone", cidr.CodePort: "fault.port", cidr.CodeSpace: "fault.space", cidr.CodeSeveral: "fault.several",
	cidr.CodeWildcard: "fault.wildcard", cidr.CodeBadCharacter: "fault.bad_character", cidr.CodeBadGroup: "fault.bad_group",
	cidr.CodeBadLength: "fault.bad_length", cidr.CodeLengthTooLarge: "fault.length_too_large", cidr.CodeMask: "fault.mask",
	cidr.CodeLengthInRange: "fault.length_in_range", cidr.CodeReversed: "fault.reversed",
	cidr.CodeMixedFamilies: "fault.mixed_families", cidr.CodeMappedTooWide: "fault.mapped_too_wide", cidr.CodeEverything: "net.any",
}

// rangeFault says in words why a text is no address or range: which part of it
// is wrong, and how.
func (l *locale) rangeFault(err error) string {
	e, ok := errors.AsType[*cidr.ParseError](err)
	if !ok {
		return l.T("fault.not_an_address", "Part", err)
	}
	const most = 40
	part := []rune(e.Part)
	if len(part) > most {
		part = append(part[:most], '…')
	}
	return l.T(rangeFaults[e.Code], "Part", string(part), "Net", string(part))
}
