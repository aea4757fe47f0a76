# shellcheck shell=sh
# Shared by update.sh, rollback.sh and verify.sh; sourced, not run. The caller has set `here`.
#
# The engine: QUIETMAKER_ENGINE (docker) and QUIETMAKER_COMPOSE ("docker compose").
engine=${QUIETMAKER_ENGINE:-docker}
compose_command=${QUIETMAKER_COMPOSE:-$engine compose}
: "${here:?}"
# shellcheck disable=SC2034
releases=$here/releases
env_file=$here/.env

say() { echo "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# Compose reads the file as a whole, so it wants an image even where none runs yet. A variable of this shell would
# win over .env, so it is none of ours.
unset QUIETMAKER_IMAGE
compose() {
    # shellcheck disable=SC2086 # a command of two words
    (cd "$here" && QUIETMAKER_IMAGE=${QUIETMAKER_IMAGE:-$(setting QUIETMAKER_IMAGE)} &&
        QUIETMAKER_IMAGE=${QUIETMAKER_IMAGE:-none} && export QUIETMAKER_IMAGE && $compose_command --project-directory "$here" --file "$here/compose.yaml" "$@")
}

setting() { sed -n "s/^$1=//p" "$env_file" 2>/dev/null | tail -n 1; }

# Replace one setting of .env; readers see the old file or the new one.
set_setting() {
    umask 077
    { grep -v "^$1=" "$env_file" || true; echo "$1=$2"; } > "$env_file.new"
    mv "$env_file.new" "$env_file"
}

profile() {
    case $(setting COMPOSE_PROFILES) in
        paper) echo paper ;;
        demo) echo demo ;;
        live) echo live ;;
        *) fail "$env_file names no profile; run deploy/init.sh paper (or demo, or live)" ;;
    esac
}

# The service that trades under a profile.
bot() {
    case $1 in
        paper) echo bot ;;
        *) echo "bot-$1" ;;
    esac
}

# One deployment per machine, from one folder: a copy elsewhere would start other containers on the same volumes.
refuse_other_folder() {
    ids=$($engine ps --all --quiet --filter label=com.docker.compose.project=quietmaker)
    for id in $ids; do
        other=$($engine inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$id")
        [ "$other" = "$here" ] || fail "Quietmaker is deployed from $other on this machine; use the scripts there"
    done
}

# One at a time: a folder can be made only once.
lock() {
    mkdir -p "$releases"
    touch "$releases/log"
    mkdir "$releases/.lock" 2>/dev/null || fail "another update or rollback runs (else remove $releases/.lock)"
    trap 'rmdir "$releases/.lock"' EXIT
    trap 'exit 130' INT TERM
}

# The identity of an image: what it is, whatever it is called.
image_id() { $engine image inspect --format '{{.Id}}' "$1" 2>/dev/null; }
image_revision() {
    $engine image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$1"
}

# Run a command of an image with the configuration, books and home of the deployment; nothing else is started.
# Not with --rm: some engines lose the exit code with the container.
one_off() {
    image=$1; shift
    code=0
    QUIETMAKER_IMAGE=$image compose run --no-deps -T --name "quietmaker-once-$$" "$@" || code=$?
    $engine rm --force "quietmaker-once-$$" > /dev/null 2>&1 || true
    return "$code"
}

once() {
    image=$1; shift
    one_off "$image" "$(bot "$(profile)")" "$@"
}

# Whether a file is in the bot's volume; asked of an image's Python, since there may be no shell in it.
readable() {
    one_off "$1" --entrypoint /opt/quietmaker/bin/python "$(bot "$(profile)")" \
        -c 'import os, sys; sys.exit(not os.access(sys.argv[1], os.R_OK))' "$2"
}

# A demo's bot lives in the network of its exchange, which has to be there even for a command.
with_exchange() {
    [ "$(profile)" != demo ] || QUIETMAKER_IMAGE=$1 compose up --detach --wait exchange >&2
}

# Stop whatever trades, in any profile, while its database is still there: compose may want to change that as well.
stop_bots() {
    compose --profile paper --profile demo --profile live stop bot bot-live bot-demo >&2
}

# Start an image and wait until it is healthy, then until it is ready and passes its verification.
start_and_verify() {
    image=$1
    set_setting QUIETMAKER_IMAGE "$image"
    stop_bots || return 1
    compose up --detach --wait --wait-timeout "${QUIETMAKER_WAIT:-120}" "$(bot "$(profile)")" || return 1
    verify_for "${QUIETMAKER_PATIENCE:-120}" "$(image_revision "$image")" || return 1
    # What watches is no reason to take back what trades, and starting it touches nothing that does.
    compose up --detach --no-deps --wait --wait-timeout "${QUIETMAKER_WAIT:-120}" prometheus grafana ||
        say "warning: not every service is healthy"
}

verify_for() {
    deadline=$(($(date +%s) + $1))
    while ! compose exec -T "$(bot "$(profile)")" quietmaker health --ready >&2; do
        [ "$(date +%s)" -lt "$deadline" ] || { say "not ready within $1 s"; return 1; }
        sleep 2
    done
    compose exec -T "$(bot "$(profile)")" quietmaker verify --expect "$2"
}

# What is deployed: number, time, image, its id, commit, schema of the books before, backup taken before.
record() {
    number=$(($(wc -l < "$releases/log") + 1))
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$number" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$@" >> "$releases/log"
    say "release $number: $1"
}

# Print a field of the log's last line, or of an earlier one that runs another image.
released() { tail -n 1 "$releases/log" 2>/dev/null | cut -f "$1"; }
