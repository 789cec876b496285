#!/usr/bin/env bash
# Checks what docker/image.sh built, then runs it as people do: with compose, on a
# Docker daemon of its own, reached with an official SDK through the published
# ports. Daemon, network and containers live in namespaces of their own, so that
# nothing of them is left and no port here is taken. Needs root, and what
# docker/install.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin"

fail() {
	echo "FAIL: $*" >&2
	exit 1
}
# same WHAT WANTED FOUND
same() {
	if [ "$2" != "$3" ]; then
		fail "$1 is $3, wanted $2"
	fi
	echo "ok: $1 is $3"
}

# config CONFIG WHERE: what both formats must say of an image.
config() {
	same "$2: entrypoint" '["/linarite"]' "$(jq -c .config.Entrypoint "$1")"
	same "$2: user" '"65532:65532"' "$(jq -c .config.User "$1")"
	same "$2: health check" '["CMD","/linarite","health"]' "$(jq -c .config.Healthcheck.Test "$1")"
	same "$2: volume" '["/data"]' "$(jq -c '.config.Volumes | keys' "$1")"
	same "$2: ports" '["443/tcp","5671/tcp","8080/tcp","8883/tcp"]' "$(jq -c '.config.ExposedPorts | keys' "$1")"
}

archives() {
	local work=$1 arch manifest bytes limit=20000000
	mkdir "$work/oci"
	tar -C "$work/oci" -xf dist/linarite-image.tar
	blob() { echo "$work/oci/blobs/sha256/${1#*:}"; }
	for blob in "$work"/oci/blobs/sha256/*; do
		same "a blob's name" "$(basename "$blob")" "$(sha256sum <"$blob" | cut -d' ' -f1)" >/dev/null
	done
	index=$(blob "$(jq -r '.manifests[0].digest' "$work/oci/index.json")")
	same "architectures" '["amd64","arm64"]' "$(jq -c '[.manifests[].platform.architecture]' "$index")"
	for arch in amd64 arm64; do
		manifest=$(blob "$(jq -r ".manifests[] | select(.platform.architecture == \"$arch\").digest" "$index")")
		config "$(blob "$(jq -r .config.digest "$manifest")")" "OCI $arch"

		mkdir "$work/$arch"
		tar -C "$work/$arch" -xf "dist/linarite-image-$arch.tar"
		config "$work/$arch/$(jq -r '.[0].Config' "$work/$arch/manifest.json")" "Docker $arch"
		bytes=$(cd "$work/$arch" && jq -r '.[0].Layers[]' manifest.json | xargs stat -Lc %s | awk '{ n += $1 } END { print n }')
		((bytes <= limit)) || fail "Docker $arch: $bytes bytes, at most $limit"
		echo "ok: Docker $arch: $bytes bytes, $(jq '[.layers[].size] | add' "$manifest") compressed"
		mkdir "$work/$arch/root"
		(cd "$work/$arch" && jq -r '.[0].Layers[]' manifest.json | xargs -n1 tar -C root -xf)
		same "Docker $arch: machine" "$([ $arch = amd64 ] && echo 3e || echo b7)" \
			"$(od -An -tx1 -j18 -N1 "$work/$arch/root/linarite" | tr -d ' ')"
		same "Docker $arch: owner of /data" 65532:65532 "$(stat -c %u:%g "$work/$arch/root/data")"
	done
}

# daemon starts a Docker daemon; it ends with this process, whose namespaces' first
# it is.
daemon() {
	local work=$1
	export DOCKER_HOST=unix://$work/docker.sock
	ip link set lo up
	dockerd --data-root "$work/docker" --exec-root "$work/exec" -p "$work/docker.pid" -H "$DOCKER_HOST" \
		>"$work/dockerd.log" 2>&1 &
	for _ in $(seq 150); do
		if docker version >/dev/null 2>&1; then
			echo "ok: Docker daemon $(docker version --format '{{.Server.Version}}')"
			return
		fi
		sleep 0.2
	done
	tail -20 "$work/dockerd.log" >&2
	fail "no Docker daemon"
}

compose() { docker-compose -p linarite -f docker/compose.yaml "$@"; }

# The hub runs as in compose.yaml, and the SDK finds it by the published ports.
running() {
	local work=$1 hub seen
	daemon "$work"
	docker load --quiet --input "dist/linarite-image-$(go env GOARCH).tar" >/dev/null
	TARGETARCH=$(go env GOARCH) compose build --quiet device
	compose up --no-build -d || { compose logs; fail "compose up"; }
	hub=$(compose ps -q linarite)
	same "health" healthy "$(docker inspect --format '{{.State.Health.Status}}' "$hub")"

	curl -fsS http://127.0.0.1:8080/v1/ca.pem >"$work/ca.pem"
	same "the device's name for the hub" '"HostName=linarite.test"' \
		"$(curl -fsS http://127.0.0.1:8080/v1/connection-strings | jq '.service | split(";")[0]')"
	same "the example device's events" 3 \
		"$(curl -fsS 'http://127.0.0.1:8080/v1/events?device=example-device&wait=3&max=3&timeout=30s' | jq '.events | length')"
	seen=
	for _ in $(seq 50); do
		docker logs "$(compose ps -q back-end)" >"$work/back-end.log" 2>&1
		if grep -q '"deviceId":"example-device"' "$work/back-end.log"; then
			seen=yes
			break
		fi
		sleep 0.2
	done
	same "the back end sees the device's events" yes "$seen"

	NODE_EXTRA_CA_CERTS=$work/ca.pem NODE_PATH=test/sdk/node/node_modules node docker/sdk.js

	compose stop -t 8 >/dev/null 2>&1
	same "exit code after SIGTERM" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$hub")"
	compose start >/dev/null 2>&1
	for _ in $(seq 50); do
		curl -fsS http://127.0.0.1:8080/v1/ca.pem >"$work/ca2.pem" 2>/dev/null && break
		sleep 0.2
	done
	cmp "$work/ca.pem" "$work/ca2.pem" || fail "the CA changed with a restart"
	echo "ok: the CA survives a restart"
	compose down -v >/dev/null 2>&1
	recipe "$work/recipe.yaml"
}

# recipe FILE: the compose file of docs/recipes.md, where the image itself stands in
# for the reader's.
recipe() {
	awk '/^```yaml compose.yaml$/ { on = 1; next } /^```$/ { on = 0 } on' docs/recipes.md |
		sed 's/^\( *\)image: my-app$/\1image: linarite\n\1command: [health, --control=linarite:8080]/' >"$1"
	local up=(docker-compose -p recipe -f "$1")
	"${up[@]}" up --no-build -d || fail "the recipe's compose up"
	same "exit code of the recipe's container" 0 "$(docker wait "$("${up[@]}" ps -q app)")"
	"${up[@]}" down -v >/dev/null 2>&1
}

if [ "${1:-}" = --inside ]; then
	running "$2"
	exit
fi
[ "$(id -u)" = 0 ] || fail "needs root, for a Docker daemon"
work=$(mktemp -d)
shopt -s nullglob
groups=(/sys/fs/cgroup/*/docker)
cleanup() {
	rm -rf "$work"
	if [ ${#groups[@]} = 0 ]; then # those there are now are our daemon's, and empty
		find /sys/fs/cgroup/*/docker -depth -type d -exec rmdir {} + 2>/dev/null || true
	fi
}
trap cleanup EXIT
archives "$work"
GOARCH=$(go env GOARCH)
CGO_ENABLED=0 go -C examples/device build -trimpath -ldflags "-s -w" -o "../../dist/example-device-linux-$GOARCH" .
[ -d test/sdk/node/node_modules ] || npm --prefix test/sdk/node ci --silent
unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$work"
echo "the image is good"
