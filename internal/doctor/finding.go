package doctor

import "time"

// Level is how serious a finding is.
type Level int

// The levels, from the least to the most serious.
const (
	OK   Level = iota // as it should be
	Info              // worth knowing; nothing needs to change
	Warn              // works, but costs something or fails some clients
	Fail              // streams do not work as they should
)

var levelNames = [...]string{"ok", "info", "warn", "fail"}

func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one result of a check.
type Finding struct {
	Check   string         `json:"check"`
	Code    string         `json:"code"` // stable, for programs
	Level   Level          `json:"level"`
	Summary string         `json:"summary"`           // one line: what was seen
	Meaning string         `json:"meaning,omitempty"` // what it means for clients
	Change  string         `json:"change,omitempty"`  // what to change
	Config  []Setting      `json:"config,omitempty"`  // how to change it in common products
	Values  map[string]any `json:"values,omitempty"`  // what was measured; names that end in _ms are milliseconds
}

// Setting is what to write into the configuration of one product.
type Setting struct {
	Product string   `json:"product"`
	Lines   []string `json:"lines"`
}

// What a report calls the server.
const (
	ServerCarillon = "carillon"
	ServerUnknown  = "unknown"
)

// Report is what all checks found.
type Report struct {
	URL      string    `json:"url"`
	Server   string    `json:"server"`
	Started  time.Time `json:"started"`
	Duration int64     `json:"duration_ms"`
	Level    Level     `json:"level"` // the most serious of the findings
	Findings []Finding `json:"findings"`
}

// notChecked is the finding of a check that had nothing to examine.
func notChecked(name, why string) []Finding {
	return []Finding{{Code: name + "_not_checked", Level: Info, Summary: "not checked: " + why}}
}

// failed is the finding where a request that differs from the first one only a little got no response.
func failed(code string, level Level, what string, err error) Finding {
	return Finding{
		Code: code, Level: level, Summary: what + " fails: " + plainError(err).Error(),
		Meaning: "The first request was answered, so the server is there: something drops or holds back this one.",
		Change:  "Look for it in the logs of the proxy and the server.",
	}
}

// noStream is the reason why checks of a stream's content were not made.
const noStream = "no event stream arrived"

func milliseconds(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }

// short formats a duration for a summary.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
