package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// openapi is the description of the interface (OpenAPI 3.1).
//
//go:embed openapi.yaml
var openapi string

// describe serves GET /openapi.yaml, with the media type of RFC 9512.
func (a *API) describe(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, "application/yaml", []byte(openapi))
}
