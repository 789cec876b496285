#!/usr/bin/env bash
# Runs the examples against bin/linarite, as their first lines say: the device and
# the back end of each language beside each other. The SDKs are those that the
# suites under test/sdk installed; their ports are hard-coded, so that the hub has
# an address of loopback to itself, and 443 needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
address=127.0.78.1
linarite=$PWD/bin/linarite
work=$(mktemp -d)

hub='' device=''
cleanup() {
	[ -z "$device" ] || kill "$device" 2>/dev/null || true
	[ -z "$hub" ] || kill "$hub" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT

"$linarite" serve --hostname $address --mqtt $address:8883 --https $address:443 --amqps $address:5671 --control $address:8080 \
	--data "$work/data" 2>"$work/hub.log" &
hub=$!
export LINARITE_CONTROL=$address:8080
for _ in $(seq 50); do
	"$linarite" health >/dev/null 2>&1 && break
	sleep 0.1
done
"$linarite" health || { cat "$work/hub.log" >&2; exit 1; }

# pair NAME PROGRAM DEVICE BACK-END: the latter two are what the program runs.
pair() {
	local name=$1 program=$2
	"$linarite" device create "$name" >/dev/null
	(
		eval "$("$linarite" env --device "$name" --out "$work")"
		exec timeout 60 "$program" "examples/$name/$3"
	) >"$work/$name.log" 2>&1 &
	device=$!
	(
		eval "$("$linarite" env --out "$work")"
		exec timeout 60 "$program" "examples/$name/$4" "$name"
	) || { cat "$work/$name.log" >&2; exit 1; }
	wait "$device" || { cat "$work/$name.log" >&2; exit 1; }
	device=''
	events=$("$linarite" events --device "$name" | wc -l)
	if [ "$events" != 3 ]; then
		echo "$name: the hub has $events events of 3" >&2
		exit 1
	fi
	echo "ok: examples/$name"
}

export NODE_PATH=test/sdk/node/node_modules
pair node node device.js back-end.js
pair python test/sdk/python/.venv/bin/python device.py back_end.py
go -C examples/device test ./...
