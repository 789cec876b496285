#!/usr/bin/env bash
# Builds the binaries into dist/, for all platforms, with SHA256SUMS, or for those
# named:
#
#   docker/dist.sh [--out FOLDER] [OS/ARCH...]
#
# The same commit gives the same bytes, whoever builds it and where. VERSION says
# what the binary calls itself; without it, git's nearest tag does.
set -euo pipefail
cd "$(dirname "$0")/.."

out=dist
if [ "${1:-}" = --out ]; then
	out=$2
	shift 2
fi
platforms=("$@")
if [ $# = 0 ]; then
	platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64)
fi
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}

mkdir -p "$out"
built=()
for platform in "${platforms[@]}"; do
	os=${platform%/*} arch=${platform#*/}
	name=linarite-$os-$arch
	if [ "$os" = windows ]; then
		name+=.exe
	fi
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT='' \
		go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" \
		-o "$out/$name" ./cmd/linarite
	built+=("$name")
done
cd "$out"
sums=$(sha256sum "${built[@]}")
echo "$sums"
if [ $# = 0 ]; then
	echo "$sums" >SHA256SUMS
fi
