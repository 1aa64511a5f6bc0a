#!/bin/sh
# Makes the pictures of docs/images: charts by retrysim itself, and pages as
# Chromium shows them. Run it from the root of the repository (make screenshots).
set -eu
browser=${CHROMIUM:-chromium}
command -v "$browser" >/dev/null || { echo "screenshots: no $browser here (apt-get install chromium, or set CHROMIUM)"; exit 1; }
out=docs/images
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$out"
${GO:-go} build -o "$tmp/retrysim" ./cmd/retrysim

retrysim() { "$tmp/retrysim" -q "$@" >/dev/null; }
# shot PAGE PICTURE WIDTH HEIGHT [FLAG...]
shot() {
	page=$1 picture=$2 size=$3,$4
	shift 4
	"$browser" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync --hide-scrollbars \
		--virtual-time-budget=3000 --user-data-dir="$tmp/profile" "$@" --window-size="$size" --screenshot="$out/$picture" "file://$page" 2>/dev/null
}

retrysim schedule exp:base=200ms,cap=5s,jitter=full,attempts=6 --deadline 4s -o "$out/schedule.png"
retrysim run examples/overloaded.retry -o "$out/call.png"
retrysim compare examples/metastable.retry -p scenario -p jitter=scenario,base=1s,jitter=full -p budget=scenario+budget=10% -o "$tmp/compare.html" -o "$out/compare.png"
retrysim sweep examples/metastable.retry -p scenario -p budget=scenario+budget=10% --staircase -o "$out/hysteresis.png"
retrysim fleet examples/outage.retry -o "$tmp/fleet.html"
shot "$tmp/compare.html" report.png 1400 2080
shot "$tmp/fleet.html" report-dark.png 1400 2560 --blink-settings=preferredColorScheme=0
shot "$tmp/compare.html" report-400.png 400 2560
ls -l "$out"
