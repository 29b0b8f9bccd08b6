package main

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

// configuration is what the server was told, by whom.
type configuration struct {
	Settings

	file    string            // the file it read, if any
	origins map[string]string // where each key was set that is not at its default
}

// load reads the configuration: the embedded defaults, then the file, then the environment. The error names every
// problem on a line of its own, as "key: got this, takes that".
func load(file string, environ []string) (*configuration, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(configs.Default)); err != nil {
		return nil, fmt.Errorf("default.yaml: %w", err)
	}
	c := &configuration{file: file, origins: map[string]string{}}
	if c.file == "" {
		c.file = lookup(environ, envConfig)
	}
	known := v.AllKeys()
	slices.Sort(known)

	var problems []error
	if c.file != "" {
		problems = append(problems, c.readFile(v, known)...)
	}
	problems = append(problems, c.readEnvironment(v, known, environ)...)
	if err := v.UnmarshalExact(&c.Settings, strictly); err != nil {
		problems = append(problems, decodingProblems(err)...)
	} else if len(problems) == 0 {
		// Only then: what was not read right would be complained of twice.
		problems = append(problems, c.Validate())
	}
	return c, c.located(errors.Join(problems...))
}

// readFile lays the configuration file over what there is.
func (c *configuration) readFile(v *viper.Viper, known []string) []error {
	content, err := os.ReadFile(c.file)
	if err != nil {
		return []error{fmt.Errorf("reading the configuration file: %w", err)}
	}
	own := viper.New()
	own.SetConfigType("yaml")
	if err := own.ReadConfig(bytes.NewReader(content)); err != nil && !errors.Is(err, io.EOF) {
		return []error{fmt.Errorf("%s: %s", c.file, oneLine(err.Error()))}
	}
	keys := own.AllKeys()
	slices.Sort(keys)
	var problems []error
	for _, key := range keys {
		value := own.Get(key)
		switch {
		case !slices.Contains(known, key):
			problems = append(problems, fmt.Errorf("%s in %s: %s", key, c.file, unknownKey(key, known)))
		case value == nil:
			problems = append(problems, fmt.Errorf("%s in %s: got nothing, takes a value; leave the key out for its default", key, c.file))
		default:
			v.Set(key, value)
			c.origins[key] = c.file
		}
	}
	return problems
}

func unknownKey(key string, known []string) string {
	for _, k := range known {
		if rest, found := strings.CutPrefix(k, key+"."); found {
			return "is a section, takes keys such as " + rest
		}
	}
	return "there is no such key" + didYouMean(key, known)
}

// located says of each problem with a key where that key was set.
func (c *configuration) located(err error) error {
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

// leaves answers the value of every key of the settings.
func leaves(s Settings) (map[string]any, error) {
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
