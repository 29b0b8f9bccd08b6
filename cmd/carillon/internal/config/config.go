// Package config loads, merges, checks, shows and compares the configuration of the server. Defaults come from the
// embedded default.yaml; a file overrides them, and the environment overrides both.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"carillon/configs"
)

// Configuration is the effective configuration and where its values come from.
type Configuration struct {
	Settings

	File    string            // the file that was read; empty if there is none
	origins map[string]string // where each key was set that is not at its default
}

// Load reads the configuration: the embedded defaults, then the file, then the environment. An empty file name means
// that of CARILLON_CONFIG, if any. The error has a line for each problem, in the form "key: must be … (got …)".
func Load(file string, environ []string) (*Configuration, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(configs.Default)); err != nil {
		return nil, fmt.Errorf("default.yaml: %w", err)
	}
	c := &Configuration{File: file, origins: map[string]string{}}
	if c.File == "" {
		c.File = lookup(environ, envFile)
	}
	known := v.AllKeys()
	slices.Sort(known)

	var problems []error
	if c.File != "" {
		problems = append(problems, c.readFile(v, known)...)
	}
	problems = append(problems, c.readEnvironment(v, known, environ)...)
	if err := v.UnmarshalExact(&c.Settings, strict); err != nil {
		problems = append(problems, decodingProblems(err)...)
	} else if len(problems) == 0 {
		// Only without other problems: a value that could not be read would be reported twice.
		problems = append(problems, c.Validate())
	}
	return c, c.addOrigins(errors.Join(problems...))
}

// readFile merges the configuration file into v.
func (c *Configuration) readFile(v *viper.Viper, known []string) []error {
	content, err := os.ReadFile(c.File)
	if err != nil {
		return []error{fmt.Errorf("reading the configuration file: %w", err)}
	}
	own := viper.New()
	own.SetConfigType("yaml")
	if err := own.ReadConfig(bytes.NewReader(content)); err != nil && !errors.Is(err, io.EOF) {
		return []error{fmt.Errorf("%s: %s", c.File, oneLine(err.Error()))}
	}
	keys := own.AllKeys()
	slices.Sort(keys)
	var problems []error
	for _, key := range keys {
		value := own.Get(key)
		switch {
		case !slices.Contains(known, key):
			problems = append(problems, fmt.Errorf("%s in %s: %s", key, c.File, unknownKey(key, known)))
		case value == nil:
			problems = append(problems, fmt.Errorf("%s in %s: must have a value; leave the key out for its default", key, c.File))
		default:
			v.Set(key, value)
			c.origins[key] = c.File
		}
	}
	return problems
}

func unknownKey(key string, known []string) string {
	for _, k := range known {
		if rest, found := strings.CutPrefix(k, key+"."); found {
			return "is a section and must have keys, such as " + rest
		}
	}
	return "unknown key" + didYouMean(key, known)
}

// addOrigins adds to each problem with a key where that key was set.
func (c *Configuration) addOrigins(err error) error {
	if err == nil {
		return nil
	}
	var lines []error
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		key, _, _ := strings.Cut(line, ":")
		key, _, _ = strings.Cut(key, "[") // an element of a list
		if origin, found := c.origins[key]; found {
			line += " (set in " + origin + ")"
		}
		lines = append(lines, errors.New(line))
	}
	return errors.Join(lines...)
}

// flatten returns the value of every key of the settings, by the key's full name.
func flatten(s Settings) (map[string]any, error) {
	tree := map[string]any{}
	if err := mapstructure.Decode(s, &tree); err != nil {
		return nil, err
	}
	v := viper.New()
	if err := v.MergeConfigMap(tree); err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, key := range v.AllKeys() {
		values[key] = v.Get(key)
	}
	return values, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
