// Command tutorial is the server of a typical tutorial: Gin, and for each client a goroutine with a ticker of its own. It
// is measured in comparison with Carillon's clock.
package main

import (
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/stream", func(c *gin.Context) {
		c.Header("Content-Type", "text/event-stream")
		c.Header("Cache-Control", "no-cache")
		c.Header("Connection", "keep-alive")
		every := time.NewTicker(time.Second)
		defer every.Stop()
		c.Stream(func(io.Writer) bool {
			select {
			case <-c.Request.Context().Done():
				return false
			case now := <-every.C:
				c.SSEvent("message", now.Format(time.DateTime))
				return true
			}
		})
	})
	server := &http.Server{Addr: os.Args[1], Handler: r, ReadHeaderTimeout: 5 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		os.Exit(1)
	}
}
