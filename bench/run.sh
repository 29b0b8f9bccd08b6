#!/usr/bin/env bash
# Measures this tree and the floor alternately and prints a table: the cost of a delivery and of a publish, their latency,
# and the memory of an idle stream. RUNS (3) is the number of measurements of each case; the table has the medians. CASES
# (all) are the names of the cases to measure, and may contain *. PORT (18471) is the first of four ports that are used.
# Absolute times vary between runs and machines: compare the ratios. It needs Linux, a C compiler and openssl.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-3}
read -ra cases <<<"${CASES:-*}"
port=${PORT:-18471}
at=127.0.0.1:$port at_floor=127.0.0.1:$((port + 1)) at_tutorial=127.0.0.1:$((port + 2)) at_bare=127.0.0.1:$((port + 3))
work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
say() { echo "$@" >&2; }

say "building"
go build -o "$work/carillon" ./cmd/carillon
go build -o "$work/tutorial" ./bench/tutorial
go build -o "$work/bare" ./bench/bare
cc -O2 -o "$work/floor" bench/floor.c
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl" || { cat "$work/openssl" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)"
# selected NAME: reports whether CASES has the case, and announces it with the other arguments.
selected() {
	local pattern
	for pattern in "${cases[@]}"; do
		# shellcheck disable=SC2053 # the right side is a pattern
		if [[ $1 == $pattern ]]; then say "$1: ${*:2}"; return; fi
	done
	return 1
}
bench() { CARILLON_TOKEN=bench "$work/carillon" bench --json --quiet "$@" 2>>"$work/err" || { cat "$work/err" >&2; echo '{}'; }; }
serve() { # starts the server, with further variables of its environment, and sets $server
	env "$@" CARILLON_HTTP_ADDR="$at" CARILLON_ADMIN_ADDR= CARILLON_AUTH_PUBLISH_TOKEN=bench CARILLON_LOG_ENCODING=json \
		CARILLON_DRAIN_WINDOW=0s "$work/carillon" >"$work/log" 2>&1 &
	server=$!
	pids+=("$server")
	sleep 1
	kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
}
stop() { kill "$@" && wait "$@" 2>/dev/null || true; }
"$work/floor" "$((port + 1))" & floor=$!
pids+=("$floor")
ours=(--url "http://$at")
theirs=(--url "http://$at_floor" --subscribe /s --publish /p)

# pair NAME ARGS: both alternately; the reports of each are in a file of its own.
pair() {
	selected "$@" || return 0
	local name=$1; shift
	serve
	for ((i = 0; i < runs; i++)); do
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		bench "${theirs[@]}" "$@" --pid "$floor" >>"$work/$name.floor"
	done
	stop "$server"
}
# alone NAME ARGS: this tree only, for cases that the floor does not support.
alone() {
	alone_with "" "$@"
}
# alone_with "NAME=VALUE ..." NAME ARGS: the same with these variables in the environment of the server.
alone_with() {
	selected "${@:2}" || return 0
	local name=$2 variables
	read -ra variables <<<"$1"
	shift 2
	for ((i = 0; i < runs; i++)); do
		serve "${variables[@]}"
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		stop "$server"
	done
}

# beside_bare NAME ARGS: alternately this tree, and the bare handler with the same publishes but no streams.
beside_bare() {
	selected "$@" || return 0
	local name=$1; shift
	serve
	"$work/bare" "$at_bare" & local bare=$!
	pids+=("$bare")
	sleep 1
	for ((i = 0; i < runs; i++)); do
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		bench --url "http://$at_bare" "$@" --streams 0 --pid "$bare" >>"$work/$name.bare"
	done
	stop "$bare" "$server"
}

pair live-100x50 --streams 100 --rate 50 --duration 8s
pair live-1000x50 --streams 1000 --rate 50 --duration 8s
pair live-10000x2 --streams 10000 --rate 2 --duration 10s
pair large-200x50-8KiB --streams 200 --rate 50 --size 8192 --duration 8s
pair flat-out-200 --streams 200 --rate 0 --publishers 16 --duration 6s
beside_bare one-reader --streams 1000 --topics 1000 --rate 2000 --duration 8s
alone idle-10000 --streams 10000 --duration 0 --idle 20s
alone stalled-100-of-1000 --streams 1000 --stalled 100 --rate 50 --duration 8s

# Streams that goroutines write: over HTTP/1.1 without the poller or with TLS, and over HTTP/2.
tls=(--url "https://$at" --ca "$work/cert.pem")
with_tls="CARILLON_HTTP_TLS_CERT_FILE=$work/cert.pem CARILLON_HTTP_TLS_KEY_FILE=$work/key.pem"
alone_with CARILLON_STREAM_TAKE_OVER=false http1-1000x50 --streams 1000 --rate 50 --duration 8s
alone_with "$with_tls" tls-1000x50 "${tls[@]}" --streams 1000 --rate 50 --duration 8s
alone_with "$with_tls" http2-1000x50 "${tls[@]}" --http2 --streams 1000 --rate 50 --duration 8s

# The clock to 1,000 clients, and the tutorial's. Each is measured once.
idle=(--streams 1000 --duration 0 --idle 10s)
if selected tutorial "${idle[@]}"; then
	"$work/tutorial" "$at_tutorial" & tutorial=$!
	pids+=("$tutorial")
	sleep 1
	bench --url "http://$at_tutorial" --subscribe /stream "${idle[@]}" --pid "$tutorial" >"$work/tutorial.ours"
	stop "$tutorial"
fi
if selected clock "${idle[@]}"; then
	serve
	bench "${ours[@]}" --subscribe /events "${idle[@]}" --pid "$server" >"$work/clock.ours"
	stop "$server"
fi

compgen -G "$work/*.ours" >/dev/null || { say "CASES=${CASES-}: there is no such case"; exit 1; }
go run ./bench/table "$work"
