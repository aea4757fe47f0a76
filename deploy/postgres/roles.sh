#!/bin/sh
# Run once by PostgreSQL's image, when its volume is empty: the bot's role and books, and who reads for dashboards.
# None of them is a superuser. Passwords are made by deploy/init.sh: letters and digits, so that quoting is simple.
set -eu
secrets=${QUIETMAKER_SECRETS:-/run/secrets}
psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" \
    -v bot="$(cat "$secrets/bot_db_password")" -v reader="$(cat "$secrets/grafana_db_password")" <<'SQL'
CREATE ROLE quietmaker LOGIN PASSWORD :'bot';
CREATE ROLE grafana_ro LOGIN PASSWORD :'reader';
ALTER ROLE grafana_ro SET default_transaction_read_only = on;
ALTER ROLE grafana_ro SET statement_timeout = '15s';
ALTER ROLE grafana_ro SET idle_in_transaction_session_timeout = '60s';
CREATE DATABASE quietmaker_paper OWNER quietmaker;
CREATE DATABASE quietmaker_demo OWNER quietmaker;
CREATE DATABASE quietmaker_live OWNER quietmaker;
SQL
