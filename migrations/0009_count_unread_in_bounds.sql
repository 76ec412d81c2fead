-- no-transaction
-- Unread counts and a room's last message that read what they count, however much stands between: replies of threads
-- that the person does not follow, deleted messages, other people's mentions. A mention costs an entry less than
-- before (chat_messages_mentioning goes), a message that shows in its room one more (bench/results/projection.md).
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_shown ON chat_messages (tenant_id, room_id, seq)
    WHERE deleted_at IS NULL AND (thread_id IS NULL OR also_to_room);

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_replies ON chat_messages (tenant_id, room_id, thread_seq, seq)
    WHERE deleted_at IS NULL AND thread_id IS NOT NULL AND NOT also_to_room;

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_calling ON chat_messages (tenant_id, room_id, seq)
    WHERE mentions_room AND deleted_at IS NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_thread_followers_of_person
    ON chat_thread_followers (tenant_id, room_id, user_id, thread_seq);

-- The condition, which every mention fulfils, keeps this index away from the check of the foreign key: of indexes that
-- cost the same Postgres takes the newest (0005), and by this one the check would read all mentions of the tenant.
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_mentions_of_person ON chat_mentions (tenant_id, user_id, room_id, seq)
    WHERE seq > 0;

-- How many messages after a seq are unread by a member: at most `countMax`, none of their own, none that is deleted.
-- What was said only in a thread is unread for those who follow the thread. At most `walkMax` messages are looked at,
-- the member's own among them, and the `threadsMax` newest threads. Rows are compared where plain conditions would let
-- statistics choose an index that reads other people's threads, or a room's other messages.
CREATE OR REPLACE FUNCTION chat_count_unread_v2(tenant text, room text, member text, after bigint, bounds jsonb)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    count_max constant bigint := (bounds->>'countMax')::bigint;
    walk_max constant bigint := (bounds->>'walkMax')::bigint;
    threads_max constant bigint := (bounds->>'threadsMax')::bigint;
    counted bigint;
BEGIN
    counted := (
        SELECT count(*) FROM (
            SELECT FROM (
                SELECT c.user_id FROM chat_messages c
                WHERE c.tenant_id = tenant AND c.room_id = room AND c.seq > after
                  AND c.deleted_at IS NULL AND (c.thread_id IS NULL OR c.also_to_room)
                ORDER BY c.seq LIMIT walk_max) shown
            WHERE shown.user_id <> member LIMIT count_max) others);
    IF counted < count_max THEN
        counted := counted + (
            SELECT count(*) FROM (
                SELECT FROM (
                    SELECT reply.user_id
                    FROM (
                        SELECT f.thread_seq FROM chat_thread_followers f
                        WHERE f.tenant_id = tenant AND f.room_id = room
                          AND (f.user_id, f.thread_seq) > (member, 0)
                          AND (f.user_id, f.thread_seq) <= (member, 9223372036854775807)
                        ORDER BY f.user_id DESC, f.thread_seq DESC LIMIT threads_max) followed
                    CROSS JOIN LATERAL (
                        SELECT c.user_id FROM chat_messages c
                        WHERE c.tenant_id = tenant AND c.room_id = room
                          AND (c.thread_seq, c.seq) > (followed.thread_seq, after)
                          AND (c.thread_seq, c.seq) < (followed.thread_seq + 1, 0)
                          AND c.deleted_at IS NULL AND c.thread_id IS NOT NULL AND NOT c.also_to_room
                        ORDER BY c.thread_seq, c.seq LIMIT walk_max) reply
                    LIMIT walk_max) replies
                WHERE replies.user_id <> member LIMIT count_max - counted) others);
    END IF;
    RETURN counted;
END $$;

-- How many messages after a seq mention a member, by name or with everybody, in threads too: at most `countMax`. At
-- most `walkMax` of each kind are looked at, the member's own among them.
CREATE OR REPLACE FUNCTION chat_count_mentions_v2(tenant text, room text, member text, after bigint, bounds jsonb)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    count_max constant bigint := (bounds->>'countMax')::bigint;
    walk_max constant bigint := (bounds->>'walkMax')::bigint;
    counted bigint;
BEGIN
    counted := (
        SELECT count(*) FROM (
            SELECT FROM (
                SELECT c.user_id
                FROM chat_mentions n
                CROSS JOIN LATERAL (
                    SELECT a.user_id FROM chat_messages a
                    WHERE a.tenant_id = tenant AND a.room_id = room AND a.seq = n.seq LIMIT 1) c
                WHERE n.tenant_id = tenant AND n.seq > 0
                  AND (n.user_id, n.room_id, n.seq) > (member, room, after)
                  AND (n.user_id, n.room_id, n.seq) <= (member, room, 9223372036854775807)
                ORDER BY n.user_id, n.room_id, n.seq LIMIT walk_max) named
            WHERE named.user_id <> member LIMIT count_max) others);
    IF counted < count_max THEN
        counted := counted + (
            SELECT count(*) FROM (
                SELECT FROM (
                    SELECT c.user_id, c.mentions FROM chat_messages c
                    WHERE c.tenant_id = tenant AND c.room_id = room AND c.seq > after
                      AND c.mentions_room AND c.deleted_at IS NULL
                    ORDER BY c.seq LIMIT walk_max) called
                WHERE called.user_id <> member AND NOT called.mentions ? member LIMIT count_max - counted) others);
    END IF;
    RETURN counted;
END $$;

-- A room as one of its members sees it (docs/PROTOCOL.md, "14. REST"); NULL: no such room, or not in it. The first
-- `listedMax` members are in the order of their ids, which is the order of their pages too.
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
                'role', l.role, 'joinedAt', chat_iso_v1(l.joined_at)) ORDER BY l.user_id) AS members
            FROM (SELECT a.user_id, a.role, a.joined_at FROM chat_room_members a
                  WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id
                  ORDER BY a.user_id LIMIT listed_max) l) listed
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = member);
END $$;

DROP INDEX CONCURRENTLY IF EXISTS chat_messages_mentioning;
