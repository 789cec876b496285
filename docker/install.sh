#!/usr/bin/env bash
# Installs what docker/image.sh and docker/check.sh need, from the system's
# packages. Debian's also start a Docker daemon where services are started at all;
# the check does not use it.
set -euo pipefail
PATH="$PATH:/usr/sbin"
missing=()
for tool in buildah jq dockerd:docker.io docker:docker.io docker-compose iptables ip:iproute2 curl; do
	if ! command -v "${tool%:*}" >/dev/null; then
		missing+=("${tool#*:}")
	fi
done
if [ ${#missing[@]} = 0 ]; then
	exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
	as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
