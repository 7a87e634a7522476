package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ChangeStream is the one change log that there is. It is in the hashes so that
// there can be more later.
const ChangeStream = 1

// The hash of a change covers each of its texts by a commitment, an HMAC whose
// key is the salt of that text alone. So a text can be erased together with its
// salt: the commitment that stays in its place keeps the hash, and without the
// salt nobody can find out by guessing what the text was. Texts are the name of
// the actor, the address, and every string in the detail that is no name of a
// field, in this order.

// saltSize is the length of keys, salts and commitments.
const saltSize = sha256.Size

// Leaf is what is kept beside a text of a change some of whose texts were
// erased: the salt of one that is there, or the commitment of one that is not.
type Leaf struct {
	Salt   []byte `json:"salt,omitempty"`
	Erased []byte `json:"erased,omitempty"`
}

// NewChangeKey makes the key of a new change.
func NewChangeKey() []byte {
	key := make([]byte, saltSize)
	_, _ = rand.Read(key) // never fails
	return key
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// leaves returns what is beside each of n texts.
func (c *Change) leaves(n int) ([]Leaf, error) {
	switch {
	case c.Key == nil && len(c.Leaves) == n:
		return c.Leaves, nil
	case c.Leaves != nil || len(c.Key) != saltSize:
		return nil, errors.New("its key and its texts do not fit")
	}
	leaves := make([]Leaf, n)
	for i := range leaves {
		leaves[i].Salt = mac(c.Key, binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	return leaves, nil
}

// commitment is what the hash covers of a text.
func (l Leaf) commitment(text string) ([]byte, error) {
	switch {
	case len(l.Salt) == saltSize && l.Erased == nil:
		return mac(l.Salt, []byte(text)), nil
	case len(l.Erased) == saltSize && l.Salt == nil && text == "":
		return l.Erased, nil
	case len(l.Erased) == saltSize && l.Salt == nil:
		return nil, errors.New("a text stands where one was erased")
	}
	return nil, errors.New("a salt is no salt")
}

// HashChange is the hash of a change: SHA-256 over the hash before it and every
// field, each with its length in front, so that no two are written the same.
// The error is of a row that was never written so.
func HashChange(before []byte, c *Change) ([]byte, error) {
	texts, err := c.texts()
	if err != nil {
		return nil, err
	}
	leaves, err := c.leaves(len(texts))
	if err != nil {
		return nil, err
	}
	commitments := make([][]byte, len(texts))
	for i, t := range texts {
		if commitments[i], err = leaves[i].commitment(t.text); err != nil {
			return nil, fmt.Errorf("%s: %w", t.path, err)
		}
	}
	h := sha256.New()
	h.Write([]byte("sallyport change 1\n"))
	writeBytes(h, before)
	writeInts(h, ChangeStream, c.Pos)
	for _, text := range []string{c.ID, string(c.Kind), c.Action, c.Tenant, c.Subject, c.ActorID} {
		writeBytes(h, []byte(text))
	}
	at := int64(0)
	if !c.At.IsZero() {
		at = c.At.UnixMicro()
	}
	writeInts(h, c.Version, at)
	writeBytes(h, commitments[0])
	writeBytes(h, commitments[1])
	next := 2
	err = walkJSON(c.Detail, func(p jsonPart) {
		h.Write([]byte{byte(p.kind)})
		if p.kind == jsonText {
			p.text = string(commitments[next])
			next++
		}
		writeBytes(h, []byte(p.text))
	})
	return h.Sum(nil), err
}

func writeBytes(h hash.Hash, b []byte) {
	writeInts(h, int64(len(b)))
	h.Write(b)
}

func writeInts(h hash.Hash, list ...int64) {
	for _, n := range list {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

// changeText is a text of a change that can be erased.
type changeText struct {
	path       string // JSON pointer (RFC 6901): /actor, /address, or what begins with /detail/
	text       string
	start, end int // in the detail, with its quotes
}

// Where texts are that are not in the detail.
const (
	actorPath   = "/actor"
	addressPath = "/address"
	detailPath  = "/detail"
)

func (c *Change) texts() ([]changeText, error) {
	texts := []changeText{{path: actorPath, text: c.Actor}, {path: addressPath, text: textOf(c.Address.Unmap())}}
	err := walkJSON(c.Detail, func(p jsonPart) {
		if p.kind == jsonText {
			texts = append(texts, changeText{p.path, p.text, p.start, p.end})
		}
	})
	return texts, err
}

// Erase takes those texts out of a change that pick selects, for good, and
// returns how many. The hash of the change stays what it was.
func (c *Change) Erase(pick func(path, text string) bool) (n int, err error) {
	texts, err := c.texts()
	if err != nil {
		return 0, err
	}
	all, err := c.leaves(len(texts))
	if err != nil {
		return 0, err
	}
	leaves, erased := slices.Clone(all), *c
	var detail []byte
	rest := 0 // of the detail, from where it is not copied
	for i, t := range texts {
		if t.text == "" || !pick(t.path, t.text) {
			continue
		}
		commitment, err := leaves[i].commitment(t.text)
		if err != nil {
			return 0, err
		}
		leaves[i] = Leaf{Erased: commitment}
		switch t.path {
		case actorPath:
			erased.Actor = ""
		case addressPath:
			erased.Address = netip.Addr{}
		default:
			detail = append(append(detail, c.Detail[rest:t.start]...), `""`...)
			rest = t.end
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if rest > 0 {
		erased.Detail = slices.Concat(detail, c.Detail[rest:])
	}
	erased.Key, erased.Leaves = nil, leaves
	*c = erased
	return n, nil
}

// Erased lists where texts of the change were erased, as JSON pointers:
// /actor, /address, or what begins with /detail/. Their places are empty.
func (c *Change) Erased() []string {
	var paths []string
	if c.Leaves == nil {
		return nil
	}
	texts, err := c.texts()
	if err != nil || len(texts) != len(c.Leaves) {
		return nil
	}
	for i, t := range texts {
		if c.Leaves[i].Erased != nil {
			paths = append(paths, t.path)
		}
	}
	return paths
}

// erasedTexts is how many texts of the change were erased.
func (c *Change) erasedTexts() (n int64) {
	for _, l := range c.Leaves {
		if l.Erased != nil {
			n++
		}
	}
	return n
}

// Told returns the texts of a change for people to read, with a word in every
// place where one was erased.
func (c *Change) Told(erased string) (actor, address string, detail []byte) {
	actor, address, detail = c.Actor, textOf(c.Address.Unmap()), c.Detail
	texts, err := c.texts()
	if err != nil || len(texts) != len(c.Leaves) {
		return actor, address, detail
	}
	word, _ := json.Marshal(erased) // a text is always written
	for i, t := range slices.Backward(texts) {
		switch {
		case c.Leaves[i].Erased == nil:
		case t.path == actorPath:
			actor = erased
		case t.path == addressPath:
			address = erased
		default:
			detail = slices.Concat(detail[:t.start], word, detail[t.end:])
		}
	}
	return actor, address, detail
}

// jsonPart is one thing of a JSON text, in the order of the text.
type jsonPart struct {
	kind       rune   // a bracket, or one of those below
	text       string // of a name, text, or number or other word
	path       string // of a text
	start, end int    // of a text
}

const (
	jsonName = 'n'
	jsonText = 't'
	jsonWord = 'w' // number, true, false, null
)

// deepestJSON bounds what is walked.
const deepestJSON = 64

// walkJSON visits all of a JSON value, or nothing of no value.
func walkJSON(text []byte, visit func(jsonPart)) error {
	if len(text) == 0 {
		return nil
	}
	w := jsonWalk{text: text, d: json.NewDecoder(bytes.NewReader(text)), visit: visit}
	w.d.UseNumber()
	if err := w.value(detailPath, 0); err != nil {
		return fmt.Errorf("its detail: %w", err)
	}
	if _, err := w.d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("its detail: something follows it")
	}
	return nil
}

type jsonWalk struct {
	text  []byte
	d     *json.Decoder
	visit func(jsonPart)
}

func (w *jsonWalk) value(path string, depth int) error {
	before := w.d.InputOffset()
	token, err := w.d.Token()
	if err != nil {
		return err
	}
	if depth > deepestJSON {
		return errors.New("it is too deep")
	}
	switch t := token.(type) {
	case json.Delim:
		return w.list(t, path, depth)
	case string:
		gap := bytes.IndexByte(w.text[before:], '"')
		w.visit(jsonPart{kind: jsonText, text: t, path: path, start: int(before) + gap, end: int(w.d.InputOffset())})
	default:
		w.visit(jsonPart{kind: jsonWord, text: wordOf(t)})
	}
	return nil
}

// list is an object or an array, whose bracket was read.
func (w *jsonWalk) list(bracket json.Delim, path string, depth int) error {
	w.visit(jsonPart{kind: rune(bracket)})
	for i := 0; w.d.More(); i++ {
		name := strconv.Itoa(i)
		if bracket == '{' {
			token, err := w.d.Token()
			if err != nil {
				return err
			}
			name = token.(string) // nothing else gets past the decoder
			w.visit(jsonPart{kind: jsonName, text: name})
		}
		if err := w.value(path+"/"+pointerEscapes.Replace(name), depth+1); err != nil {
			return err
		}
	}
	end, err := w.d.Token()
	if err == nil {
		w.visit(jsonPart{kind: rune(end.(json.Delim))})
	}
	return err
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// wordOf writes what is neither text nor bracket.
func wordOf(token json.Token) string {
	if token == nil {
		return "null"
	}
	return fmt.Sprint(token)
}
