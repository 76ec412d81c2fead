-- The quota of a person's reports in a day of UTC (RATE-4 of docs/PROTOCOL.md). A refusal is an error, so that nothing is
-- counted: CW004.

-- How often a person has reported a message on a day of UTC: one row a person.
CREATE TABLE chat_reports_made (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    day date NOT NULL,
    reports bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- One more report of a person today (src/db/quotas.rs).
CREATE FUNCTION chat_count_report_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    today constant date := (now() AT TIME ZONE 'UTC')::date;
    made bigint;
BEGIN
    INSERT INTO chat_reports_made AS m (tenant_id, user_id, day, reports)
    VALUES (input->>'tenant', input->>'user', today, 1)
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET day = today,
        reports = CASE WHEN m.day = today THEN m.reports + 1 ELSE 1 END
    RETURNING m.reports INTO made;
    IF made > (input->>'reportsPerDay')::bigint THEN
        RAISE EXCEPTION 'too many reports today' USING ERRCODE = 'CW004';
    END IF;
    RETURN to_json('done'::text);
END $$;
