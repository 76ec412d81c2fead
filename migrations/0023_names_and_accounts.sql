-- Names and pictures where people appear, and accounts whose tokens are refused (PEOPLE-5 to PEOPLE-7 of
-- docs/PROTOCOL.md).

-- Rooms with a smaller id than this must still learn that tokens of the person are refused; NULL: none.
ALTER TABLE chat_people ADD COLUMN sessions_left text COLLATE "C";

-- The order of the directory. Its tenant is an expression: a plan that was made while the table was empty would find a
-- person by an index that begins with the tenant and contains the id, instead of by the key, and look through all others.
DROP INDEX chat_people_in_order;
CREATE INDEX chat_people_in_order ON chat_people ((tenant_id || ''), "left"(folded, 64), user_id);

-- A page of the directory (src/db/profiles.rs): people whose names or ids contain each of the words. First those of the
-- caller's newest rooms, then the others, each in the order of their names. At most `walkMax` people are compared in
-- their order: enough where the words are frequent. Where they are not, the index of parts brings all, `foundMax` at
-- most. If neither is enough, the page is short, and the next one begins where the walk ended.
CREATE FUNCTION chat_directory_v2(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    me constant text := question->>'user';
    page_max constant bigint := (question->>'limit')::bigint;
    found_max constant bigint := (question->'bounds'->>'foundMax')::bigint;
    walk_max constant bigint := (question->'bounds'->>'walkMax')::bigint;
    only_shared constant boolean := (question->>'onlyShared')::boolean;
    near constant text[] := chat_near_people_v1(tenant, me, question->'bounds');
    -- An object finds its keys by halving, an array of a plan that is kept compares them all.
    is_near constant jsonb := (SELECT coalesce(jsonb_object_agg(n.id, true), '{}') FROM unnest(near) AS n(id));
    words constant text[] := ARRAY(
        SELECT w.word FROM regexp_split_to_table(chat_fold_v1(question->>'q'), '\s+') AS w(word) WHERE w.word <> '');
    patterns constant text[] := ARRAY(
        SELECT '%' || replace(replace(replace(w.word, '\', '\\'), '%', '\%'), '_', '\_') || '%'
        FROM unnest(words) AS w(word));
    grams constant text[] := ARRAY(
        SELECT DISTINCT tenant || '/' || substr(w.word, at, least(3, char_length(w.word)))
        FROM unnest(words) AS w(word),
            generate_series(1, char_length(w.word) - least(3, char_length(w.word)) + 1) AS a(at));
    place_far constant boolean := coalesce((question->'place'->>'far')::boolean, false);
    place_sort text := coalesce(question->'place'->>'sort', '');
    place_id text := coalesce(question->'place'->>'id', '');
    found text[] := '{}';
    more text[] := '{}';
    by_index text[];
    person record;
    walked bigint := 0;
    walk_end json;
    brought bigint;
BEGIN
    -- One more than the page tells that there is more.
    IF NOT place_far THEN
        found := ARRAY(
            SELECT p.user_id
            FROM unnest(near) AS n(id)
            CROSS JOIN LATERAL (
                SELECT a.user_id, "left"(a.folded, 64) AS sort, a.folded FROM chat_people a
                WHERE a.tenant_id = tenant AND a.user_id = n.id LIMIT 1) p
            WHERE p.folded LIKE ALL (patterns) AND (p.sort, p.user_id) > (place_sort, place_id)
            ORDER BY p.sort, p.user_id LIMIT page_max + 1);
        IF cardinality(found) > page_max THEN
            RETURN chat_directory_page_v1(tenant, found[:page_max], near, true);
        END IF;
        place_sort := '';
        place_id := '';
    END IF;
    IF NOT only_shared THEN
        FOR person IN
            SELECT a.user_id, a.folded FROM chat_people a
            WHERE tenant = a.tenant_id || '' AND ("left"(a.folded, 64), a.user_id) > (place_sort, place_id)
            ORDER BY "left"(a.folded, 64), a.user_id LIMIT walk_max
        LOOP
            walked := walked + 1;
            IF person.folded LIKE ALL (patterns) AND NOT is_near ? person.user_id THEN
                more := more || person.user_id;
                EXIT WHEN cardinality(found) + cardinality(more) > page_max;
            END IF;
        END LOOP;
        IF cardinality(found) + cardinality(more) > page_max THEN
            RETURN chat_directory_page_v1(tenant, (found || more)[:page_max], near, true);
        END IF;
        IF walked < walk_max THEN
            RETURN chat_directory_page_v1(tenant, found || more, near, false);
        END IF;
        walk_end := json_build_object('far', true, 'sort', "left"(person.folded, 64), 'id', person.user_id);
    END IF;
    IF cardinality(words) > 0 THEN
        SELECT count(*), array_agg(p.user_id ORDER BY p.sort, p.user_id) FILTER (
            WHERE p.folded LIKE ALL (patterns) AND (p.sort, p.user_id) > (place_sort, place_id)
              AND NOT is_near ? p.user_id)
        INTO brought, by_index
        FROM chat_people_by_parts_v1(tenant, grams, found_max) p;
        IF brought <= found_max THEN
            IF only_shared THEN
                by_index := ARRAY(
                    SELECT m.id FROM unnest(by_index) WITH ORDINALITY AS m(id, ordinality)
                    WHERE chat_share_room_v1(tenant, m.id, me)
                    ORDER BY m.ordinality LIMIT page_max - cardinality(found) + 1);
            END IF;
            found := found || by_index;
            RETURN chat_directory_page_v1(tenant, found[:page_max], near, cardinality(found) > page_max);
        END IF;
    END IF;
    RETURN (
        SELECT json_build_object('items', page.answer->'items', 'next', walk_end)
        FROM (SELECT chat_directory_page_v1(tenant, found || more, near, false) AS answer) page);
END $$;

-- How these people are shown, by their ids; who has no name and no avatar is left out.
CREATE FUNCTION chat_shown_people_v1(tenant text, ids text[]) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT coalesce(json_object_agg(p.user_id, json_build_object(
            'name', coalesce(p.name, p.user_id), 'avatarUrl', p.avatar_url)), '{}')
        FROM (SELECT DISTINCT i.id FROM unnest(ids) AS i(id)) wanted
        CROSS JOIN LATERAL (
            SELECT a.user_id, a.name, a.avatar_url FROM chat_people a
            WHERE a.tenant_id = tenant AND a.user_id = wanted.id AND (a.name, a.avatar_url) IS DISTINCT FROM (NULL, NULL)
            LIMIT 1) p);
END $$;

-- Why tokens of a person are refused; NULL: they are not.
CREATE FUNCTION chat_account_v1(tenant text, person text) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT json_build_object('userId', p.user_id, 'deactivated', p.deactivated_at IS NOT NULL,
            'signedOutBeforeMs', chat_unix_ms_v1(p.signed_out_before))
        FROM chat_people p
        WHERE p.tenant_id = tenant AND p.user_id = person
          AND (p.deactivated_at IS NOT NULL OR p.signed_out_before IS NOT NULL));
END $$;

-- Whose tokens are refused: few of many people.
CREATE INDEX chat_people_refused ON chat_people (tenant_id, user_id)
    WHERE deactivated_at IS NOT NULL OR signed_out_before IS NOT NULL;

-- The members of a room of whom tokens are refused, by their ids.
CREATE FUNCTION chat_refused_members_v1(tenant text, room text) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT coalesce(json_agg(chat_account_v1(tenant, p.user_id) ORDER BY p.user_id), '[]')
        FROM chat_room_members m
        CROSS JOIN LATERAL (
            SELECT a.user_id FROM chat_people a
            WHERE a.tenant_id = m.tenant_id AND a.user_id = m.user_id
              AND (a.deactivated_at IS NOT NULL OR a.signed_out_before IS NOT NULL) LIMIT 1) p
        WHERE m.tenant_id = tenant AND m.room_id = room);
END $$;

-- How a person stands to a room, how they are shown, and whether their tokens are refused; NULL: no such room, or not in
-- it.
CREATE FUNCTION chat_access_v3(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT json_build_object('role', m.role, 'membersVersion', r.members_version, 'lastSeq', r.last_seq,
            'notify', json_build_object('level', m.notify_level, 'muteUntilMs', chat_unix_ms_v1(m.mute_until)),
            'person', json_build_object('name', coalesce(p.name, m.user_id), 'avatarUrl', p.avatar_url),
            'account', CASE WHEN p.refused THEN chat_account_v1(m.tenant_id, m.user_id) END)
        FROM chat_room_members m
        CROSS JOIN LATERAL (
            SELECT a.members_version, a.last_seq FROM chat_rooms a
            WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
        LEFT JOIN LATERAL (
            SELECT a.name, a.avatar_url, a.deactivated_at IS NOT NULL OR a.signed_out_before IS NOT NULL AS refused
            FROM chat_people a
            WHERE a.tenant_id = m.tenant_id AND a.user_id = m.user_id LIMIT 1) p ON true
        WHERE m.tenant_id = question->>'tenant' AND m.room_id = question->>'room' AND m.user_id = question->>'user');
END $$;

-- Begins (`begin`) to end a person's sessions, or goes on where an earlier request has stopped, or notes that the rooms
-- from `done` on have learnt of it. Gives the next rooms that must, newest first, at most `limit` of them; none: the
-- sessions are ended.
CREATE FUNCTION chat_end_sessions_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    person constant text := input->>'person';
    last_room constant text := U&'\+10FFFF';
    place text;
    rooms text[];
BEGIN
    INSERT INTO chat_people AS p (tenant_id, user_id, sessions_left, signed_out_before)
    VALUES (tenant, person, last_room,
        CASE WHEN (input->>'signOut')::boolean THEN date_trunc('milliseconds', now()) END)
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET
        sessions_left = CASE
            WHEN (input->>'begin')::boolean THEN coalesce(p.sessions_left, last_room)
            WHEN input->>'done' < p.sessions_left THEN input->>'done'
            ELSE p.sessions_left END,
        signed_out_before = coalesce(excluded.signed_out_before, p.signed_out_before)
    RETURNING p.sessions_left INTO place;
    rooms := ARRAY(
        SELECT m.room_id FROM chat_room_members m
        WHERE m.tenant_id = tenant AND m.user_id = person AND m.room_id < place
        ORDER BY m.room_id DESC LIMIT (input->>'limit')::bigint);
    IF cardinality(rooms) = 0 THEN
        UPDATE chat_people p SET sessions_left = NULL
        WHERE p.tenant_id = tenant AND p.user_id = person AND p.sessions_left IS NOT NULL;
    END IF;
    RETURN to_json(rooms);
END $$;

-- chat_room_json_v2 with the names and avatars of the members it lists. It only adds fields, so it keeps its name for
-- those who call it.
CREATE OR REPLACE FUNCTION chat_room_json_v2(tenant text, room text, member text, bounds jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    listed_max constant bigint := (bounds->>'listedMax')::bigint;
BEGIN
    RETURN (
        SELECT json_build_object(
            'id', r.id, 'tenantId', r.tenant_id, 'type', r.type, 'name', r.name, 'topic', r.topic,
            'createdBy', r.created_by, 'createdAt', chat_iso_v1(r.created_at), 'archived', r.archived_at IS NOT NULL,
            'historyVisibility', r.history_visibility, 'roomMention', r.room_mention, 'slowModeS', r.slow_mode_s,
            'participantIds', listed.ids, 'members', listed.members,
            'memberCount', (
                SELECT count(*) FROM chat_room_members a WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id),
            'lastMessageAt', chat_iso_v1(r.last_message_at),
            'lastMessage', (
                -- A message shows in the room unless it is deleted or was said only in a thread.
                SELECT json_build_object('id', c.id, 'seq', c.seq, 'userId', c.user_id,
                    'content', left(c.content, 200), 'contentType', c.content_type,
                    'createdAt', chat_iso_v1(c.created_at))
                FROM chat_messages c
                WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id AND c.seq > seen.since
                  AND c.deleted_at IS NULL AND (c.thread_id IS NULL OR c.also_to_room)
                ORDER BY c.seq DESC LIMIT 1),
            'lastSeq', r.last_seq,
            'unread', chat_count_unread_v2(tenant, room, member, greatest(m.last_read_seq, seen.since), bounds),
            'mentions', chat_count_mentions_v2(tenant, room, member, greatest(m.last_read_seq, seen.since), bounds),
            'me', json_build_object('role', m.role, 'lastReadSeq', m.last_read_seq,
                'notify', json_build_object('level', m.notify_level, 'muteUntil', chat_iso_v1(m.mute_until))))
        FROM chat_room_members m
        CROSS JOIN LATERAL (SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
        CROSS JOIN LATERAL (
            SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen
        CROSS JOIN LATERAL (
            SELECT json_agg(l.user_id ORDER BY l.user_id) AS ids, json_agg(json_build_object('userId', l.user_id,
                'name', coalesce(p.name, l.user_id), 'avatarUrl', p.avatar_url,
                'role', l.role, 'joinedAt', chat_iso_v1(l.joined_at)) ORDER BY l.user_id) AS members
            FROM (SELECT a.user_id, a.role, a.joined_at FROM chat_room_members a
                  WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id
                  ORDER BY a.user_id LIMIT listed_max) l
            LEFT JOIN LATERAL (
                SELECT a.name, a.avatar_url FROM chat_people a
                WHERE a.tenant_id = r.tenant_id AND a.user_id = l.user_id LIMIT 1) p ON true) listed
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = member);
END $$;
