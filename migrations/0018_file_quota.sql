-- The quota of a person's files (RATE-3 of docs/PROTOCOL.md). A refusal is an error, CW003, so that nothing of it is counted.

-- The files that are counted. A row comes before the file's first byte and goes after the bucket has removed the file. No
-- foreign key: the room may be deleted before its files are removed.
CREATE TABLE chat_files (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (tenant_id, room_id, id)
);

-- The sum of `bytes` of a person's rows in chat_files.
CREATE TABLE chat_file_bytes (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    bytes bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- The file is counted (src/db/quotas.rs); a retry counts nothing.
CREATE FUNCTION chat_count_file_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    size constant bigint := (input->>'bytes')::bigint;
    total bigint;
BEGIN
    INSERT INTO chat_files (tenant_id, room_id, id, user_id, bytes)
    VALUES (input->>'tenant', input->>'room', input->>'file', input->>'user', size)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO chat_file_bytes AS b (tenant_id, user_id, bytes) VALUES (input->>'tenant', input->>'user', size)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET bytes = b.bytes + excluded.bytes
        RETURNING b.bytes INTO total;
        IF total > (input->>'bytesMax')::bigint THEN
            RAISE EXCEPTION 'too many bytes of files' USING ERRCODE = 'CW003';
        END IF;
    END IF;
    RETURN to_json('done'::text);
END $$;

-- These files of a room are counted no more. Counters are locked in the order of their keys: releases of several rooms
-- don't wait for each other in a circle.
CREATE FUNCTION chat_release_files_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    released record;
BEGIN
    FOR released IN
        WITH gone AS (
            DELETE FROM chat_files f USING jsonb_array_elements_text(input->'released') AS file(id)
            WHERE f.tenant_id = input->>'tenant' AND f.room_id = input->>'room' AND f.id = file.id
            RETURNING f.user_id, f.bytes)
        SELECT gone.user_id, sum(gone.bytes)::bigint AS bytes FROM gone GROUP BY gone.user_id ORDER BY gone.user_id
    LOOP
        UPDATE chat_file_bytes b SET bytes = b.bytes - released.bytes
        WHERE b.tenant_id = input->>'tenant' AND b.user_id = released.user_id;
    END LOOP;
    RETURN to_json('done'::text);
END $$;
