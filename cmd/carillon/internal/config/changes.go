package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
)

// reloadable are the sections and keys that may change while the server runs. All others need a restart.
var reloadable = []string{"log.level", "auth.", "http.cors.", "limits."}

// Changes are the keys whose values differ between two configurations, sorted.
type Changes struct {
	Reloadable   []string // a running server applies these
	NeedsRestart []string
}

// Compare returns what changed from one configuration to the next.
func Compare(before, after Settings) (Changes, error) {
	old, errOld := flatten(before)
	fresh, errFresh := flatten(after)
	if err := errors.Join(errOld, errFresh); err != nil {
		return Changes{}, err
	}
	var c Changes
	for key, value := range fresh {
		switch {
		case reflect.DeepEqual(old[key], value):
		case slices.ContainsFunc(reloadable, func(prefix string) bool { return strings.HasPrefix(key, prefix) }):
			c.Reloadable = append(c.Reloadable, key)
		default:
			c.NeedsRestart = append(c.NeedsRestart, key)
		}
	}
	slices.Sort(c.Reloadable)
	slices.Sort(c.NeedsRestart)
	return c, nil
}

// ApplyReloadable replaces the reloadable settings of s with those of fresh. The others stay, so that the next
// comparison still reports them as waiting for a restart.
func (s *Settings) ApplyReloadable(fresh Settings) {
	s.Log.Level, s.Auth, s.Limits, s.HTTP.CORS = fresh.Log.Level, fresh.Auth, fresh.Limits, fresh.HTTP.CORS
}
