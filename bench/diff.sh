#!/usr/bin/env bash
# Compares the Go benchmarks of the hot functions with those of another commit:
# the last one, or HEAD when there are changes that are not committed. Both sides
# take turns, so that what changes on the machine meanwhile touches both alike.
#
#	bench/diff.sh [BASE]
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=(./auth ./events ./mqtt ./twin ./registry ./amqp/codec ./query ./routing)
rounds=${ROUNDS:-6}

base=HEAD~1
git diff --quiet HEAD || base=HEAD
base=${1:-$base}

work=$(mktemp -d)
trap 'git worktree remove --force "$work/base"; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$base"

# build NAME: the test binaries of the tree that is the working folder.
build() {
	for room in "${rooms[@]}"; do
		[ ! -d "$room" ] || CGO_ENABLED=0 go test -c -o "$work/bin/$1/$(tr / _ <<<"${room#./}")" "$room"
	done
}
mkdir -p "$work/bin/new" "$work/bin/old"
build new
(cd "$work/base" && build old)

# measure NAME TREE
measure() {
	for program in "$work/bin/$1"/*; do
		room=$(basename "$program" | tr _ /)
		(cd "$2/$room" && "$program" -test.run '^$' -test.bench . -test.benchmem -test.benchtime 200ms >>"$work/$1.txt")
	done
}
for round in $(seq "$rounds"); do
	echo "round $round of $rounds" >&2
	if ((round % 2)); then
		measure old "$work/base" && measure new .
	else
		measure new . && measure old "$work/base"
	fi
done
go -C bench tool benchstat "before=$work/old.txt" "after=$work/new.txt"
