package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// memberOf returns the member that a token's subject and info name. It is nil for a subject that is missing or longer
// than a name may be: such a token counts, and is not listed.
func memberOf(subject string, info json.RawMessage) (*access.Member, error) {
	text, err := checkInfo(info)
	if err != nil || subject == "" || len(subject) > event.MaxName {
		return nil, err
	}
	return &access.Member{ID: subject, Info: text}, nil
}

// checkInfo returns an info without spaces between its parts, "" if there is none.
func checkInfo(info json.RawMessage) (string, error) {
	if len(info) == 0 || string(info) == "null" {
		return "", nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, info); err != nil {
		return "", errors.New("must be a JSON object")
	}
	switch {
	case b.Bytes()[0] != '{' || !utf8.Valid(b.Bytes()):
		return "", errors.New("must be a JSON object")
	case b.Len() > access.MaxInfo:
		return "", fmt.Errorf("must have at most %d bytes (got %d)", access.MaxInfo, b.Len())
	}
	return b.String(), nil
}
