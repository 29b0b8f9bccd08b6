// Package configs holds the server's default configuration, embedded in the binary. default.yaml has every key there
// is and is the only place where a default is written.
package configs

import _ "embed"

// Default is default.yaml.
//
//go:embed default.yaml
var Default []byte
