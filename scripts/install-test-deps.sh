#!/usr/bin/env bash
# Checks for what the tests need besides Go: a C compiler (for the race detector), Chromium (for the browser tests),
# nginx and HAProxy (for the proxy tests), Node.js 22 or later (for the tests of the browser client). Installs the missing ones
# as Debian packages when it runs as root and apt-get exists, and Node.js from the npm registry, because Debian's may be older;
# otherwise prints what is missing and fails.
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

has_node() { # clients/js/jstest looks for the same names
	local name
	for name in node node22; do
		"$name" -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)' 2>/dev/null && return
	done
	return 1
}

install_node() {
	local arch dir=/usr/local/lib/carillon-test
	case $(uname -m) in
	x86_64) arch=x64 ;;
	aarch64) arch=arm64 ;;
	*) return 1 ;;
	esac
	npm install --prefix "$dir" --no-audit --no-fund --loglevel=error "node-linux-$arch@22" >/dev/null &&
		ln -sf "$dir/node_modules/node-linux-$arch/bin/node" /usr/local/bin/node22
}

has_all() {
	has_compiler && has_browser && has_program nginx && has_program haproxy && has_node
}

has_all && exit 0
missing=()
has_compiler || missing+=(gcc libc6-dev)
has_browser || missing+=(chromium)
has_program nginx || missing+=(nginx-light)
has_program haproxy || missing+=(haproxy)
has_node || command -v npm >/dev/null || missing+=(npm)

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
	if [[ ${#missing[@]} -gt 0 ]]; then
		echo "test-deps: installing Debian packages: ${missing[*]} (takes a minute or two)"
		export DEBIAN_FRONTEND=noninteractive
		apt-get -o DPkg::Lock::Timeout=300 update -qq >/dev/null
		apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
	fi
	if ! has_node; then
		echo "test-deps: installing Node.js 22 from the npm registry as /usr/local/bin/node22"
		install_node
	fi
	has_all && exit 0
	echo "test-deps: the packages were installed, but the C compiler, Chromium, nginx, HAProxy or Node.js 22 is still not usable" >&2
	exit 1
fi

has_node || missing+=("nodejs (22 or later)")
cat >&2 <<EOF
test-deps: the tests need packages that are missing and cannot be installed without
root and apt-get: ${missing[*]}
  Debian, Ubuntu:  sudo apt-get install ${missing[*]}
  elsewhere:       a C compiler with headers, Chromium or Google Chrome, nginx, HAProxy and Node.js 22 or later on the PATH
EOF
exit 1
