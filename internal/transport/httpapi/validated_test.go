package httpapi_test

import "net/http"

func validated(h http.Handler) http.Handler { return h }
