#!/usr/bin/env bash
# Draws docs/session.svg: a terminal session with the built hub, as it really goes.
#
#   make build && docs/session.sh
#
# It needs root, for port 443, and what `make test` installs for Node.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

# at types a command, once what comes first is there, and runs it here.
at() {
	until eval "$1" >/dev/null 2>&1; do sleep 0.1; done
	echo "\$ $2"
	eval "$2"
}
play() {
	at true 'linarite &'
	at 'linarite health' 'linarite device create my-device'
	at true 'eval "$(linarite env --device my-device)"'
	at true 'node device.js &'
	at '[ "$(linarite events --json | wc -l)" = 3 ]' 'linarite events'
	at true "linarite send my-device 'open the window'"
	at true 'linarite method my-device stop'
	at true 'linarite device list'
	kill -KILL %1 # in silence
}

# draw makes a picture of the text.
draw() {
	awk -v size=13 -v line=18 '
		function escaped(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }
		{ text[NR] = $0; if (length($0) > columns) columns = length($0) }
		END {
			width = int(columns * size * 0.602) + 40; height = NR * line + 56
			printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", width, height, width, height
			print "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#10203a\"/>"
			split("#ff6b6b #ffd166 #6bcb77", colours, " ")
			for (n = 1; n <= 3; n++) printf "<circle cx=\"%d\" cy=\"20\" r=\"5\" fill=\"%s\"/>\n", 4 + 18 * n, colours[n]
			printf "<g font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"%d\" fill=\"#e6edf3\" xml:space=\"preserve\">\n", size
			for (n = 1; n <= NR; n++) {
				fill = text[n] ~ /^\$ / ? " fill=\"#79c0ff\"" : ""
				if (text[n] != "") printf "<text x=\"20\" y=\"%d\"%s>%s</text>\n", 30 + n * line, fill, escaped(text[n])
			}
			print "</g>\n</svg>"
		}'
}

if [ "${1:-}" = --inside ]; then
	play
	exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/session"
ln -s "$PWD/examples/node/device.js" "$PWD/test/sdk/node/node_modules" "$work/session/"
ln -s "$PWD/bin/linarite" "$work/"
export PATH="$work:$PATH" NODE_PATH="$PWD/test/sdk/node/node_modules" NO_COLOR=1 HOME=$work XDG_DATA_HOME='' XDG_CACHE_HOME=''
script="$PWD/docs/session.sh"
(cd "$work/session" && script --quiet --return --command "bash $script --inside" /dev/null) |
	tr -d '\r' | sed "s#$work#~#g" >"$work/text"
draw <"$work/text" >docs/session.svg
cat "$work/text"
