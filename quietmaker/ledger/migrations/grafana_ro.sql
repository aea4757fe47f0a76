-- A role that reads and cannot write, for dashboards. It cannot log in until somebody gives it a password.
-- Run by a migration and at every start: a role that an administrator made meanwhile gets its rights then.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_ro') THEN
        BEGIN
            CREATE ROLE grafana_ro NOLOGIN;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RETURN;  -- the program says what to do
            WHEN duplicate_object OR unique_violation THEN
                NULL;  -- made at this moment by the migration of another database of this server
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_ro' AND cardinality(rolconfig) >= 3) THEN
        BEGIN
            ALTER ROLE grafana_ro SET default_transaction_read_only = on;
            ALTER ROLE grafana_ro SET statement_timeout = '15s';
            ALTER ROLE grafana_ro SET idle_in_transaction_session_timeout = '60s';
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;  -- somebody else's role: its limits are theirs, it still cannot write
        END;
    END IF;
    IF NOT has_schema_privilege('grafana_ro', 'public', 'USAGE') THEN
        GRANT USAGE ON SCHEMA public TO grafana_ro;
    END IF;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO grafana_ro;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO grafana_ro;
END $$;
