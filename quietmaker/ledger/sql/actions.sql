-- What operators did to the books, and what came of it.

-- name: record
INSERT INTO operator_actions (at_ns, operator, action, arguments, outcome)
VALUES (%(at)s, %(operator)s, %(action)s, %(arguments)s::json, %(outcome)s)

-- name: connected
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'quietmaker' AND pid <> pg_backend_pid()
