#!/bin/sh
# Verify what is deployed: every service healthy, and each of the bot's checks with what was found.
# usage: deploy/verify.sh [OPTIONS OF quietmaker verify]
# Without an engine it verifies the instance that runs under QUIETMAKER_HOME, as `make demo` does.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$here/.env" ]; then
    [ -x "$here/../.venv/bin/quietmaker" ] || { echo "error: nothing is deployed here; see docs/operating.md" >&2; exit 1; }
    cd "$here/.."
    exec .venv/bin/quietmaker verify "$@"
fi
# shellcheck source=deploy/common.sh
. "$here/common.sh"
compose ps --all --format '{{.Service}}\t{{.State}}\t{{.Health}}'
compose exec -T "$(bot "$(profile)")" quietmaker verify --expect "$(image_revision "$(setting QUIETMAKER_IMAGE)")" "$@"
