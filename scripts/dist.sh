#!/usr/bin/env bash
# Builds what a release consists of into a folder (default: dist): static binaries for each target in an archive, .deb and
# .rpm packages for linux, a bill of materials (SBOM, CycloneDX) and checksums. Two builds of one commit give the same
# bytes: paths are trimmed, and every time is the commit's.
#
#   scripts/dist.sh [FOLDER]
#
#   TARGETS   systems and architectures; default: linux, darwin and windows on amd64 and arm64
#   VERSION   default: what git describe says
#   BUILD_CACHE   folder for what the compiler keeps of the binaries; default: where Go keeps everything
#   COMMIT, SOURCE_DATE_EPOCH   default: those of the commit that is checked out
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist}
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
version=${VERSION:-$(git describe --tags --always --dirty)}
commit=${COMMIT:-$(git rev-parse HEAD)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
export CGO_ENABLED=0 TZ=UTC LC_ALL=C
umask 022

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tool() { go tool -modfile=deploy/packages/go.mod "$@"; }
build() { # OS ARCH FILE
	GOCACHE=${BUILD_CACHE:-$(go env GOCACHE)} GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$version -X main.commit=$commit -X main.date=$date" -o "$3" ./cmd/carillon
}
# archive packs a folder's content with nothing in it that depends on the machine.
archive() { # FOLDER NAME
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=ustar -C "$work" -c "$1" | gzip -n -9 >"$out/$2.tar.gz"
}

# The manual page and the completion files come from the program, so they cannot differ from it.
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/host"
mkdir -p "$work/share"
"$work/host" man --date "$date" >"$work/share/carillon.1"
gzip -n -9 "$work/share/carillon.1"
for shell in bash zsh fish; do
	"$work/host" completion "$shell" >"$work/share/carillon.$shell"
done
sed -e 's#/usr/local/#/usr/#g' -e 's/^DynamicUser=yes/User=carillon\nGroup=carillon/' \
	-e '/^# Carillon under systemd/,/^# configuration again/d' deploy/systemd/carillon.service >"$work/share/carillon.service"

for target in $targets; do
	os=${target%/*} arch=${target#*/}
	name=carillon_${version}_${os}_${arch}
	echo "dist: $name" >&2
	mkdir -p "$work/$name"
	binary=carillon
	[[ $os == windows ]] && binary=carillon.exe
	build "$os" "$arch" "$work/$name/$binary"
	cp README.md configs/default.yaml "$work/$name/"
	archive "$name" "$name"
	tool cyclonedx-gomod bin -json -noserial -notimestamp -std -output "$out/$name.sbom.json" "$work/$name/$binary" 2>/dev/null
	[[ $os == linux ]] || continue
	for packager in deb rpm; do
		ARCH=$arch VERSION=${version#v} BINARY=$work/$name/carillon SHARE=$work/share \
			tool nfpm package --config deploy/packages/nfpm.yaml --packager "$packager" --target "$out/$name.$packager" >/dev/null
	done
done
(cd "$out" && sha256sum carillon_*.tar.gz carillon_*.deb carillon_*.rpm carillon_*.sbom.json 2>/dev/null >SHA256SUMS) || true
[[ -s $out/SHA256SUMS ]]
echo "dist: $out/SHA256SUMS" >&2
