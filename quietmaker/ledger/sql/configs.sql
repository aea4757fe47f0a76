-- The effective settings behind each configuration hash.

-- name: remember
INSERT INTO config_history (config_sha, first_ns, settings) VALUES (%(config_sha)s, %(at)s, %(settings)s::json)
ON CONFLICT (config_sha) DO NOTHING
