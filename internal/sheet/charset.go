package sheet

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// Encodings that a text may be in. Spreadsheets save CSV in the one of the
// system's language unless they are asked for UTF-8.
const (
	UTF8        = "utf-8"
	UTF16LE     = "utf-16le"
	UTF16BE     = "utf-16be"
	GB18030     = "gb18030"
	Windows1252 = "windows-1252"
)

// Charsets are all encodings, for who chooses one.
var Charsets = []string{UTF8, GB18030, UTF16LE, UTF16BE, Windows1252}

var encodings = map[string]encoding.Encoding{
	UTF8:        unicode.UTF8BOM,
	UTF16LE:     unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	UTF16BE:     unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	GB18030:     simplifiedchinese.GB18030,
	Windows1252: charmap.Windows1252,
}

// decode turns a file into text; charset empty: it is found out.
func decode(data []byte, charset string) (text, found string, err error) {
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")) {
		return "", "", &Error{Code: CodeWorkbook}
	}
	if charset == "" {
		charset = detect(data)
	}
	e, ok := encodings[charset]
	if !ok {
		return "", "", &Error{Code: CodeUnknownWords, Name: charset}
	}
	if charset == UTF8 && !utf8.Valid(data) {
		return "", "", &Error{Code: CodeCharset, Name: charset}
	}
	decoded, err := e.NewDecoder().Bytes(data)
	if err != nil || charset != UTF8 && hasStray(decoded) {
		return "", "", &Error{Code: CodeCharset, Name: charset}
	}
	if bytes.IndexByte(decoded, 0) >= 0 { // no text has it, and hardly a file that is none has not
		return "", "", &Error{Code: CodeBinary}
	}
	return string(decoded), charset, nil
}

// hasStray reports what a decoder writes for bytes that mean nothing.
func hasStray(text []byte) bool {
	return bytes.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || r >= 0x80 && r < 0xa0 })
}

// detect finds out in which encoding a file is.
func detect(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return UTF16LE
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return UTF16BE
	case bytes.IndexByte(data, 0) >= 0:
		return detectUTF16(data)
	case utf8.Valid(data):
		return UTF8
	}
	if looksChinese(data) {
		return GB18030
	}
	return Windows1252
}

// detectUTF16 is for files with zeros: in UTF-16, addresses and commas have one
// as every other byte. What is neither is left to be told as no text.
func detectUTF16(data []byte) string {
	var zeros [2]int
	for i, b := range data[:min(len(data), 4096)] {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case zeros[0] == 0 && len(data)%2 == 0:
		return UTF16LE
	case zeros[1] == 0 && len(data)%2 == 0:
		return UTF16BE
	}
	return UTF8
}

// looksChinese tells GB18030 from Windows-1252. Common Chinese characters are
// two bytes from A1 on; an accented letter of a European text mostly stands
// before a plain one, which as GB18030 would be a rare character.
func looksChinese(data []byte) bool {
	common, rare := 0, 0
	for i := 0; i < len(data); i++ {
		if data[i] < 0x80 {
			continue
		}
		if i+1 < len(data) && data[i] >= 0xa1 && data[i+1] >= 0xa1 {
			common++
		} else {
			rare++
		}
		i++
	}
	if common <= rare {
		return false
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	return err == nil && !strings.ContainsRune(string(text), utf8.RuneError)
}
