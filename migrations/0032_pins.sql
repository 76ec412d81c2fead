-- Pinned messages, as the room last projected them. `message_id` decides which message is meant: after a restore the seq
-- may be that of another one. No foreign key to the messages, as one in quarantine may be pinned.
CREATE TABLE chat_pins (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    message_id text COLLATE "C" NOT NULL CHECK (char_length(message_id) BETWEEN 1 AND 128),
    -- The seq of the event that pinned it.
    position bigint NOT NULL,
    pinned_by text COLLATE "C" NOT NULL CHECK (char_length(pinned_by) BETWEEN 1 AND 128),
    pinned_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, room_id, seq),
    -- At most 50 rows, so a cascade may delete them.
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE
);

-- The room's pins are these. Rows that are right already are not written.
CREATE FUNCTION chat_project_pins_v1(tenant text, room text, pins jsonb) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    DELETE FROM chat_pins x WHERE x.tenant_id = tenant AND x.room_id = room AND NOT EXISTS (
        SELECT 1 FROM jsonb_to_recordset(pins) AS p(seq bigint, id text, position bigint)
        WHERE p.seq = x.seq AND p.id = x.message_id AND p.position = x.position);
    INSERT INTO chat_pins (tenant_id, room_id, seq, message_id, position, pinned_by, pinned_at)
    SELECT tenant, room, p.seq, p.id, p.position, p."pinnedBy", to_timestamp(p."atMs" / 1000.0)
    FROM jsonb_to_recordset(pins) AS p(seq bigint, id text, position bigint, "pinnedBy" text, "atMs" bigint)
    ON CONFLICT DO NOTHING;
END $$;

-- The room's pins, the oldest first. By their key, also without statistics.
CREATE FUNCTION chat_pins_of_room_v1(tenant text, room text) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    RETURN (SELECT coalesce(json_agg(json_build_object('seq', x.seq, 'id', x.message_id, 'position', x.position,
            'pinnedBy', x.pinned_by, 'atMs', chat_unix_ms_v1(x.pinned_at)) ORDER BY x.position), '[]')
        FROM chat_pins x WHERE x.tenant_id = tenant AND x.room_id = room);
END $$;

-- As before, and the pins of a batch that has them. A Worker of the previous release sends none.
CREATE OR REPLACE FUNCTION chat_project_v3(batch jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    answer constant json := chat_project_v2(batch);
    inboxes json;
BEGIN
    IF answer->>'state' = 'done' AND batch ? 'pins' THEN
        PERFORM chat_project_pins_v1(batch->>'tenant', batch->>'room', batch->'pins');
    END IF;
    IF answer->>'state' IN ('done', 'ahead') THEN
        inboxes := chat_inboxes_of_room_v1(batch->>'tenant', batch->>'room');
    END IF;
    RETURN CASE WHEN inboxes IS NULL THEN answer
        ELSE (answer::jsonb || jsonb_build_object('inboxes', inboxes))::json END;
END $$;
