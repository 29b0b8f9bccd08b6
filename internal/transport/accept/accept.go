// Package accept parses the headers in which a client says what it accepts (RFC 9110, 12.4.2): Accept and
// Accept-Encoding.
package accept

import (
	"math"
	"strconv"
	"strings"
)

// element is one member of such a header.
type element struct {
	value   string  // in lower case: a media range, a content coding or "*"
	quality float64 // from 0, which is refused, to 1
}

// parse returns the elements of a header's lines. An element that does not follow the grammar is left out.
func parse(lines []string) []element {
	var elements []element
	for _, line := range lines {
		for line != "" {
			var text string
			text, line = cut(line, ',')
			if e, ok := parseElement(text); ok {
				elements = append(elements, e)
			}
		}
	}
	return elements
}

func parseElement(text string) (element, bool) {
	value, parameters := cut(text, ';')
	e := element{value: strings.ToLower(strings.TrimSpace(value)), quality: 1}
	if e.value == "" {
		return e, false
	}
	for parameters != "" {
		var parameter string
		parameter, parameters = cut(parameters, ';')
		name, weight, found := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(name, "q") {
			if name != "" && !found {
				return e, false // not a parameter
			}
			continue
		}
		q, err := strconv.ParseFloat(weight, 64)
		if err != nil || math.IsNaN(q) || q < 0 || q > 1 {
			return e, false
		}
		e.quality = q
	}
	return e, true
}

// cut splits text at the first separator that is not within a quoted string.
func cut(text string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == separator:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// Media returns the offered media type that a client with these Accept lines prefers. Of several that it prefers
// equally, one that it names comes before one that a range with "*" covers, and then the order of the offers decides. It
// reports false if the client accepts none. A client without an Accept header accepts everything, and so does one whose
// header has no valid element. Parameters of a media range other than its weight are ignored.
func Media(lines []string, offers ...string) (string, bool) {
	elements := parse(lines)
	if len(elements) == 0 {
		return offers[0], true
	}
	best, bestQuality, bestRank := "", 0.0, 0
	for _, offer := range offers {
		quality, rank := ofMedia(elements, offer)
		if quality > bestQuality || quality == bestQuality && rank == exact && bestRank < exact && quality > 0 {
			best, bestQuality, bestRank = offer, quality, rank
		}
	}
	return best, best != ""
}

// Names reports whether Accept lines name a media type itself and accept it.
func Names(lines []string, media string) bool {
	quality, rank := ofMedia(parse(lines), media)
	return rank == exact && quality > 0
}

// How exactly a media range names a type.
const (
	anyType = 1 + iota
	anySubtype
	exact
)

// ofMedia returns the weight of the most exact media range that covers a media type, and how exact it is.
func ofMedia(elements []element, media string) (quality float64, rank int) {
	family, _, _ := strings.Cut(media, "/")
	for _, e := range elements {
		r := 0
		switch e.value {
		case media:
			r = exact
		case family + "/*":
			r = anySubtype
		case "*/*", "*": // some clients write it so
			r = anyType
		default:
			continue
		}
		if r > rank || r == rank && e.quality > quality {
			quality, rank = e.quality, r
		}
	}
	return quality, rank
}

// Encoding reports whether a client with these Accept-Encoding lines accepts a content coding (RFC 9110, 12.5.3).
func Encoding(lines []string, coding string) bool {
	wildcard := false
	for _, e := range parse(lines) {
		switch e.value {
		case coding:
			return e.quality > 0
		case "*":
			wildcard = e.quality > 0 // unless the coding is named, before it or after
		}
	}
	return wildcard
}
