package doctor

// The products with settings in the findings.
const (
	carillon   = "Carillon"
	nginx      = "nginx"
	haproxy    = "HAProxy"
	caddy      = "Caddy"
	traefik    = "Traefik"
	cloudflare = "Cloudflare"
)

// unbuffered makes proxies pass on each event at once. HAProxy does so by itself.
func unbuffered() []Setting {
	return []Setting{
		{nginx, []string{"proxy_buffering off;", "proxy_http_version 1.1;", "# and remove: proxy_ignore_headers X-Accel-Buffering;"}},
		{haproxy, []string{"option http-no-delay"}},
		{caddy, []string{"reverse_proxy { flush_interval -1 }"}},
		{traefik, []string{"loadBalancer.responseForwarding.flushInterval: 1ms", "# and no buffering middleware on this router"}},
		{cloudflare, []string{"Cache Rule for URI path /events: bypass cache  # what may be cached is buffered", "Network > Response Buffering: off  # Enterprise"}},
	}
}

// uncompressed keeps proxies from compressing streams.
func uncompressed() []Setting {
	return []Setting{
		{nginx, []string{"gzip off;  # in the location of the stream"}},
		{haproxy, []string{"compression type text/html text/css application/json  # without text/event-stream"}},
		{caddy, []string{"@rest not path /events", "encode @rest zstd gzip"}},
		{traefik, []string{"middlewares.NAME.compress.excludedContentTypes: [text/event-stream]"}},
		{cloudflare, []string{"Compression Rule for URI path /events: disable compression"}},
	}
}

// uncached keeps proxies from storing streams. Caddy and Traefik have no cache of their own.
func uncached() []Setting {
	return []Setting{
		{nginx, []string{"proxy_cache off;", "# and remove: proxy_ignore_headers Cache-Control;"}},
		{haproxy, []string{"http-request cache-use NAME unless { path /events }"}},
		{cloudflare, []string{"Cache Rule for URI path /events: bypass cache"}},
	}
}

// longTimeouts lets streams be silent for longer.
func longTimeouts() []Setting {
	return []Setting{
		{carillon, []string{"stream.heartbeat: 15s  # less than half of the limit"}},
		{nginx, []string{"proxy_read_timeout 1h;"}},
		{haproxy, []string{"timeout client 1h", "timeout server 1h"}},
		{caddy, []string{"servers { timeouts { write 0 } }  # global options", "# and no read_timeout in the transport of reverse_proxy"}},
		{traefik, []string{"entryPoints.NAME.transport.respondingTimeouts.readTimeout: 0s  # 60s by default", "entryPoints.NAME.transport.respondingTimeouts.writeTimeout: 0s"}},
		{cloudflare, []string{"# the limit, about 100 s of silence, is fixed: send heartbeats more often"}},
	}
}

// offeringHTTP2 gives browsers HTTP/2.
func offeringHTTP2() []Setting {
	return []Setting{
		{carillon, []string{"http.tls.cert_file: CERTIFICATE", "http.tls.key_file: KEY"}},
		{nginx, []string{"listen 443 ssl http2;  # from 1.25.1: listen 443 ssl; http2 on;"}},
		{haproxy, []string{"bind :443 ssl crt FILE alpn h2,http/1.1"}},
		{caddy, []string{"events.example.com { … }  # a site with a name has TLS and HTTP/2"}},
		{traefik, []string{"routers.NAME.tls: {}  # HTTP/2 comes with TLS"}},
		{cloudflare, []string{"Speed > Protocol Optimization > HTTP/2: on"}},
	}
}

// sticky sends a client to the same node again.
func sticky() []Setting {
	return []Setting{
		{nginx, []string{"hash $remote_addr consistent;  # in the upstream"}},
		{haproxy, []string{"balance source", "hash-type consistent"}},
		{caddy, []string{"reverse_proxy { lb_policy client_ip_hash }"}},
		{traefik, []string{"loadBalancer.sticky.cookie: {}"}},
		{cloudflare, []string{"Load Balancing > Session Affinity: by cookie"}},
	}
}

// passing lets a request header through.
func passing(header, nginxVariable string) []Setting {
	return []Setting{
		{nginx, []string{"proxy_set_header " + header + " " + nginxVariable + ";"}},
		{haproxy, []string{"# remove: http-request del-header " + header}},
		{caddy, []string{"# remove: header_up -" + header}},
		{traefik, []string{"# remove from customRequestHeaders: " + header}},
		{cloudflare, []string{"Transform Rules: none that removes the request header " + header}},
	}
}

// uninterceptedErrors lets refusals through as the server writes them.
func uninterceptedErrors() []Setting {
	return []Setting{
		{nginx, []string{"proxy_intercept_errors off;", "# or only for the statuses of nodes that are down: error_page 502 503 504 …"}},
		{haproxy, []string{"# remove for 4xx: http-error, http-response return"}},
		{caddy, []string{"# remove: handle_response and intercept for 4xx"}},
		{traefik, []string{"# remove 4xx from middlewares.NAME.errors.status"}},
		{cloudflare, []string{"Custom Errors: none for 4xx of this path"}},
	}
}

// allowOrigin lets pages of an origin use the server.
func allowOrigin(origin string) []Setting {
	return []Setting{
		{carillon, []string{"http.cors.origins: [" + origin + "]"}},
		{nginx, []string{"add_header Access-Control-Allow-Origin " + origin + " always;  # only if the server sends none"}},
		{haproxy, []string{"http-response set-header Access-Control-Allow-Origin " + origin + "  # only if the server sends none"}},
		{caddy, []string{"header Access-Control-Allow-Origin " + origin + "  # only if the server sends none"}},
		{traefik, []string{"middlewares.NAME.headers.accessControlAllowOriginList: [" + origin + "]  # only if the server sends none"}},
		{cloudflare, []string{"Transform Rules: set the response header Access-Control-Allow-Origin, only if the server sends none"}},
	}
}

// singleOrigin removes a second Access-Control-Allow-Origin.
func singleOrigin() []Setting {
	return []Setting{
		{nginx, []string{"# remove: add_header Access-Control-Allow-Origin …;"}},
		{haproxy, []string{"# remove: http-response add-header Access-Control-Allow-Origin …"}},
		{caddy, []string{"# remove: header +Access-Control-Allow-Origin …"}},
		{traefik, []string{"# remove: middlewares.NAME.headers.accessControlAllowOriginList"}},
		{cloudflare, []string{"Transform Rules: none that adds Access-Control-Allow-Origin"}},
	}
}
