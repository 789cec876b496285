#!/usr/bin/env bash
# Runs every fuzz target of the hub, one after another, each for the time given:
#
#   test/fuzz.sh 60s
set -euo pipefail
cd "$(dirname "$0")/.."
time="${1:?how long, such as 60s}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

# Every target as `package name`.
targets="$(grep --recursive --include='*_test.go' --exclude-dir=node_modules --exclude-dir=test --exclude-dir=bench \
	--only-matching --extended-regexp '^func Fuzz[A-Za-z0-9_]+' . |
	sed -E 's#^(.*)/[^/]+:func (.*)$#\1 \2#' | sort)"
if [ -z "$targets" ]; then
	echo "there are no fuzz targets" >&2
	exit 1
fi

# Before Go 1.27 a run may end with this error when its time is up although
# nothing was found (golang/go#75804). What is found is always written down.
ended_late() {
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"
}

while read -r package target; do
	echo "fuzz $package $target"
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" </dev/null 2>&1 | tee "$log" || ended_late
done <<<"$targets"
