package ws

import (
	"encoding/json"

	"carillon/internal/problem"
)

var (
	PublishedFrame = publishedFrame
	PrefixOf       = prefixOf
)

// ProblemFrame answers that something about an event or a subscription was refused.
func ProblemFrame(ref json.RawMessage, sub string, document problem.Document) []byte {
	return problemFrame(subject{ref: ref, sub: sub}, document)
}

// ParseFrame reads a frame. It returns how many of its fields are given, the ref of an event, and for a frame that is
// refused the answer.
func ParseFrame(text []byte) (fields int, ref json.RawMessage, answer []byte, err error) {
	f, about, err := parseFrame(text)
	if err != nil {
		return 0, nil, problemFrame(about, problem.Internal()), err
	}
	for _, given := range []bool{f.Subscribe != nil, f.Unsubscribe != nil, f.Publish != nil, f.Token != nil} {
		if given {
			fields++
		}
	}
	if f.Publish != nil {
		ref = f.Publish.Ref
	}
	return fields, ref, nil, nil
}
