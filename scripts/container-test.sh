#!/usr/bin/env bash
# Builds the image from the Dockerfile with buildah and tests it:
# one static binary and the CA certificates, no shell, not root, a health check,
# and a server that runs on a file system that contains nothing else.
#
# Needs root and buildah; no daemon. BUILDER names the image to build with. The default is
# the Dockerfile's builder image; if no registry can be reached, a replacement is built
# from the same parts: Debian bookworm (debootstrap) and this machine's Go toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

image=localhost/carillon:test
version=container-test
container='' server=''

say() { echo "container-test: $*"; }
fail() { echo "container-test: FAILED: $*" >&2; exit 1; }

cleanup() {
	[[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
	[[ -z $container ]] || buildah rm "$container" >/dev/null
}
trap cleanup EXIT

[[ $(id -u) -eq 0 ]] || fail "needs root (chroot, mounts)"
command -v buildah >/dev/null || fail "needs buildah: apt-get install --no-install-recommends buildah"

# --- the builder ---------------------------------------------------------------

make_builder() {
	local go_root tag work base mnt
	go_root=$(go env GOROOT)
	tag=localhost/carillon-builder:$(go env GOVERSION)
	if ! buildah inspect --type image "$tag" >/dev/null 2>&1; then
		command -v debootstrap >/dev/null || fail "no registry, and no debootstrap to build a builder image with"
		say "building $tag from Debian bookworm and $go_root"
		base=$(buildah from scratch)
		mnt=$(buildah mount "$base")
		debootstrap --variant=minbase --include=ca-certificates bookworm "$mnt" >/dev/null
		umount "$mnt/proc" "$mnt/sys" 2>/dev/null || true
		mkdir -p "$mnt/usr/local" && cp -a "$go_root" "$mnt/usr/local/go"
		# The same settings as the official image. The certificates are this machine's, in case
		# it reaches the module proxy through a gateway with its own certificate.
		cp -L /etc/ssl/certs/ca-certificates.crt "$mnt/etc/ssl/certs/ca-certificates.crt"
		buildah config --env GOPATH=/go --env GOTOOLCHAIN=local \
			--env PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
		buildah umount "$base" >/dev/null
		buildah commit --quiet --rm "$base" "$tag" >/dev/null
	fi
	builder=$tag
}

builder=${BUILDER:-}
if [[ -z $builder ]]; then
	builder=$(sed -n 's/^ARG BUILDER=//p' Dockerfile)
	timeout 60 buildah pull --quiet "$builder" >/dev/null 2>&1 || make_builder
fi
say "building with $builder"

# --- the image -----------------------------------------------------------------

build() {
	buildah build --isolation chroot --format docker --layers --build-arg BUILDER="$builder" \
		--build-arg VERSION="$version" --build-arg COMMIT=0123abc --build-arg DATE=2025-06-18T00:00:00Z \
		-t "$image" .
}
build
log=$(build 2>&1) # the second build must take the module layer from the cache
grep -A1 'RUN go mod download' <<<"$log" | grep -q 'Using cache' || fail "the module layer was not cached"
say "module layer cached"

# --- the other platform --------------------------------------------------------

# It is cross-compiled, so that no emulation is needed: 183 is the ELF machine of arm64. Debian's buildah knows no
# BUILDPLATFORM and would look for a builder of the other platform, so only what --platform sets is given.
arm=$(buildah build --isolation chroot --format docker --layers --build-arg TARGETOS=linux --build-arg TARGETARCH=arm64 \
	--build-arg BUILDER="$builder" --build-arg VERSION="$version" --quiet .)
container=$(buildah from "$arm")
root=$(buildah mount "$container")
[[ $(od -An -tu2 -j18 -N2 "$root/carillon" | tr -d ' ') == 183 ]] || fail "the binary is not for arm64"
buildah rm "$container" >/dev/null
say "linux/arm64: cross-compiled"

container=$(buildah from "$image")
root=$(buildah mount "$container")

# --- contents -------------------------------------------------------------

files=$(cd "$root" && find . -type f -o -type l | sort | tr '\n' ' ')
[[ $files == "./carillon ./etc/ssl/certs/ca-certificates.crt " ]] || fail "contains other files: $files"
say "files: $files($(stat -c %s "$root/carillon") bytes of binary)"

[[ $(od -An -tx1 -N4 "$root/carillon" | tr -d ' ') == 7f454c46 ]] || fail "the binary is not ELF"
if command -v readelf >/dev/null; then
	! readelf -lW "$root/carillon" | grep -q -E 'INTERP|DYNAMIC' || fail "the binary needs a dynamic linker"
	say "static: no interpreter, no dynamic section"
fi

# Docker format, because the OCI format has no health check.
meta() { buildah inspect --format "{{$1}}" "$container"; }
expect() { # name, template, expected value
	local got
	got=$(meta "$2")
	[[ $got == "$3" ]] || fail "$1 is '$got', want '$3'"
	say "$1: $got"
}
expect user '.Docker.Config.User' 65532:65532
expect entrypoint '.Docker.Config.Entrypoint' '[/carillon]'
expect health '.Docker.Config.Healthcheck.Test' '[CMD /carillon healthcheck]'
expect stop-signal '.Docker.Config.StopSignal' SIGTERM
expect ports '.Docker.Config.ExposedPorts' 'map[8080/tcp:{}]'
expect version-label 'index .Docker.Config.Labels "org.opencontainers.image.version"' "$version"

# --- running -------------------------------------------------------------

# Run as the image's user, with only the given environment, on the image's files only.
# (The server could use port 0, but the health check needs to know the port.)
port=${PORT:-$((20000 + RANDOM % 10000))}
inside=(env -i CARILLON_HTTP_ADDR="127.0.0.1:$port" CARILLON_CLOCK_TIMEZONE=Asia/Tokyo
	"$(command -v chroot)" --userspec=65532:65532 --groups= "$root")

got=$("${inside[@]}" /carillon version)
[[ $got == *"$version"*0123abc*2025-06-18* ]] || fail "carillon version printed '$got'"
say "version: $got"
! "${inside[@]}" /bin/sh -c true 2>/dev/null || fail "the image contains a shell"
say "no shell"

! "${inside[@]}" /carillon healthcheck >/dev/null 2>&1 || fail "the health check passes without a server"
logs=$(mktemp)
"${inside[@]}" /carillon >"$logs" 2>&1 &
server=$!
for _ in $(seq 100); do
	"${inside[@]}" /carillon healthcheck >/dev/null 2>&1 && break
	kill -0 "$server" 2>/dev/null || { cat "$logs"; fail "the server ended at once"; }
	sleep 0.1
done
"${inside[@]}" /carillon healthcheck || { cat "$logs"; fail "the health check fails"; }
say "health check passes"
[[ $(awk '/^Uid:/ {print $2}' "/proc/$server/status") == 65532 ]] || fail "runs as another user"

# curl exits with 28 (time limit) or 0 (closed): both are fine, only the output matters.
stream=$(curl -sN --max-time 4 "http://127.0.0.1:$port/events") || true
[[ $(grep -c '^data: 20' <<<"$stream") -ge 2 ]] || { echo "$stream"; fail "no clock events on /events"; }
now=$(TZ=Asia/Tokyo date +'%Y-%m-%d %H:%M')
before=$(TZ=Asia/Tokyo date -d '-1 min' +'%Y-%m-%d %H:%M')
grep -q -E "^data: ($now|$before)" <<<"$stream" || { echo "$stream"; fail "the time zone database is not in the binary"; }
say "streams the clock, time zone database embedded: $(grep '^data: 20' <<<"$stream" | tail -n 1)"

kill -TERM "$server"
code=0
wait "$server" || code=$?
server=''
[[ $code -eq 0 ]] || { cat "$logs"; fail "exit code $code after SIGTERM"; }
rm -f "$logs"
say "exit code 0 after SIGTERM"
say "all tests passed"
