#!/bin/sh
# Everything up, then verified: by compose where an engine answers, else as processes of this machine.
# usage: deploy/demo.sh [--stay]      (--stay: run on until Ctrl-C; the verdict is the exit code either way)
#
# Without an engine it is the bot, its paper exchange and an embedded PostgreSQL; and Prometheus with the rules where
# deploy/prometheus/fetch can bring it. Grafana comes only as a container. State lies under var/demo.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
engine=${QUIETMAKER_ENGINE:-docker}
stay=${1:-}
cd "$here/.."
if $engine info > /dev/null 2>&1; then
    deploy/init.sh demo
    deploy/update.sh
    deploy/verify.sh
    echo "Grafana http://127.0.0.1:3000 (admin, deploy/secrets/grafana_password), Prometheus http://127.0.0.1:9090" >&2
    exit 0
fi

echo "no container engine answers; the demo runs as processes" >&2
bin=$PWD/.venv/bin
export QUIETMAKER_HOME="${QUIETMAKER_HOME:-$PWD/var/demo}" QUIETMAKER_CONFIG=deploy/demo.yaml
: "${QUIETMAKER__MANAGEMENT__PORT:=9464}" "${PROMETHEUS_PORT:=9090}"
export QUIETMAKER__MANAGEMENT__PORT
mkdir -p "$QUIETMAKER_HOME"
log=$QUIETMAKER_HOME/demo.log
"$bin/quietmaker" run > "$log" 2>&1 &
bot=$!
prometheus=
# shellcheck disable=SC2317 # called by the trap
stop() {
    [ -z "$prometheus" ] || kill "$prometheus" 2> /dev/null || true
    kill -TERM "$bot" 2> /dev/null || true
    wait "$bot" || true
}
trap stop EXIT
trap 'exit 130' INT TERM
echo "the bot's log is $log" >&2

if deploy/prometheus/fetch "$QUIETMAKER_HOME/bin" 2> /dev/null; then
    # The rules are those of the deployment; only the addresses are this machine's.
    sed -e "s/bot:9464/127.0.0.1:$QUIETMAKER__MANAGEMENT__PORT/; s/localhost:9090/127.0.0.1:$PROMETHEUS_PORT/" \
        -e "s|rules/\*|$here/prometheus/rules/*|" deploy/prometheus/prometheus.yaml > "$QUIETMAKER_HOME/prometheus.yaml"
    "$QUIETMAKER_HOME/bin/prometheus" --config.file="$QUIETMAKER_HOME/prometheus.yaml" \
        --storage.tsdb.path="$QUIETMAKER_HOME/prometheus" --web.listen-address="127.0.0.1:$PROMETHEUS_PORT" \
        > "$QUIETMAKER_HOME/prometheus.log" 2>&1 &
    prometheus=$!
    echo "Prometheus: http://127.0.0.1:$PROMETHEUS_PORT" >&2
else
    echo "without Prometheus: it is not installed, and cannot be fetched here" >&2
fi

deadline=$(($(date +%s) + ${DEMO_PATIENCE:-150}))
until "$bin/quietmaker" health --ready > /dev/null 2>&1; do
    kill -0 "$bot" 2> /dev/null || { tail -n 5 "$log" >&2; exit 1; }
    [ "$(date +%s)" -lt "$deadline" ] || { "$bin/quietmaker" health --ready; exit 1; }
    sleep 1
done
# Some checks wait for the market: an exit by age needs a position that grew old.
until "$bin/quietmaker" verify --settled > /dev/null 2>&1 || [ "$(date +%s)" -ge "$deadline" ]; do sleep 2; done
verdict=0
deploy/verify.sh || verdict=$?
if [ "$stay" = --stay ]; then
    echo "it runs until Ctrl-C; in another terminal: QUIETMAKER_HOME=$QUIETMAKER_HOME .venv/bin/quietmaker status" >&2
    wait "$bot"
fi
exit "$verdict"
