#!/usr/bin/env bash
# Measures this tree and the floor alternately and prints a table: the cost of a delivery and of a publish, their latency,
# and the memory of an idle stream. RUNS (3) is the number of measurements of each case; the table has the medians. Absolute times vary between
# runs and machines: compare the ratios.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-3}
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
ulimit -n "$(ulimit -Hn)"
bench() { CARILLON_TOKEN=bench "$work/carillon" bench --json --quiet "$@" 2>>"$work/err" || { cat "$work/err" >&2; echo '{}'; }; }
serve() { # starts the server, with further variables of its environment, and sets $server
	env "$@" CARILLON_HTTP_ADDR=127.0.0.1:18471 CARILLON_ADMIN_ADDR= CARILLON_AUTH_PUBLISH_TOKEN=bench CARILLON_LOG_ENCODING=json \
		CARILLON_DRAIN_WINDOW=0s "$work/carillon" >"$work/log" 2>&1 &
	server=$!
	pids+=("$server")
	sleep 1
}
"$work/floor" 18472 & floor=$!
pids+=("$floor")
ours=(--url http://127.0.0.1:18471)
theirs=(--url http://127.0.0.1:18472 --subscribe /s --publish /p)

# pair NAME ARGS: both alternately; the reports of each are in a file of its own.
pair() {
	local name=$1; shift
	say "$name: $*"
	serve
	for ((i = 0; i < runs; i++)); do
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		bench "${theirs[@]}" "$@" --pid "$floor" >>"$work/$name.floor"
	done
	kill "$server" && wait "$server" 2>/dev/null || true
}
# alone NAME ARGS: this tree only, for cases that the floor does not support.
alone() {
	alone_with "" "$@"
}
# alone_with "NAME=VALUE ..." NAME ARGS: the same with these variables in the environment of the server.
alone_with() {
	local name=$2 variables
	read -ra variables <<<"$1"
	shift 2
	say "$name: $*"
	for ((i = 0; i < runs; i++)); do
		serve "${variables[@]}"
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		kill "$server" && wait "$server" 2>/dev/null || true
	done
}

# beside_bare NAME ARGS: alternately this tree, and the bare handler with the same publishes but no streams.
beside_bare() {
	local name=$1; shift
	say "$name: $*"
	serve
	"$work/bare" 127.0.0.1:18474 & local bare=$!
	pids+=("$bare")
	sleep 1
	for ((i = 0; i < runs; i++)); do
		bench "${ours[@]}" "$@" --pid "$server" >>"$work/$name.ours"
		bench --url http://127.0.0.1:18474 "$@" --streams 0 --pid "$bare" >>"$work/$name.bare"
	done
	kill "$bare" "$server" && wait "$bare" "$server" 2>/dev/null || true
}

pair live-100x50 --streams 100 --rate 50 --duration 8s
pair live-1000x50 --streams 1000 --rate 50 --duration 8s
pair live-10000x2 --streams 10000 --rate 2 --duration 10s
pair large-200x50-8KiB --streams 200 --rate 50 --size 8192 --duration 8s
pair flat-out-200 --streams 200 --rate 0 --publishers 16 --duration 6s
beside_bare one-reader --streams 1000 --topics 1000 --rate 2000 --duration 8s
alone idle-10000 --streams 10000 --duration 0 --idle 20s
alone stalled-100-of-1000 --streams 1000 --stalled 100 --rate 50 --duration 8s

# Streams that stay with net/http, because their connections are not taken over or cannot be.
alone_with CARILLON_STREAM_TAKE_OVER=false handler-1000x50 --streams 1000 --rate 50 --duration 8s
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>>"$work/err"
alone_with "CARILLON_HTTP_TLS_CERT_FILE=$work/cert.pem CARILLON_HTTP_TLS_KEY_FILE=$work/key.pem" tls-1000x50 \
	--url https://127.0.0.1:18471 --ca "$work/cert.pem" --streams 1000 --rate 50 --duration 8s

say "the tutorial's clock, 1000 clients"
"$work/tutorial" 127.0.0.1:18473 & tutorial=$!
pids+=("$tutorial")
sleep 1
bench --url http://127.0.0.1:18473 --subscribe /stream --streams 1000 --duration 0 --idle 10s --pid "$tutorial" >"$work/tutorial.ours"
kill "$tutorial" && wait "$tutorial" 2>/dev/null || true
say "our clock, 1000 clients"
serve
bench "${ours[@]}" --subscribe /events --streams 1000 --duration 0 --idle 10s --pid "$server" >"$work/clock.ours"
kill "$server" && wait "$server" 2>/dev/null || true

go run ./bench/table "$work"
