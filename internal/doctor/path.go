package doctor

import (
	"context"
	"strings"
)

// proxyHeaders are headers that proxies add.
var proxyHeaders = []string{"Via", "Server", "X-Served-By", "X-Cache", "Cf-Ray", "X-Amz-Cf-Id", "X-Varnish"}

// checkPath reports the proxies on the way that add headers. Many add none, HAProxy and Traefik among them.
func checkPath(_ context.Context, t *Target) []Finding {
	header := t.header()
	if header == nil {
		return notChecked("path", "no response arrived")
	}
	var seen []string
	values := map[string]any{}
	for _, name := range proxyHeaders {
		if value := strings.Join(header.Values(name), ", "); value != "" {
			seen = append(seen, name+": "+value)
			values[strings.ReplaceAll(strings.ToLower(name), "-", "_")] = value
		}
	}
	if t.viaProxy() {
		seen = append(seen, "a proxy that this machine's environment names")
		values["environment_proxy"] = true
	}
	if len(seen) == 0 {
		return []Finding{{Code: "no_proxy_seen", Summary: "no proxy shows itself"}}
	}
	f := Finding{Code: "path_seen", Level: Info, Summary: "seen on the way: " + strings.Join(seen, "; "), Values: values}
	if t.isCarillon() && values["server"] != nil {
		f.Meaning = "Carillon sends no Server header, so this is a proxy's."
	}
	return []Finding{f}
}
