// Package configs embeds the default configuration of the server. default.yaml has every key and is the only place where
// defaults are defined.
package configs

import _ "embed"

// Default is default.yaml.
//
//go:embed default.yaml
var Default []byte
