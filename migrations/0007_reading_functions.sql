-- What several statements read alike, and the questions that are asked most often, as functions whose plans a backend
-- keeps. Names, settings and lookups are as in 0006.

-- The contract's text of a time, 2026-11-23T09:05:03.120Z.
CREATE FUNCTION chat_iso_v1(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

CREATE FUNCTION chat_unix_ms_v1(moment timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (extract(epoch FROM moment) * 1000)::bigint
$$;

-- A message as the Worker reads it (src/db/projection.rs, MessageRow).
CREATE VIEW chat_message_json_v1 AS
SELECT c.tenant_id, c.room_id, c.seq, c.created_at, c.deleted_at, json_build_object(
    'seq', c.seq, 'id', c.id, 'userId', c.user_id, 'content', c.content, 'contentType', c.content_type,
    'attachments', c.attachments, 'clientId', c.client_id, 'threadId', c.thread_id, 'threadSeq', c.thread_seq,
    'replyToId', c.reply_to_id, 'alsoToRoom', c.also_to_room, 'mentions', c.mentions, 'mentionsRoom', c.mentions_room,
    'version', c.version, 'replyCount', c.reply_count, 'lastReplyAtMs', chat_unix_ms_v1(c.last_reply_at),
    'createdAtMs', chat_unix_ms_v1(c.created_at), 'editedAtMs', chat_unix_ms_v1(c.edited_at),
    'deletedAtMs', chat_unix_ms_v1(c.deleted_at), 'deletedBy', c.deleted_by,
    'versions', (
        SELECT coalesce(json_agg(json_build_object('version', v.version, 'content', v.content,
            'writtenBy', v.written_by, 'writtenAtMs', chat_unix_ms_v1(v.written_at),
            'replacedBy', v.replaced_by, 'replacedAtMs', chat_unix_ms_v1(v.replaced_at)) ORDER BY v.version), '[]')
        FROM chat_message_versions v
        WHERE c.version > 1 AND v.tenant_id = c.tenant_id AND v.room_id = c.room_id AND v.seq = c.seq),
    'reactions', (
        SELECT coalesce(json_agg(json_build_object('emoji', x.emoji, 'userId', x.user_id)
            ORDER BY x.position, x.created_at, x.emoji, x.user_id), '[]')
        FROM chat_message_reactions x
        WHERE x.tenant_id = c.tenant_id AND x.room_id = c.room_id AND x.seq = c.seq)
) AS message
FROM chat_messages c;

-- How a person stands to a room; NULL: no such room, or not in it.
CREATE FUNCTION chat_access_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT json_build_object('role', m.role, 'membersVersion', r.members_version, 'lastSeq', r.last_seq)
        FROM chat_room_members m
        CROSS JOIN LATERAL (
            SELECT a.members_version, a.last_seq FROM chat_rooms a
            WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
        WHERE m.tenant_id = question->>'tenant' AND m.room_id = question->>'room' AND m.user_id = question->>'user');
END $$;

-- How many messages after a seq are unread by a member: at most `count_max`, none of their own, none that is deleted.
-- What was said only in a thread is unread for those who follow the thread.
CREATE FUNCTION chat_count_unread_v1(tenant text, room text, member text, after bigint, count_max bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM (
            SELECT FROM chat_messages c
            WHERE c.tenant_id = tenant AND c.room_id = room AND c.seq > after
              AND c.user_id <> member AND c.deleted_at IS NULL
              AND (c.thread_id IS NULL OR c.also_to_room OR (
                -- EXISTS would be hashed: all followers of all rooms would be read.
                SELECT true FROM chat_thread_followers f
                WHERE f.tenant_id = tenant AND f.room_id = room AND f.thread_seq = c.thread_seq AND f.user_id = member
                LIMIT 1))
            ORDER BY c.seq LIMIT count_max) counted);
END $$;

-- How many messages after a seq mention a member, in threads too: exactly.
CREATE FUNCTION chat_count_mentions_v1(tenant text, room text, member text, after bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM chat_messages c
        WHERE c.tenant_id = tenant AND c.room_id = room AND c.seq > after
          AND c.user_id <> member AND (c.mentions <> '[]' OR c.mentions_room) AND c.deleted_at IS NULL
          AND (c.mentions_room OR c.mentions ? member));
END $$;

-- A room as one of its members sees it (docs/PROTOCOL.md, "14. REST"); NULL: no such room, or not in it. The first
-- members are in the order of their ids, which is the order of their pages too.
CREATE FUNCTION chat_room_json_v1(tenant text, room text, member text, count_max bigint, listed_max bigint)
RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
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
            'unread', chat_count_unread_v1(tenant, room, member, greatest(m.last_read_seq, seen.since), count_max),
            'mentions', chat_count_mentions_v1(tenant, room, member, greatest(m.last_read_seq, seen.since)),
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
