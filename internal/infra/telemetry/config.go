package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Config configures traces. Its keys are in the section "telemetry". The standard variables of OpenTelemetry (OTEL_…) override
// them.
type Config struct {
	Traces      bool    `mapstructure:"traces"`
	Endpoint    string  `mapstructure:"endpoint"` // base URL of a receiver of OTLP over HTTP; "": the SDK's default
	SampleRatio float64 `mapstructure:"sample_ratio"`
}

// Enabled reports whether traces are sent.
func (c Config) Enabled() bool {
	return c.Traces && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// Validate returns an error for every key that is out of range.
func (c Config) Validate() error {
	var problems []error
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			// The value is not shown: a password may be in it.
			problems = append(problems, errors.New("telemetry.endpoint: must be the base URL of a receiver of OTLP over HTTP, such as http://collector:4318, without a user"))
		}
	}
	if c.SampleRatio < 0 || c.SampleRatio > 1 {
		problems = append(problems, fmt.Errorf("telemetry.sample_ratio: must be between 0 and 1 (got %g)", c.SampleRatio))
	}
	if c.Enabled() {
		problems = append(problems, checkVariables())
	}
	return errors.Join(problems...)
}

// checkVariables returns an error for a standard variable that asks for what this package does not do.
func checkVariables() error {
	for name, only := range map[string]string{
		"OTEL_TRACES_EXPORTER":               "otlp",
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "http/protobuf",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
	} {
		if value := os.Getenv(name); value != "" && value != only {
			return fmt.Errorf("telemetry.traces: %s must be %s (got %q)", name, only, value)
		}
	}
	return nil
}
