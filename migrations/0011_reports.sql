-- Reports of messages, for the moderators of the whole tenant. No foreign keys: a report outlives its message and its
-- room, with the text as it was.
CREATE TABLE chat_reports (
    tenant_id text COLLATE "C" NOT NULL,
    -- Derived from message and reporter: one person's report of one message is here once, whoever sends it again.
    id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 300),
    at timestamptz NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    -- A person, or `system`: a rule of the tenant flagged the message.
    reporter text COLLATE "C" NOT NULL,
    author text COLLATE "C" NOT NULL,
    text text NOT NULL,
    reason text NOT NULL CHECK (char_length(reason) <= 500),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dismissed', 'deleted', 'muted', 'banned')),
    resolved_by text COLLATE "C",
    resolved_at timestamptz,
    note text CHECK (char_length(note) <= 500),
    PRIMARY KEY (tenant_id, id),
    CHECK ((state = 'open') = (resolved_by IS NULL))
);

-- Pages of all reports, newest first, and of those in one state.
CREATE INDEX chat_reports_by_time ON chat_reports (tenant_id, at, id);
CREATE INDEX chat_reports_by_state ON chat_reports (tenant_id, state, at, id);

-- A report as REST shows it.
CREATE FUNCTION chat_report_v1(r chat_reports) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_strip_nulls(json_build_object('id', r.id, 'at', chat_iso_v1(r.at), 'roomId', r.room_id,
        'messageId', r.message_id, 'reporter', r.reporter, 'author', r.author, 'text', r.text, 'reason', r.reason,
        'state', r.state, 'resolvedBy', r.resolved_by, 'resolvedAt', chat_iso_v1(r.resolved_at), 'note', r.note))
$$;

-- Writes the reports among these notes of a room into its tenant's list (src/db/reports.rs). The note of an older Worker
-- has no `report`: its text is the present one.
CREATE FUNCTION chat_write_reports_v1(input jsonb) RETURNS json
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_reports (tenant_id, id, at, room_id, message_id, reporter, author, text, reason)
    SELECT input->>'tenant', coalesce(n.report->>'id', n.id), to_timestamp(n."atMs" / 1000.0), input->>'room',
        n.target, n.actor, coalesce(n.report->>'author', m.user_id, ''), coalesce(n.report->>'text', m.content, ''),
        coalesce(n.reason, '')
    FROM jsonb_to_recordset(input->'notes') AS n(
        id text, "atMs" bigint, actor text, action text, target text, reason text, report jsonb)
    LEFT JOIN LATERAL (
        SELECT c.user_id, c.content FROM chat_messages c
        WHERE n.report IS NULL AND c.tenant_id = input->>'tenant' AND c.id = n.target LIMIT 1) m ON true
    WHERE n.action = 'report' AND n.target IS NOT NULL
    ON CONFLICT (tenant_id, id) DO NOTHING;
    RETURN to_json('done'::text);
END $$;

-- Writes the notes of a batch: reports into the tenant's list, and all notes into the room's audit log. The audit log of
-- a direct room names no reporter (DM-2).
CREATE FUNCTION chat_write_notes_v1(tenant text, room text, notes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF notes @? '$[*] ? (@.action == "report")' THEN
        PERFORM chat_write_reports_v1(jsonb_build_object('tenant', tenant, 'room', room, 'notes', notes));
        IF (SELECT r.type FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room) = 'direct' THEN
            notes := (SELECT coalesce(jsonb_agg(n), '[]') FROM jsonb_array_elements(notes) n
                WHERE n->>'action' <> 'report');
        END IF;
    END IF;
    PERFORM chat_write_audit_v1(tenant, room, notes, NULL);
END $$;

-- Reports of the time before this table.
INSERT INTO chat_reports (tenant_id, id, at, room_id, message_id, reporter, author, text, reason)
SELECT a.tenant_id, a.id, a.at, a.room_id, a.target, a.actor, coalesce(m.user_id, ''), coalesce(m.content, ''),
    coalesce(a.reason, '')
FROM chat_audit a
LEFT JOIN chat_messages m ON m.tenant_id = a.tenant_id AND m.id = a.target
WHERE a.action = 'report' AND a.target IS NOT NULL;

DELETE FROM chat_audit a USING chat_rooms r
WHERE a.action = 'report' AND r.tenant_id = a.tenant_id AND r.id = a.room_id AND r.type = 'direct';

-- One batch of a room's outbox (src/db/projection.rs, which has the laws): all of it is written, or nothing. Reactions
-- are changes (0008), and notes include reports.
CREATE FUNCTION chat_project_v2(batch jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := batch->>'tenant';
    room constant text := batch->>'room';
    batch_to constant bigint := (batch->>'to')::bigint;
    messages jsonb := batch->'messages';
    state text;
    stored record;
    marker record;
    conflicts bigint[] := '{}';
    stale bigint[];
    touched bigint[];
    unmentions boolean;
    talked_at timestamptz;
BEGIN
    -- NO KEY: foreign keys to the room may be checked meanwhile.
    SELECT r.last_seq, r.members_version, r.epoch INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN json_build_object('state', 'missing');
    END IF;
    state := CASE
        WHEN stored.last_seq < (batch->>'from')::bigint THEN 'behind'
        WHEN stored.last_seq > batch_to THEN 'ahead'
        ELSE 'done' END;

    IF state <> 'behind' AND messages <> '[]' THEN
        SELECT coalesce(array_agg(g.seq ORDER BY g.seq) FILTER (WHERE c.conflict), '{}'),
            coalesce(array_agg(g.seq) FILTER (WHERE NOT c.conflict AND c.stale), '{}'),
            coalesce(array_agg(g.seq) FILTER (WHERE NOT c.conflict AND c.stale IS NOT TRUE), '{}'),
            bool_or(c.mentions <> '[]' AND (c.mentions <> g.mentions OR g."deletedAtMs" IS NOT NULL))
        INTO conflicts, stale, touched, unmentions
        FROM jsonb_to_recordset(messages) AS g(
            seq bigint, id text, version integer, mentions jsonb, "deletedAtMs" bigint)
        CROSS JOIN LATERAL (
            SELECT m.mentions, m.id IS DISTINCT FROM g.id AS conflict,
                m.version > g.version OR (m.deleted_at IS NOT NULL AND g."deletedAtMs" IS NULL) AS stale
            FROM chat_messages m
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.seq = g.seq LIMIT 1) c;
    END IF;

    IF state = 'done' AND messages <> '[]' THEN
        IF conflicts <> '{}' OR stale <> '{}' THEN
            messages := (
                SELECT coalesce(jsonb_agg(g), '[]') FROM jsonb_array_elements(messages) g
                WHERE ((g->>'seq')::bigint <> ALL (conflicts || stale)) IS NOT FALSE);
        END IF;
        IF unmentions THEN
            PERFORM chat_project_unmention_v1(tenant, room, messages);
        END IF;
        talked_at := chat_project_messages_v2(tenant, room, messages);
        PERFORM chat_project_details_v2(tenant, room, messages, touched);
    END IF;
    IF state = 'done' AND jsonb_array_length(batch->'reactions') > 0 THEN
        PERFORM chat_project_reactions_v1(tenant, room, batch->'reactions');
    END IF;

    IF state = 'done' THEN
        FOR marker IN
            SELECT x.key AS user_id, r.generation, r.seq
            FROM jsonb_each(batch->'reads') x
            CROSS JOIN jsonb_to_record(x.value) AS r(generation bigint, seq bigint)
        LOOP
            UPDATE chat_room_members m SET read_generation = marker.generation, last_read_seq = marker.seq
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = marker.user_id
              AND (m.read_generation, m.last_read_seq) < (marker.generation, marker.seq);
        END LOOP;
        IF batch->'audit' <> '[]' THEN
            PERFORM chat_write_notes_v1(tenant, room, batch->'audit');
        END IF;
        UPDATE chat_rooms r SET last_seq = batch_to, epoch = batch->>'epoch',
            last_message_at = greatest(r.last_message_at, talked_at)
        WHERE r.tenant_id = tenant AND r.id = room;
    END IF;

    RETURN json_build_object('state', state, 'membersVersion', stored.members_version, 'epoch', stored.epoch,
        'lastSeq', CASE state WHEN 'done' THEN batch_to ELSE stored.last_seq END,
        'conflicts', array_to_json(conflicts));
END $$;
