-- The role of the Worker: it reads and writes the rows of the tables and nothing else, and none of its statements holds
-- up others for long. It may not log in until it has a password (README.md, "Deploying"; `cargo xtask migrate
-- --worker-password`). Where whoever migrates may not create roles, an administrator runs this file.
--
-- A statement may take as long as the Worker waits for it (`STATEMENT_TIMEOUT_MS` in src/limits.rs); a lock half of it,
-- so that a statement that waits for one can still be told apart.

DO $$ BEGIN
    IF to_regrole('chinwag_worker') IS NULL THEN
        CREATE ROLE chinwag_worker NOLOGIN;
    END IF;
    ALTER ROLE chinwag_worker SET statement_timeout = '8s';
    ALTER ROLE chinwag_worker SET lock_timeout = '4s';
    ALTER ROLE chinwag_worker SET idle_in_transaction_session_timeout = '10s';
EXCEPTION
    -- Roles belong to all databases of a server: another of them may be migrated at this moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN RAISE NOTICE 'the role chinwag_worker is not prepared: %', SQLERRM;
END $$;

DO $$
DECLARE
    tables text;
BEGIN
    IF to_regrole('chinwag_worker') IS NULL THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%I', c.relname), ', ') INTO tables
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v') AND c.relname LIKE 'chat\_%';
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO chinwag_worker', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO chinwag_worker', tables);
    -- And on the tables of later migrations.
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chinwag_worker',
        current_schema());
END $$;
