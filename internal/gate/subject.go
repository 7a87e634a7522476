package gate

import "encoding/json"

// SubjectErasure is what was erased of a person, in numbers. In the change log
// it is the detail of a change, whose subject is the person's id.
type SubjectErasure struct {
	Changes int64 `json:"changes"` // of the change log, in which…
	Texts   int64 `json:"texts"`   // …so many texts were erased
}

// TextsErasedBy is how many texts of the change log a change says to have
// erased.
func TextsErasedBy(c *Change) int64 {
	if c.Kind != ChangeSubject {
		return 0
	}
	var d SubjectErasure
	_ = json.Unmarshal(c.Detail, &d) // what says nothing erased nothing
	return d.Texts
}
