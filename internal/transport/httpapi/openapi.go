package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// openapi describes the interface (OpenAPI 3.1).
//
//go:embed openapi.yaml
var openapi string

// describe answers GET /openapi.yaml. Its media type is RFC 9512's.
func (a *API) describe(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, "application/yaml", []byte(openapi))
}
