package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

const envPrefix = "CARILLON_"

// Variables that are no keys.
const (
	envConfig = envPrefix + "CONFIG" // the configuration file
	envURL    = envPrefix + "URL"    // the server that the client commands talk to
	envToken  = envPrefix + "TOKEN"  // the token they show
)

// fileSuffix after a secret's variable names a file that holds the secret, as container engines hand them out.
const fileSuffix = "_FILE"

// envName is the variable that sets a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnvironment lays the environment over what there is. A variable that would set nothing is refused: somebody
// thinks it does.
func (c *configuration) readEnvironment(v *viper.Viper, known, environ []string) []error {
	variables, files := map[string]string{}, map[string]string{}
	for _, key := range known {
		variables[envName(key)] = key
	}
	secret, err := secretKeys()
	if err != nil {
		return []error{err}
	}
	for _, key := range secret {
		files[envName(key)+fileSuffix] = key
	}
	var problems []error
	setBy := map[string]string{}
	set := func(key, value, name string) {
		if other, twice := setBy[key]; twice {
			problems = append(problems, fmt.Errorf("%s: set by both %s and %s, takes one of them", key, min(other, name), max(other, name)))
			return
		}
		v.Set(key, value)
		setBy[key], c.origins[key] = name, name
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, envPrefix) || isElse(name, value):
		case variables[name] != "":
			set(variables[name], value, name)
		case files[name] != "":
			content, err := os.ReadFile(value)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
				continue
			}
			set(files[name], strings.TrimRight(string(content), "\r\n"), name)
		default:
			problems = append(problems, fmt.Errorf("%s: there is no such setting%s", name, didYouMean(name, slices.Sorted(maps.Keys(variables)))))
		}
	}
	return problems
}

// serviceLink is what Kubernetes, and Docker before it, puts into the environment of every container beside a service
// named carillon: an address nobody asked for.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// isElse reports whether a variable is known and no key.
func isElse(name, value string) bool {
	switch name {
	case envConfig, envURL, envToken:
		return true
	}
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// didYouMean names the candidate that takes the fewest keystrokes to reach, if they are few.
func didYouMean(word string, candidates []string) string {
	best, least := "", 2+len(word)/4
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is how many bytes must be added, taken away or replaced to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
