#!/usr/bin/env bash
# Starts the hub with the example device and back end, built from this source
# tree. Arguments go to `docker compose up`, such as -d; COMPOSE is the command in
# place of `docker compose`.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGETARCH=$(go env GOARCH)
export TARGETARCH # for builders that do not set it themselves
docker/dist.sh "linux/$TARGETARCH" >/dev/null
CGO_ENABLED=0 GOOS=linux go -C examples/device build -trimpath -ldflags "-s -w" \
	-o "../../dist/example-device-linux-$TARGETARCH" .
exec ${COMPOSE:-docker compose} -f docker/compose.yaml up --build "$@"
