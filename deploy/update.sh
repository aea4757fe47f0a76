#!/bin/sh
# Deploy a commit, or an image of a registry by its digest; put back what ran if it does not verify.
# usage: deploy/update.sh [COMMIT]                  builds it (deploy/build.sh, whose options it takes before COMMIT)
#        deploy/update.sh --image NAME@sha256:...   pulls it
#
# In this order: the image is there, the configuration is valid for it, the books can be used by it, a backup is taken
# by the program that runs, and only then is that stopped. Nothing is deployed from a tag, nor from another folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$here/common.sh"
profile=$(profile)
bot=$(bot "$profile")

lock
refuse_other_folder
if [ "${1:-}" = --image ]; then
    image=${2:?--image needs NAME@sha256:...}
    case $image in *@sha256:*) ;; *) fail "$image names no digest: what a tag means changes" ;; esac
    $engine pull --quiet "$image" >&2
else
    image=$("$here/build.sh" "$@")
fi
id=$(image_id "$image") || fail "there is no image $image"
revision=$(image_revision "$image")
say "image $image, id $id, commit $revision"

with_exchange "$image"
say "is the configuration valid for it?"
once "$image" config check > /dev/null

# A database that runs is left alone while something trades on it.
[ -n "$(compose ps --quiet --status running postgres)" ] || compose up --detach --wait postgres >&2
say "can it use the books?"
schema=$(once "$image" db schema --json) || fail "the books are newer than this image: $schema"
books=$(printf %s "$schema" | sed -n 's/.*"books": "\([^"]*\)".*/\1/p')

old=$(setting QUIETMAKER_IMAGE)
backup=none
running=$(compose ps --quiet --status running "$bot" || true)
if [ -n "$running" ] && [ -n "$books" ]; then
    backup=/var/lib/quietmaker/backup-$(date -u +%Y%m%dT%H%M%SZ).zip
    say "backup $backup"
    # By the configuration of its own image: what was edited for the new program it may not understand.
    own=/app/config/$([ "$profile" = live ] && echo live || echo paper).yaml
    compose exec -T --env "QUIETMAKER_CONFIG=$own" "$bot" quietmaker db backup "$backup" > /dev/null
    compose logs --no-color --tail 20000 "$bot" > "$releases/$(date -u +%Y%m%dT%H%M%SZ).log" 2>/dev/null || true
fi

say "stopping what runs, starting $image"
if start_and_verify "$image"; then
    record "$image" "$id" "$revision" "${books:-empty}" "$backup"
    exit 0
fi
say "it does not verify; its last words:"
compose logs --no-color --tail 20 "$bot" >&2 || true
if [ -z "$old" ]; then
    compose stop "$bot" >&2
    fail "and nothing ran before that could be put back; it is stopped"
fi
after=$(once "$image" db schema --json | sed -n 's/.*"books": "\([^"]*\)".*/\1/p')
if [ "$after" != "$books" ] && ! once "$old" db schema > /dev/null; then
    compose stop "$bot" >&2
    fail "it migrated the books, so $old cannot use them; stopped. Restore: deploy/rollback.sh --restore $backup $old"
fi
say "putting $old back"
start_and_verify "$old" || fail "and $old does not verify any more either; see docs/operating.md"
fail "$image was not deployed; $old runs again"
