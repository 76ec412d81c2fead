-- no-transaction
-- The pages of `GET /rooms/list` and `GET /mentions` for somebody in 100,000 rooms (LIST-1, MENTIONS-2 of
-- docs/PROTOCOL.md). Up to `fewMax` memberships are looked through one by one. Beyond it the tenant's rooms, or the
-- messages that mention a whole room, are walked from the newest on, and the person's membership is looked up in each.
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

-- When a room was last used, to ten seconds. Each batch sets `last_message_at`; an index over that would get an entry for
-- every batch, and so would all indexes of the table. This column changes with one batch in ten seconds, and the others
-- stay within their page (HOT). Adding it writes the table anew, which is locked meanwhile: 2 s for a million rooms.
ALTER TABLE chat_rooms ADD COLUMN IF NOT EXISTS listed_at timestamptz
    GENERATED ALWAYS AS (date_bin('10 seconds', last_message_at, '1970-01-01 00:00:00+00')) STORED;

-- The condition, which every room fulfils, keeps this index away from the checks of foreign keys (0005).
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_rooms_listed
    ON chat_rooms (tenant_id, (listed_at IS NOT NULL), coalesce(listed_at, created_at), id)
    WHERE created_at > '-infinity';

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_calling_by_time
    ON chat_messages (tenant_id, created_at, seq, room_id)
    WHERE mentions_room AND deleted_at IS NULL;

-- A page of a person's rooms: newest activity first, then rooms without messages, newest first. It ends at `limit` rooms,
-- at `bytesMax` bytes of them, or where the walk has passed `walkMax` rooms. The walk ends only between rooms whose order
-- `listed_at` tells, so everything behind its end is older than everything in front of it.
CREATE OR REPLACE FUNCTION chat_list_rooms_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    member constant text := question->>'user';
    rooms_max constant bigint := (question->>'limit')::bigint;
    bytes_max constant bigint := (question->>'bytesMax')::bigint;
    few_max constant bigint := (question->>'fewMax')::bigint;
    walk_max constant bigint := (question->>'walkMax')::bigint;
    -- The place that the page begins behind.
    from_used constant boolean := coalesce((question->'after'->>'used')::boolean, true);
    from_at constant timestamptz := coalesce(
        'epoch'::timestamptz + (question->'after'->>'atUs')::bigint * interval '1 microsecond', 'infinity');
    from_id constant text := coalesce(question->'after'->>'id', '');
    found_ids text[] := '{}';
    found_used boolean[] := '{}';
    found_ats timestamptz[] := '{}';
    walked bigint := 0;
    room record;
    -- The room before it on the walk.
    before_used boolean;
    before_listed timestamptz;
    before_id text;
    one json;
    page json[] := '{}';
    bytes bigint := 0;
    last json;
    next json;
BEGIN
    PERFORM FROM chat_room_members m
    WHERE m.tenant_id = tenant AND m.user_id = member
    ORDER BY m.tenant_id, m.user_id, m.room_id OFFSET few_max LIMIT 1;
    IF NOT FOUND THEN
        SELECT coalesce(array_agg(f.id), '{}'), coalesce(array_agg(f.used), '{}'), coalesce(array_agg(f.at), '{}')
        INTO found_ids, found_used, found_ats
        FROM (
            SELECT r.id, r.used, r.at
            FROM (
                SELECT m.room_id FROM chat_room_members m
                WHERE m.tenant_id = tenant AND m.user_id = member
                ORDER BY m.tenant_id, m.user_id, m.room_id LIMIT few_max) mine
            CROSS JOIN LATERAL (
                SELECT a.id, a.last_message_at IS NOT NULL AS used, coalesce(a.last_message_at, a.created_at) AS at
                FROM chat_rooms a WHERE a.tenant_id = tenant AND a.id = mine.room_id LIMIT 1) r
            WHERE (r.used, r.at, r.id) < (from_used, from_at, from_id)
            ORDER BY r.used DESC, r.at DESC, r.id DESC LIMIT rooms_max + 1) f;
    ELSE
        FOR room IN
            SELECT a.id, a.listed_at IS NOT NULL AS used, coalesce(a.listed_at, a.created_at) AS listed,
                coalesce(a.last_message_at, a.created_at) AS at,
                (SELECT true FROM chat_room_members m
                 WHERE m.tenant_id = tenant AND m.room_id = a.id AND m.user_id = member LIMIT 1) AS is_mine
            FROM chat_rooms a
            WHERE a.tenant_id = tenant AND a.created_at > '-infinity'
              AND (a.tenant_id, a.listed_at IS NOT NULL, coalesce(a.listed_at, a.created_at), a.id)
                < (tenant, from_used, from_at, from_id)
            ORDER BY a.tenant_id DESC, (a.listed_at IS NOT NULL) DESC, coalesce(a.listed_at, a.created_at) DESC, a.id DESC
        LOOP
            IF (walked >= walk_max OR cardinality(found_ids) > rooms_max)
                AND (NOT before_used OR room.used <> before_used OR room.listed <> before_listed)
            THEN
                next := json_build_object('used', before_used,
                    'atUs', (extract(epoch FROM before_listed) * 1000000)::bigint,
                    'id', CASE WHEN before_used THEN '' ELSE before_id END);
                EXIT;
            END IF;
            IF room.is_mine AND (room.used, room.at, room.id) < (from_used, from_at, from_id) THEN
                found_ids := found_ids || room.id::text;
                found_used := found_used || room.used;
                found_ats := found_ats || room.at;
            END IF;
            walked := walked + 1;
            before_used := room.used;
            before_listed := room.listed;
            before_id := room.id;
        END LOOP;
    END IF;
    FOR room IN
        SELECT f.id, f.used, f.at FROM unnest(found_ids, found_used, found_ats) AS f(id, used, at)
        ORDER BY f.used DESC, f.at DESC, f.id DESC
    LOOP
        IF cardinality(page) < rooms_max THEN
            one := chat_room_json_v2(tenant, room.id, member, question->'bounds');
            bytes := bytes + octet_length(one::text);
        END IF;
        IF cardinality(page) > 0 AND (cardinality(page) >= rooms_max OR bytes > bytes_max) THEN
            next := last;
            EXIT;
        END IF;
        page := page || one;
        last := json_build_object(
            'used', room.used, 'atUs', (extract(epoch FROM room.at) * 1000000)::bigint, 'id', room.id);
    END LOOP;
    RETURN json_build_object('rooms', to_json(page), 'next', next);
END $$;

-- A page of the messages that mention a person, by name or with everybody of a room, newest first. Both kinds are walked
-- from the place on and merged. A walk ends at `walkMax` messages, whether they are shown or not, and the page ends where
-- the first of the walks does, at `limit` messages or at `bytesMax` bytes.
CREATE OR REPLACE FUNCTION chat_mentions_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    member constant text := question->>'user';
    messages_max constant bigint := (question->>'limit')::bigint;
    bytes_max constant bigint := (question->>'bytesMax')::bigint;
    few_max constant bigint := (question->>'fewMax')::bigint;
    walk_max constant bigint := (question->>'walkMax')::bigint;
    from_at constant timestamptz :=
        'epoch'::timestamptz + (question->'place'->>'atUs')::bigint * interval '1 microsecond';
    from_seq constant bigint := (question->'place'->>'seq')::bigint;
    from_room constant text := question->'place'->>'room';
    places chat_mentions[] := '{}';
    -- Where the walks were broken off.
    ends chat_mentions[] := '{}';
    walked bigint := 0;
    hits bigint := 0;
    mention record;
    one json;
    page json[] := '{}';
    bytes bigint := 0;
    last json;
    next json;
BEGIN
    FOR mention IN
        SELECT n AS place, (
            SELECT true
            FROM chat_room_members m
            CROSS JOIN LATERAL (
                SELECT a.history_visibility FROM chat_rooms a
                WHERE a.tenant_id = tenant AND a.id = n.room_id LIMIT 1) r
            CROSS JOIN LATERAL (
                SELECT a.user_id FROM chat_messages a
                WHERE a.tenant_id = tenant AND a.room_id = n.room_id AND a.seq = n.seq LIMIT 1) c
            WHERE m.tenant_id = tenant AND m.room_id = n.room_id AND m.user_id = member AND c.user_id <> member
              AND n.seq > CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END LIMIT 1) AS is_shown
        FROM chat_mentions n
        WHERE n.tenant_id = tenant AND n.user_id = member
          AND (n.tenant_id, n.user_id, n.created_at, n.seq, n.room_id)
            < (tenant, member, from_at, from_seq, from_room)
        ORDER BY n.tenant_id DESC, n.user_id DESC, n.created_at DESC, n.seq DESC, n.room_id DESC
    LOOP
        walked := walked + 1;
        IF mention.is_shown THEN
            hits := hits + 1;
            places := places || mention.place;
        END IF;
        IF walked >= walk_max OR hits > messages_max THEN
            ends := ends || mention.place;
            EXIT;
        END IF;
    END LOOP;
    PERFORM FROM chat_room_members m
    WHERE m.tenant_id = tenant AND m.user_id = member
    ORDER BY m.tenant_id, m.user_id, m.room_id OFFSET few_max LIMIT 1;
    IF NOT FOUND THEN
        FOR mention IN
            SELECT ROW(tenant, member, c.created_at, c.seq, c.room_id)::chat_mentions AS place,
                row_number() OVER () AS number
            FROM (
                SELECT x.created_at, x.seq, x.room_id
                FROM (
                    SELECT m.room_id, m.joined_seq FROM chat_room_members m
                    WHERE m.tenant_id = tenant AND m.user_id = member
                    ORDER BY m.tenant_id, m.user_id, m.room_id LIMIT few_max) mine
                CROSS JOIN LATERAL (
                    SELECT a.history_visibility FROM chat_rooms a
                    WHERE a.tenant_id = tenant AND a.id = mine.room_id LIMIT 1) r
                CROSS JOIN LATERAL (
                    SELECT a.created_at, a.seq, a.room_id FROM chat_messages a
                    WHERE a.tenant_id = tenant AND a.room_id = mine.room_id AND a.mentions_room AND a.deleted_at IS NULL
                      AND a.seq > CASE r.history_visibility WHEN 'since_join' THEN mine.joined_seq ELSE 0 END
                      AND a.user_id <> member AND NOT a.mentions ? member
                      AND (a.created_at, a.seq, a.room_id) < (from_at, from_seq, from_room)
                    ORDER BY a.created_at DESC, a.seq DESC LIMIT messages_max + 1) x
                ORDER BY x.created_at DESC, x.seq DESC, x.room_id DESC LIMIT messages_max + 1) c
        LOOP
            places := places || mention.place;
            IF mention.number > messages_max THEN
                ends := ends || mention.place;
            END IF;
        END LOOP;
    ELSE
        walked := 0;
        hits := 0;
        FOR mention IN
            SELECT ROW(tenant, member, c.created_at, c.seq, c.room_id)::chat_mentions AS place,
                c.user_id <> member AND NOT c.mentions ? member AND (
                    SELECT true
                    FROM chat_room_members m
                    CROSS JOIN LATERAL (
                        SELECT a.history_visibility FROM chat_rooms a
                        WHERE a.tenant_id = tenant AND a.id = c.room_id LIMIT 1) r
                    WHERE m.tenant_id = tenant AND m.room_id = c.room_id AND m.user_id = member
                      AND c.seq > CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END LIMIT 1)
                    AS is_shown
            FROM chat_messages c
            WHERE c.tenant_id = tenant AND c.mentions_room AND c.deleted_at IS NULL
              AND (c.tenant_id, c.created_at, c.seq, c.room_id) < (tenant, from_at, from_seq, from_room)
            ORDER BY c.tenant_id DESC, c.created_at DESC, c.seq DESC, c.room_id DESC
        LOOP
            walked := walked + 1;
            IF mention.is_shown THEN
                hits := hits + 1;
                places := places || mention.place;
            END IF;
            IF walked >= walk_max OR hits > messages_max THEN
                ends := ends || mention.place;
                EXIT;
            END IF;
        END LOOP;
    END IF;
    -- What is behind the first end may be incomplete.
    SELECT json_build_object('atUs', (extract(epoch FROM e.created_at) * 1000000)::bigint, 'seq', e.seq,
        'room', e.room_id)
    INTO next FROM unnest(ends) e ORDER BY e.created_at DESC, e.seq DESC, e.room_id DESC LIMIT 1;
    FOR mention IN
        SELECT f.room_id, f.seq, json_build_object('atUs', (extract(epoch FROM f.created_at) * 1000000)::bigint,
            'seq', f.seq, 'room', f.room_id) AS place
        FROM unnest(places) f
        WHERE (f.created_at, f.seq, f.room_id) >= ALL (SELECT e.created_at, e.seq, e.room_id FROM unnest(ends) e)
        ORDER BY f.created_at DESC, f.seq DESC, f.room_id DESC
    LOOP
        IF cardinality(page) >= messages_max OR bytes >= bytes_max THEN
            next := last;
            EXIT;
        END IF;
        SELECT a.message INTO one FROM chat_message_json_v1 a
        WHERE a.tenant_id = tenant AND a.room_id = mention.room_id AND a.seq = mention.seq AND a.deleted_at IS NULL
        LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        page := page || json_build_object(
            'place', mention.place, 'roomId', mention.room_id, 'roomName', NULL, 'message', one);
        bytes := bytes + octet_length(one::text);
        last := mention.place;
    END LOOP;
    RETURN json_build_object('found', to_json(page), 'next', next);
END $$;
