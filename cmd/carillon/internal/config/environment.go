package config

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

// Variables that set no key.
const (
	envFile  = envPrefix + "CONFIG" // the configuration file
	EnvURL   = envPrefix + "URL"    // the URL of the server for the client commands
	EnvToken = envPrefix + "TOKEN"  // the bearer token for the client commands
)

// fileSuffix is appended to a secret's variable to name a file that holds the secret, which is how container engines
// provide secrets.
const fileSuffix = "_FILE"

// EnvName returns the name of the variable that sets a key.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnvironment merges the environment into v. A variable with the prefix that sets no key is an error, because whoever
// set it expects an effect.
func (c *Configuration) readEnvironment(v *viper.Viper, known, environ []string) []error {
	variables, files := map[string]string{}, map[string]string{}
	for _, key := range known {
		variables[EnvName(key)] = key
	}
	secret, err := secretKeys()
	if err != nil {
		return []error{err}
	}
	for _, key := range secret {
		files[EnvName(key)+fileSuffix] = key
	}
	var problems []error
	setBy := map[string]string{}
	set := func(key, value, name string) {
		if other, twice := setBy[key]; twice {
			problems = append(problems, fmt.Errorf("%s: must be set once (got both %s and %s)", key, min(other, name), max(other, name)))
			return
		}
		v.Set(key, value)
		setBy[key], c.origins[key] = name, name
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, envPrefix) || isForeign(name, value):
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
			problems = append(problems, fmt.Errorf("%s: unknown setting%s", name, didYouMean(name, slices.Sorted(maps.Keys(variables)))))
		}
	}
	return problems
}

// serviceLink matches the variables that Kubernetes, and Docker's links before it, add to the environment of every
// container next to a service named carillon.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// isForeign reports whether a variable with the prefix is known to set no key.
func isForeign(name, value string) bool {
	switch name {
	case envFile, EnvURL, EnvToken:
		return true
	}
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// lookup returns the value of a variable, or "".
func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// didYouMean returns a suggestion: the candidate with the smallest edit distance to word, if that is small.
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

// distance returns the Levenshtein distance between a and b, in bytes.
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
