#!/usr/bin/env bash
# Installs Mosquitto, which the load generator compares the hub with, from the
# system's packages. Debian's package also starts a service on 127.0.0.1:1883,
# which the load generator does not use.
set -euo pipefail
PATH="$PATH:/usr/sbin"
if command -v mosquitto >/dev/null; then
	exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
	as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends mosquitto
