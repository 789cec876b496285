#!/usr/bin/env bash
# Builds the image for amd64 and arm64, with buildah and without a daemon:
#
#   dist/linarite-image.tar         both, an OCI archive, for a registry
#   dist/linarite-image-ARCH.tar    one of them, for `docker load`
#
# The same binaries give the same images: their time is the commit's.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in buildah jq; do
	if ! command -v $tool >/dev/null; then
		echo "$tool is missing: install it, as with apt-get install $tool" >&2
		exit 1
	fi
done
docker/dist.sh linux/amd64 linux/arm64 >/dev/null

work=$(mktemp -d)
buildah() {
	command buildah --root "$work/images" --runroot "$work/run" --storage-driver vfs "$@"
}
cleanup() {
	buildah rmi --all --force >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
export BUILDAH_ISOLATION=chroot
at=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

for arch in amd64 arm64; do
	# Of the two formats, Docker's has a health check.
	buildah build --quiet --format docker --timestamp "$at" --platform "linux/$arch" --identity-label=false \
		--file docker/Dockerfile --tag "linarite:$arch" --manifest linarite:latest . >/dev/null
	rm -f "dist/linarite-image-$arch.tar"
	buildah push --quiet "linarite:$arch" "docker-archive:dist/linarite-image-$arch.tar:linarite:latest"
done
health=$(buildah inspect --type image linarite:amd64 | jq -c .Docker.config.Healthcheck)
buildah manifest push --quiet --all linarite:latest "oci:$work/oci:latest" >/dev/null

# OCI's format has none, so that buildah leaves it out; Docker writes and reads it
# there all the same. Put it back: a blob is named after what it holds, so each
# that is changed changes the one that names it.
cd "$work/oci/blobs/sha256"
put() { # reads a blob, writes the name it has from now on
	cat >"$work/blob"
	local sum
	sum=$(sha256sum <"$work/blob" | cut -d' ' -f1)
	mv "$work/blob" "$sum"
	echo "$sum"
}
named() { jq -r "$1.digest" "$2" | cut -d: -f2; }
rename() { # the descriptor at a path of a document now means another blob
	jq -c --arg sum "sha256:$3" --argjson size "$(stat -c %s "$3")" "$1.digest = \$sum | $1.size = \$size" "$2"
}
index=$(named '.manifests[0]' ../../index.json)
for n in 0 1; do
	manifest=$(named ".manifests[$n]" "$index")
	config=$(named .config "$manifest")
	new_config=$(jq -c --argjson health "$health" '.config.Healthcheck = $health' "$config" | put)
	new_manifest=$(rename .config "$manifest" "$new_config" | put)
	new_index=$(rename ".manifests[$n]" "$index" "$new_manifest" | put)
	rm "$config" "$manifest" "$index"
	index=$new_index
done
rename '.manifests[0]' ../../index.json "$index" >"$work/index.json"
mv "$work/index.json" ../../index.json
cd - >/dev/null

tar -C "$work/oci" --sort=name --mtime="@$at" --owner=0 --group=0 --numeric-owner \
	-cf dist/linarite-image.tar oci-layout index.json blobs
ls -l dist/linarite-image*.tar
