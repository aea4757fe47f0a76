#!/bin/sh
# Put back the image that ran before, or a given one, and verify it.
# usage: deploy/rollback.sh [--restore BACKUP] [IMAGE]      (default: the image before the one that runs)
#
# Books that a newer program migrated cannot be used by an older one: that is found out before anything is stopped.
# --restore then gives it the backup that update.sh took; what is in the database now is kept under another name.
# What happened since the backup is asked for at the exchange at the start, and named where it differs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$here/common.sh"
profile=$(profile)
restore=
psql() {
    compose exec -T postgres psql --quiet --username postgres --dbname postgres -v ON_ERROR_STOP=1 "$@" > /dev/null
}
while [ $# -gt 0 ]; do
    case $1 in
        --restore) restore=${2:?--restore needs a backup, see $releases/log}; shift 2 ;;
        -*) say "error: unknown option $1; see the head of $0"; exit 2 ;;
        *) break ;;
    esac
done
lock
refuse_other_folder
current=$(setting QUIETMAKER_IMAGE)
image=${1:-$(cut -f 3 "$releases/log" 2>/dev/null | grep -vxF "$current" | tail -n 1)}
[ -n "$image" ] || fail "no other image was deployed before; name one"
id=$(image_id "$image") || fail "there is no image $image on this machine any more"
recorded=$(awk -F '\t' -v image="$image" '$3 == image { id = $4 } END { print id }' "$releases/log" 2>/dev/null)
[ -z "$recorded" ] || [ "$recorded" = "$id" ] || fail "$image is $id now and was $recorded when it was deployed"

with_exchange "$image"
say "is the configuration valid for $image?"
once "$image" config check > /dev/null
if [ -z "$restore" ]; then
    say "can it use the books?"
    once "$image" db schema >&2 ||
        fail "the books are newer than $image; a backup of before: deploy/rollback.sh --restore BACKUP (see $releases/log)"
else
    readable "$image" "$restore" || fail "$restore is no file in the bot's volume; see $releases/log"
    kept=quietmaker_${profile}_$(date -u +%Y%m%d%H%M%S)
    say "stopping what runs; the books of now are kept as $kept"
    stop_bots
    psql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'quietmaker_$profile'" \
        -c "ALTER DATABASE quietmaker_$profile RENAME TO $kept" \
        -c "CREATE DATABASE quietmaker_$profile OWNER quietmaker"
    if ! once "$image" db restore "$restore" >&2; then
        say "putting the books of now back, and $current"
        psql -c "DROP DATABASE quietmaker_$profile" -c "ALTER DATABASE $kept RENAME TO quietmaker_$profile"
        start_and_verify "$current" || say "$current does not verify any more either"
        fail "$restore was not restored"
    fi
fi
start_and_verify "$image" || fail "$image does not verify; see docs/operating.md"
record "$image" "$id" "$(image_revision "$image")" "$(once "$image" db schema --json |
    sed -n 's/.*"books": "\([^"]*\)".*/\1/p')" "${restore:-none}"
