#!/usr/bin/env bash
# Checks for what the tests need besides Go: a C compiler (for the race detector), Chromium (for the browser tests),
# nginx and HAProxy (for the proxy tests). Installs the missing ones as Debian packages when it runs as root and apt-get
# exists; otherwise prints what is missing and fails.
set -euo pipefail

has_browser() {
	# The names the browser tests look for.
	local name
	for name in headless_shell headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$name" >/dev/null && return
	done
	[[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]]
}

has_compiler() {
	local cc
	cc=$("${GO:-go}" env CC)
	echo '#include <stdlib.h>' | ${cc:-cc} -x c -fsyntax-only - 2>/dev/null
}

has_program() { # Debian installs the proxies in a directory that only root's PATH contains
	command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]
}

missing=()
has_compiler || missing+=(gcc libc6-dev)
has_browser || missing+=(chromium)
has_program nginx || missing+=(nginx-light)
has_program haproxy || missing+=(haproxy)
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
	echo "test-deps: installing Debian packages: ${missing[*]} (takes a minute or two)"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -o DPkg::Lock::Timeout=300 update -qq >/dev/null
	apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
	has_compiler && has_browser && has_program nginx && has_program haproxy && exit 0
	echo "test-deps: the packages were installed, but the C compiler, Chromium, nginx or HAProxy is still not usable" >&2
	exit 1
fi

cat >&2 <<EOF
test-deps: the tests need packages that are missing and cannot be installed without
root and apt-get: ${missing[*]}
  Debian, Ubuntu:  sudo apt-get install ${missing[*]}
  elsewhere:       a C compiler with headers, Chromium or Google Chrome, nginx and HAProxy on the PATH
EOF
exit 1
