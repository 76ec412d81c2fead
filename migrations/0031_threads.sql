-- no-transaction
-- Threads that a person follows, over all rooms: newest reply first, with what is unread behind a marker of the thread's
-- own (THREAD-6 to THREAD-8 of docs/PROTOCOL.md).
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

-- When each thread had its last reply. An index over the column of `chat_messages` would take a new entry in each index of
-- the root's row with every reply; here it takes two.
CREATE TABLE IF NOT EXISTS chat_threads (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    -- The root's.
    thread_seq bigint NOT NULL,
    last_reply_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, room_id, thread_seq)
);

-- The condition, which every row fulfils, keeps this index away from lookups by key (0005).
CREATE INDEX IF NOT EXISTS chat_threads_newest ON chat_threads (tenant_id, last_reply_at, thread_seq, room_id)
    WHERE thread_seq > 0;

-- Up to where the person has read the thread; null: their marker of the room counts.
ALTER TABLE chat_thread_followers ADD COLUMN IF NOT EXISTS read_seq bigint;

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_shared_replies
    ON chat_messages (tenant_id, room_id, thread_seq, seq)
    WHERE deleted_at IS NULL AND thread_id IS NOT NULL AND also_to_room;

-- Follows the roots, whoever writes them.
CREATE OR REPLACE FUNCTION chat_note_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_reply_at IS NULL THEN
        DELETE FROM chat_threads t
        WHERE t.tenant_id = NEW.tenant_id AND t.room_id = NEW.room_id AND t.thread_seq = NEW.seq;
    ELSE
        INSERT INTO chat_threads AS t (tenant_id, room_id, thread_seq, last_reply_at)
        VALUES (NEW.tenant_id, NEW.room_id, NEW.seq, NEW.last_reply_at)
        ON CONFLICT (tenant_id, room_id, thread_seq) DO UPDATE SET last_reply_at = excluded.last_reply_at
        WHERE t.last_reply_at <> excluded.last_reply_at;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER chat_messages_new_thread AFTER INSERT ON chat_messages
    FOR EACH ROW WHEN (NEW.last_reply_at IS NOT NULL) EXECUTE FUNCTION chat_note_thread();

CREATE OR REPLACE TRIGGER chat_messages_thread AFTER UPDATE ON chat_messages
    FOR EACH ROW WHEN (OLD.last_reply_at IS DISTINCT FROM NEW.last_reply_at) EXECUTE FUNCTION chat_note_thread();

INSERT INTO chat_threads (tenant_id, room_id, thread_seq, last_reply_at)
SELECT c.tenant_id, c.room_id, c.seq, c.last_reply_at FROM chat_messages c WHERE c.last_reply_at IS NOT NULL
ON CONFLICT DO NOTHING;

-- How many replies of a thread are unread by a member behind a seq: at most `countMax`, none of their own, none that is
-- deleted. At most `walkMax` of each kind are looked at.
CREATE OR REPLACE FUNCTION chat_count_replies_v1(tenant text, room text, root bigint, member text, after bigint, bounds jsonb)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    count_max constant bigint := (bounds->>'countMax')::bigint;
    walk_max constant bigint := (bounds->>'walkMax')::bigint;
BEGIN
    RETURN (
        SELECT count(*) FROM (
            SELECT FROM (
                (SELECT c.user_id FROM chat_messages c
                WHERE c.tenant_id = tenant AND c.room_id = room
                  AND (c.thread_seq, c.seq) > (root, after) AND (c.thread_seq, c.seq) < (root + 1, 0)
                  AND c.deleted_at IS NULL AND c.thread_id IS NOT NULL AND NOT c.also_to_room
                ORDER BY c.thread_seq, c.seq LIMIT walk_max)
                UNION ALL
                (SELECT c.user_id FROM chat_messages c
                WHERE c.tenant_id = tenant AND c.room_id = room
                  AND (c.thread_seq, c.seq) > (root, after) AND (c.thread_seq, c.seq) < (root + 1, 0)
                  AND c.deleted_at IS NULL AND c.thread_id IS NOT NULL AND c.also_to_room
                ORDER BY c.thread_seq, c.seq LIMIT walk_max)) reply
            WHERE reply.user_id <> member LIMIT count_max) others);
END $$;

-- A page of the threads that a person follows (src/db/threads.rs): `found`, newest reply first, and `next`, where it ended.
-- It ends at `limit` threads, at `bytesMax` bytes of their roots, or where the walk has passed `walkMax` threads. Up to
-- `roomsMax` rooms and `fewMax` threads are sorted; of more, the tenant's threads are walked, newest reply first.
CREATE OR REPLACE FUNCTION chat_list_threads_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    member constant text := question->>'user';
    bounds constant jsonb := question->'bounds';
    threads_max constant bigint := (question->>'limit')::bigint;
    bytes_max constant bigint := (question->>'bytesMax')::bigint;
    rooms_max constant bigint := (question->>'roomsMax')::bigint;
    few_max constant bigint := (question->>'fewMax')::bigint;
    walk_max constant bigint := (question->>'walkMax')::bigint;
    from_at constant timestamptz :=
        to_timestamp((question->'place'->>'atUs')::bigint / 1000000.0::double precision);
    from_seq constant bigint := (question->'place'->>'seq')::bigint;
    from_room constant text := question->'place'->>'room';
    is_few boolean;
    one record;
    root json;
    place json;
    last json;
    next json;
    walked bigint := 0;
    bytes bigint := 0;
    threads chat_threads[] := '{}';
    page json[] := '{}';
BEGIN
    PERFORM FROM chat_room_members m
    WHERE m.tenant_id = tenant AND m.user_id = member
    ORDER BY m.tenant_id, m.user_id, m.room_id OFFSET rooms_max LIMIT 1;
    is_few := NOT FOUND;
    IF is_few THEN
        PERFORM FROM (
            SELECT m.room_id FROM chat_room_members m
            WHERE m.tenant_id = tenant AND m.user_id = member
            ORDER BY m.tenant_id, m.user_id, m.room_id LIMIT rooms_max) mine
        CROSS JOIN LATERAL (
            SELECT f.thread_seq FROM chat_thread_followers f
            WHERE f.tenant_id = tenant AND f.room_id = mine.room_id
              AND (f.user_id, f.thread_seq) > (member, 0) AND (f.user_id, f.thread_seq) <= (member, 9223372036854775807)
            ORDER BY f.user_id, f.thread_seq LIMIT few_max + 1) followed
        OFFSET few_max LIMIT 1;
        is_few := NOT FOUND;
    END IF;
    IF is_few THEN
        SELECT array_agg(ROW(tenant, n.room_id, n.thread_seq, n.last_reply_at)::chat_threads
            ORDER BY n.last_reply_at DESC, n.thread_seq DESC, n.room_id DESC)
        INTO threads
        FROM (
            SELECT mine.room_id, t.thread_seq, t.last_reply_at
            FROM (
                SELECT m.room_id, m.joined_seq FROM chat_room_members m
                WHERE m.tenant_id = tenant AND m.user_id = member
                ORDER BY m.tenant_id, m.user_id, m.room_id LIMIT rooms_max) mine
            CROSS JOIN LATERAL (
                SELECT a.history_visibility FROM chat_rooms a
                WHERE a.tenant_id = tenant AND a.id = mine.room_id AND a.deleted_at IS NULL LIMIT 1) r
            CROSS JOIN LATERAL (
                SELECT f.thread_seq FROM chat_thread_followers f
                WHERE f.tenant_id = tenant AND f.room_id = mine.room_id
                  AND (f.user_id, f.thread_seq)
                    > (member, CASE r.history_visibility WHEN 'since_join' THEN mine.joined_seq ELSE 0 END)
                  AND (f.user_id, f.thread_seq) <= (member, 9223372036854775807)
                ORDER BY f.user_id, f.thread_seq LIMIT few_max) followed
            CROSS JOIN LATERAL (
                SELECT a.thread_seq, a.last_reply_at FROM chat_threads a
                WHERE a.tenant_id = tenant AND a.room_id = mine.room_id AND a.thread_seq = followed.thread_seq LIMIT 1) t
            WHERE (t.last_reply_at, t.thread_seq, mine.room_id) < (from_at, from_seq, from_room)
            ORDER BY t.last_reply_at DESC, t.thread_seq DESC, mine.room_id DESC LIMIT threads_max + 1) n;
    ELSE
        FOR one IN
            SELECT t AS thread, (
                SELECT true
                FROM chat_thread_followers f
                CROSS JOIN LATERAL (
                    SELECT m.joined_seq FROM chat_room_members m
                    WHERE m.tenant_id = tenant AND m.room_id = t.room_id AND m.user_id = member LIMIT 1) m
                CROSS JOIN LATERAL (
                    SELECT a.history_visibility FROM chat_rooms a
                    WHERE a.tenant_id = tenant AND a.id = t.room_id AND a.deleted_at IS NULL LIMIT 1) r
                WHERE f.tenant_id = tenant AND f.room_id = t.room_id AND f.thread_seq = t.thread_seq AND f.user_id = member
                  AND t.thread_seq > CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END
                LIMIT 1) AS is_shown
            FROM chat_threads t
            WHERE t.tenant_id = tenant AND t.thread_seq > 0
              AND (t.tenant_id, t.last_reply_at, t.thread_seq, t.room_id) < (tenant, from_at, from_seq, from_room)
            ORDER BY t.tenant_id DESC, t.last_reply_at DESC, t.thread_seq DESC, t.room_id DESC
        LOOP
            walked := walked + 1;
            IF one.is_shown THEN
                threads := threads || one.thread;
            END IF;
            EXIT WHEN cardinality(threads) > threads_max;
            IF walked >= walk_max THEN
                next := json_build_object('atUs', (extract(epoch FROM (one.thread).last_reply_at) * 1000000)::bigint,
                    'seq', (one.thread).thread_seq, 'room', (one.thread).room_id);
                EXIT;
            END IF;
        END LOOP;
    END IF;
    FOR one IN
        SELECT t.*, m.last_read_seq, f.read_seq,
            CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since
        FROM unnest(threads) t
        CROSS JOIN LATERAL (
            SELECT a.last_read_seq, a.joined_seq FROM chat_room_members a
            WHERE a.tenant_id = tenant AND a.room_id = t.room_id AND a.user_id = member LIMIT 1) m
        CROSS JOIN LATERAL (
            SELECT a.history_visibility FROM chat_rooms a
            WHERE a.tenant_id = tenant AND a.id = t.room_id LIMIT 1) r
        CROSS JOIN LATERAL (
            SELECT a.read_seq FROM chat_thread_followers a
            WHERE a.tenant_id = tenant AND a.room_id = t.room_id AND a.thread_seq = t.thread_seq AND a.user_id = member
            LIMIT 1) f
        ORDER BY t.last_reply_at DESC, t.thread_seq DESC, t.room_id DESC
    LOOP
        IF cardinality(page) >= threads_max OR bytes >= bytes_max THEN
            next := last;
            EXIT;
        END IF;
        last := json_build_object('atUs', (extract(epoch FROM one.last_reply_at) * 1000000)::bigint,
            'seq', one.thread_seq, 'room', one.room_id);
        SELECT a.message INTO root FROM chat_message_json_v1 a
        WHERE a.tenant_id = tenant AND a.room_id = one.room_id AND a.seq = one.thread_seq LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        page := page || json_build_object('roomId', one.room_id, 'root', root,
            'lastReadSeq', coalesce(one.read_seq, one.last_read_seq),
            'unread', chat_count_replies_v1(tenant, one.room_id, one.thread_seq, member,
                greatest(coalesce(one.read_seq, one.last_read_seq), one.since), bounds));
        bytes := bytes + octet_length(root::text);
    END LOOP;
    RETURN json_build_object('found', to_json(page), 'next', next);
END $$;

-- The person has read this thread up to here. Gives the marker; null: they do not follow the thread, and nothing is kept.
CREATE OR REPLACE FUNCTION chat_mark_thread_read_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    marker bigint;
BEGIN
    UPDATE chat_thread_followers f SET read_seq = (input->>'seq')::bigint
    WHERE f.tenant_id = input->>'tenant' AND f.room_id = input->>'room' AND f.thread_seq = (input->>'root')::bigint
      AND f.user_id = input->>'user' AND coalesce(f.read_seq, 0) < (input->>'seq')::bigint;
    SELECT f.read_seq INTO marker FROM chat_thread_followers f
    WHERE f.tenant_id = input->>'tenant' AND f.room_id = input->>'room' AND f.thread_seq = (input->>'root')::bigint
      AND f.user_id = input->>'user';
    RETURN to_json(marker);
END $$;

-- Deletes a piece of a deleted room, as before, its threads and what people have saved of it (0030) included.
CREATE OR REPLACE FUNCTION chat_erase_room_v1(question jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    room constant text := question->>'room';
    rows_max constant bigint := (question->>'rowsMax')::bigint;
    parts constant text[] := '{{chat_message_reactions, seq}, {chat_message_versions, seq}, {chat_mentions, seq},
        {chat_saved, seq}, {chat_messages, seq},
        {chat_threads, thread_seq}, {chat_thread_followers, thread_seq}, {chat_bans, user_id}, {chat_audit, at}}';
    part text[];
    gone bigint;
BEGIN
    IF chat_mark_deleted_v1(tenant, room, NULL) = 'missing' THEN
        INSERT INTO chat_deleted_rooms (tenant_id, room_id) VALUES (tenant, room) ON CONFLICT DO NOTHING;
        RETURN to_json(false);
    END IF;
    -- What refers to a message goes first: a message may have 10,000 reactions, and a cascade has no bound. By its order
    -- the right index is the cheapest one, also without statistics.
    FOREACH part SLICE 1 IN ARRAY parts LOOP
        EXECUTE format('DELETE FROM %1$I WHERE ctid = ANY (ARRAY(
            SELECT x.ctid FROM %1$I x WHERE x.tenant_id = $1 AND x.room_id = $2
            ORDER BY x.tenant_id, x.room_id, x.%2$I LIMIT $3))', part[1], part[2])
        USING tenant, room, rows_max;
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone > 0 THEN
            RETURN to_json(true);
        END IF;
    END LOOP;
    DELETE FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room;
    RETURN to_json(false);
END $$;
