-- Whose inbox is open: a person's lease, which their inbox (src/inbox) takes when the first device connects and ends with
-- the last one. Whoever changes what a person's list shows learns from the same statement which inboxes to poke, so that
-- no room asks anything for it. An inbox that was killed leaves its lease behind until it is over.
--
-- Names, settings and lookups of the functions are as in 0006.

CREATE TABLE chat_inboxes (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- Whether any lease of a tenant runs, however many are over.
CREATE INDEX chat_inboxes_by_end ON chat_inboxes (tenant_id, until);

-- The lease runs for `leaseMs` from now on; 0 ends it. Gives whether it was running before.
CREATE FUNCTION chat_lease_inbox_v1(question jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    person constant text := question->>'user';
    lease_ms constant bigint := (question->>'leaseMs')::bigint;
    was_running boolean;
BEGIN
    SELECT i.until > now() INTO was_running
    FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.user_id = person;
    IF lease_ms = 0 THEN
        DELETE FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.user_id = person;
    ELSE
        INSERT INTO chat_inboxes AS i (tenant_id, user_id, until)
        VALUES (tenant, person, now() + lease_ms * interval '1 millisecond')
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET until = excluded.until;
    END IF;
    RETURN json_build_object('wasRunning', coalesce(was_running, false));
END $$;

-- The people of a JSON array whose lease runs, as a JSON array; NULL: nobody's.
CREATE FUNCTION chat_inboxes_of_people_v1(tenant text, people jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT json_agg(p.id)
        FROM jsonb_array_elements_text(people) AS p(id)
        CROSS JOIN LATERAL (
            SELECT FROM chat_inboxes i
            WHERE i.tenant_id = tenant AND i.user_id = p.id AND i.until > now() LIMIT 1) lease);
END $$;

-- The members of a room whose lease runs, as a JSON array; NULL: nobody's. In a tenant without one it is one lookup.
CREATE FUNCTION chat_inboxes_of_room_v1(tenant text, room text) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.until > now() LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT json_agg(m.user_id)
        FROM chat_room_members m
        CROSS JOIN LATERAL (
            SELECT FROM chat_inboxes i
            WHERE i.tenant_id = m.tenant_id AND i.user_id = m.user_id AND i.until > now() LIMIT 1) lease
        WHERE m.tenant_id = tenant AND m.room_id = room);
END $$;

-- Why somebody is not in a room any more: 'deleted', 'banned', 'left' or 'removed'. The newest 1,000 changes are looked at
-- for a leave.
CREATE FUNCTION chat_gone_reason_v1(tenant text, room text, person text) RETURNS text
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room AND r.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN 'deleted';
    END IF;
    PERFORM FROM chat_bans b
    WHERE b.tenant_id = tenant AND b.room_id = room AND b.user_id = person AND (b.until IS NULL OR b.until > now());
    IF FOUND THEN
        RETURN 'banned';
    END IF;
    RETURN coalesce((
        SELECT CASE WHEN c.actor = person THEN 'left' ELSE 'removed' END
        FROM (
            SELECT a.actor, a.action, a.target, a.version FROM chat_audit a
            WHERE a.tenant_id = tenant AND a.room_id = room AND a.version IS NOT NULL
            ORDER BY a.version DESC LIMIT 1000) c
        WHERE c.action = 'remove' AND c.target = person
        ORDER BY c.version DESC LIMIT 1), 'removed');
END $$;

-- These rooms as one person sees them now, in the order asked for: `{id, room, gone}`, where `room` is
-- the list's (chat_room_json_v2), or null with the reason in `gone`.
CREATE FUNCTION chat_inbox_rooms_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    person constant text := question->>'user';
BEGIN
    RETURN (
        SELECT coalesce(json_agg(json_build_object('id', seen.id, 'room', seen.room,
            'gone', CASE WHEN seen.room IS NULL THEN chat_gone_reason_v1(tenant, seen.id, person) END)
            ORDER BY seen.place), '[]')
        FROM (
            SELECT asked.id, asked.place, chat_room_json_v2(tenant, asked.id, person, question->'bounds') AS room
            FROM jsonb_array_elements_text(question->'rooms') WITH ORDINALITY AS asked(id, place)
            OFFSET 0) seen);
END $$;

-- chat_project_v2, and whom to poke: `inboxes` of the members whose list the batch has changed, or an earlier one whose
-- answer was lost.
CREATE FUNCTION chat_project_v3(batch jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    answer constant json := chat_project_v2(batch);
    inboxes json;
BEGIN
    IF answer->>'state' IN ('done', 'ahead') THEN
        inboxes := chat_inboxes_of_room_v1(batch->>'tenant', batch->>'room');
    END IF;
    RETURN CASE WHEN inboxes IS NULL THEN answer
        ELSE (answer::jsonb || jsonb_build_object('inboxes', inboxes))::json END;
END $$;

-- chat_apply_v3, and whom to poke of those whom no event of the room tells: who is no member any more, and whose own
-- settings these are.
CREATE FUNCTION chat_apply_v4(change jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    state constant json := chat_apply_v3(change);
BEGIN
    RETURN json_build_object('state', state, 'inboxes', chat_inboxes_of_people_v1(change->>'tenant',
        change->'gone' || (SELECT coalesce(jsonb_agg(n.value->'userId'), '[]')
            FROM jsonb_array_elements(change->'notify') AS n(value))));
END $$;

-- chat_mark_deleted_v1, and whom to poke: the members that the room had.
CREATE FUNCTION chat_mark_deleted_v2(question jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    room constant text := question->>'room';
    inboxes constant json := chat_inboxes_of_room_v1(tenant, room);
BEGIN
    RETURN json_build_object('state',
        chat_mark_deleted_v1(tenant, room, (question->>'deleteVersion')::bigint), 'inboxes', inboxes);
END $$;

-- chat_create_room_v2, and whom to poke: the members.
CREATE FUNCTION chat_create_room_v3(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    answer constant json := chat_create_room_v2(input);
BEGIN
    RETURN json_build_object('id', answer->'id', 'inserted', answer->'inserted',
        'inboxes', chat_inboxes_of_room_v1(input->>'tenant', answer->>'id'));
END $$;
