#!/bin/sh
# Build the image of HEAD without a network and without an engine, and run the bot in it: `make image-check`.
# Needs root, buildah and debootstrap (Debian: apt-get install buildah debootstrap). The base image is a bare Debian
# with its own Python, kept under var/image; the first time takes some minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
for tool in buildah debootstrap; do
    command -v "$tool" > /dev/null || { echo "error: $tool is not installed" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "error: debootstrap and buildah's chroot isolation need root" >&2; exit 1; }
work=$PWD/var/image
mkdir -p "$work"
export BUILDAH_ISOLATION=chroot
# A name of its own for the engine: build.sh takes one word or several, and none of the machine's images is touched.
b="buildah --root $work/storage --runroot $work/run --storage-driver ${STORAGE_DRIVER:-overlay}"

if ! $b inspect --type image localhost/base > /dev/null 2>&1; then
    mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {print $2; exit}' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null)
    [ -d "$work/root/usr" ] || debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$work/root" "$mirror" > "$work/debootstrap.log"
    base=$($b from scratch)
    cp -a "$work/root/." "$($b mount "$base")/"
    $b commit --quiet --rm "$base" localhost/base > /dev/null
fi
revision=$(git rev-parse HEAD)
[ "$(cat "$work/wheels/REVISION" 2> /dev/null)" = "$revision" ] || deploy/wheels.sh "$work/wheels" "$revision"
image=$(QUIETMAKER_ENGINE=$b deploy/build.sh --wheels "$work/wheels" --base localhost/base --build-base localhost/base "$revision" \
    2> "$work/build.log") || { tail -n 20 "$work/build.log" >&2; exit 1; }

container=$($b from "$image")
bot=
stop() {
    [ -z "$bot" ] || kill "$bot" 2> /dev/null || true
    $b rm "$container" > /dev/null
}
trap stop EXIT
inside() { $b run "$container" -- "$@"; }
check() { what=$1; shift; if "$@" > "$work/out" 2>&1; then echo "ok      $what"; else echo "FAILED  $what"; cat "$work/out"; exit 1; fi; }

inside quietmaker version --json > "$work/version"
check "its core is compiled" grep -q '"compiled": true' "$work/version"
check "it says which commit it is of" grep -q "\"revision\": \"$revision\"" "$work/version"
check "it runs as nobody in particular" test "$(inside /usr/bin/python3 -c 'import os; print(os.getuid(), os.getgid())')" = "10001 10001"
check "it cannot write its program" inside /usr/bin/python3 -c 'import os, sys; sys.exit(os.access("/opt/quietmaker", os.W_OK) or os.access("/app", os.W_OK))'
check "its configuration is valid" inside quietmaker config check
check "there is no pip in it" inside /usr/bin/python3 -c 'import os, sys; sys.exit(os.path.exists("/opt/quietmaker/bin/pip"))'
$b run "$container" -- quietmaker run --set management.port=0 > "$work/bot.log" 2>&1 &
bot=$!
deadline=$(($(date +%s) + 120))
until inside quietmaker health --ready > /dev/null 2>&1 || [ "$(date +%s)" -gt "$deadline" ]; do sleep 1; done
check "it becomes ready" inside quietmaker health --ready
check "it verifies" inside quietmaker verify --expect "$revision" --set management.port=0
cat "$work/out"
pid=$(inside /usr/bin/python3 -c 'import json; print(json.load(open("/var/lib/quietmaker/instance.json"))["pid"])')
began=$(date +%s)
kill -TERM "$pid"
check "it ends with 0 on SIGTERM" wait "$bot"
bot=
check "within 30 s" test $(($(date +%s) - began)) -lt 30
echo "$image"
