-- Presence: an inbox writes it into the row of its lease, and asks for that of its person's direct partners (PRES-7 to
-- PRES-9 of docs/PROTOCOL.md). Whoever changes it, or a profile, learns whose inboxes to poke.
--
-- Names, settings and lookups of the functions are as in 0006.

-- Counts while the lease runs. 'offline': the inbox has taken its lease and has not said more yet.
ALTER TABLE chat_inboxes ADD COLUMN presence text NOT NULL DEFAULT 'offline'
    CHECK (presence IN ('online', 'away', 'offline'));

-- Whether the person themself was ever here: an admin's import alone does not make it so. Everybody who is known now
-- counts as having been here.
ALTER TABLE chat_people ADD COLUMN has_come boolean NOT NULL DEFAULT true;
ALTER TABLE chat_people ALTER COLUMN has_come SET DEFAULT false;

-- The lease runs for `leaseMs` from now on; 0 ends it. `presence`: from now on; null keeps that of a running lease. Gives
-- whether it was running before, the presence, and those of `partners` whose lease runs (null: nobody's).
CREATE FUNCTION chat_lease_inbox_v2(question jsonb) RETURNS json
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
    shown text;
BEGIN
    SELECT i.until > now() INTO was_running
    FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.user_id = person;
    IF lease_ms = 0 THEN
        DELETE FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.user_id = person;
    ELSE
        INSERT INTO chat_inboxes AS i (tenant_id, user_id, until, presence)
        VALUES (tenant, person, now() + lease_ms * interval '1 millisecond', coalesce(question->>'presence', 'offline'))
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET
            until = excluded.until,
            presence = CASE WHEN question->>'presence' IS NULL AND i.until > now() THEN i.presence
                ELSE excluded.presence END
        RETURNING i.presence INTO shown;
    END IF;
    RETURN json_build_object('wasRunning', coalesce(was_running, false), 'presence', coalesce(shown, 'offline'),
        'inboxes', chat_inboxes_of_people_v1(tenant, coalesce(nullif(question->'partners', 'null'), '[]')));
END $$;

-- What others see of a person who has not asked to be left in peace: 'offline' unless their inbox is open.
CREATE FUNCTION chat_presence_v1(tenant text, person text) RETURNS text
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN coalesce((
        SELECT i.presence FROM chat_inboxes i
        WHERE i.tenant_id = tenant AND i.user_id = person AND i.until > now()), 'offline');
END $$;

-- A person as everybody sees them (docs/PROTOCOL.md, "People").
CREATE OR REPLACE FUNCTION chat_person_json_v1(p chat_people) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'userId', p.user_id, 'name', coalesce(p.name, p.user_id), 'avatarUrl', p.avatar_url, 'title', p.title,
        'status', CASE WHEN p.status IS NOT NULL AND coalesce((p.status->>'untilMs')::bigint, 9007199254740991)
                > (extract(epoch FROM now()) * 1000)::bigint THEN json_build_object(
            'text', p.status->>'text', 'emoji', p.status->>'emoji',
            'until', chat_iso_v1(to_timestamp((p.status->>'untilMs')::bigint / 1000.0))) END,
        'timezone', p.timezone, 'presence', CASE p.presence WHEN 'dnd' THEN 'dnd'
            ELSE chat_presence_v1(p.tenant_id, p.user_id) END,
        'hasCome', p.has_come, 'deactivated', p.deactivated_at IS NOT NULL)
$$;

-- chat_inbox_rooms_v1, and people as everybody sees them: `{rooms, people}`.
CREATE FUNCTION chat_inbox_rooms_v2(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN json_build_object('rooms', chat_inbox_rooms_v1(question),
        'people', chat_people_json_v1(question->>'tenant', question->'people'));
END $$;

-- Whom to poke when a person's profile has changed: the others of their direct rooms, of the newest `roomsMax` rooms by
-- id, whose lease runs; null: nobody's. In a tenant without a lease it is one lookup.
CREATE FUNCTION chat_inboxes_of_partners_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    person constant text := question->>'user';
BEGIN
    PERFORM FROM chat_inboxes i WHERE i.tenant_id = tenant AND i.until > now() LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN chat_inboxes_of_people_v1(tenant, (
        SELECT coalesce(jsonb_agg(o.user_id), '[]')
        FROM (
            SELECT m.room_id FROM chat_room_members m
            WHERE m.tenant_id = tenant AND m.user_id = person
            ORDER BY m.tenant_id DESC, m.user_id DESC, m.room_id DESC LIMIT (question->>'roomsMax')::bigint) mine
        CROSS JOIN LATERAL (
            SELECT FROM chat_rooms r
            WHERE r.tenant_id = tenant AND r.id = mine.room_id AND r.type = 'direct' LIMIT 1) direct
        CROSS JOIN LATERAL (
            SELECT a.user_id FROM chat_room_members a
            WHERE a.tenant_id = tenant AND a.room_id = mine.room_id AND a.user_id <> person LIMIT 1) o));
END $$;

-- chat_put_people_v1, and who writes their own profile or comes with a token has come.
CREATE FUNCTION chat_put_people_v2(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM chat_put_people_v1(input);
    IF input->>'by' <> 'admin' THEN
        UPDATE chat_people p SET has_come = true
        FROM jsonb_array_elements(input->'people') AS i(value)
        WHERE p.tenant_id = input->>'tenant' AND p.user_id = i.value->>'userId' AND NOT p.has_come;
    END IF;
    RETURN chat_people_json_v1(input->>'tenant', (
        SELECT coalesce(jsonb_agg(i.value->'userId'), '[]') FROM jsonb_array_elements(input->'people') AS i(value)));
END $$;
