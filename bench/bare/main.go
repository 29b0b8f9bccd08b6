// Command bare is the least that a server with Gin does for a publish: it reads the body and answers 201. Its processor
// time for each publish is what net/http and Gin cost, with which that of Carillon is compared.
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
	r.POST("/events", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Status(http.StatusCreated)
	})
	server := &http.Server{Addr: os.Args[1], Handler: r, ReadHeaderTimeout: 5 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		os.Exit(1)
	}
}
