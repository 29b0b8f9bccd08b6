// Package js is Carillon's client for browsers and other programs in JavaScript. The folder is also an npm package.
package js

import _ "embed"

// Module is the client as one minified ES module, which servers serve. It is built from the folder src; a test checks that it
// is up to date, and builds it anew with -update.
//
//go:embed carillon.min.mjs
var Module []byte
