#!/bin/sh
# Make what a deployment keeps for itself: deploy/secrets/, deploy/config/ and deploy/.env. What is there is left as it is.
# usage: deploy/init.sh [paper|demo|live] [KEY_FILE]      (live: the JSON file that Coinbase made for the API key)
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
profile=${1:-paper}
case $profile in
    paper|demo|live) ;;
    *) echo "error: $profile is no profile; choose paper, demo or live" >&2; exit 2 ;;
esac
secrets=$here/secrets
mkdir -p "$secrets"
chmod 0700 "$secrets"

# In the container another user reads them, so the files are open, and the folder on this machine is not.
keep() {
    [ -e "$secrets/$1" ] || { cat > "$secrets/$1.new"; chmod 0444 "$secrets/$1.new"; mv "$secrets/$1.new" "$secrets/$1"; }
}
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

for name in postgres_password bot_db_password grafana_db_password grafana_password; do
    random | keep "$name"
done
for books in paper demo live; do
    printf 'postgresql://quietmaker:%s@postgres:5432/quietmaker_%s' "$(cat "$secrets/bot_db_password")" "$books" |
        keep "ledger_url_$books"
done
if [ "$profile" = live ]; then
    [ -n "${2:-}" ] || [ -e "$secrets/coinbase_key" ] || {
        echo "error: live needs the key: deploy/init.sh live KEY_FILE" >&2; exit 2; }
    [ -z "${2:-}" ] || keep coinbase_key < "$2"
fi
# What the operator chooses lies outside of the checkout's files, which change with it; its base is in the image.
mkdir -p "$here/config"
for mode in paper live; do
    chosen=$here/config/$mode.yaml
    [ -e "$chosen" ] || sed 's|^base: base.yaml$|base: /app/config/base.yaml|' "$here/../config/$mode.yaml" > "$chosen"
done
chmod 0755 "$here/config"
chmod 0644 "$here"/config/*.yaml
env=$here/.env
[ -e "$env" ] || printf '# Read by docker compose. update.sh writes QUIETMAKER_IMAGE.\n' > "$env"
grep -v '^COMPOSE_PROFILES=' "$env" > "$env.new" || true
printf 'COMPOSE_PROFILES=%s\n' "$profile" >> "$env.new"
mv "$env.new" "$env"
echo "profile $profile; the configuration is $here/config, secrets are in $secrets (grafana_password: user admin)" >&2
