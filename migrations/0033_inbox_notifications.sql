-- What a person is notified of, as functions: the same rule for the webhook, for pushes, and for an inbox that is open
-- (NOTIFY-2, NOTIFY-6, NOTIFY-10, INBOX-11 of docs/PROTOCOL.md).
--
-- Names, settings and lookups of the functions are as in 0006.

-- Why a member is notified of a message, or of its edit; NULL: they are not. `calls_all`: the edit has added `@room`. Whether
-- it is quiet for them is asked once a person (chat_is_quiet_v1).
CREATE FUNCTION chat_notify_reason_v1(
    c chat_messages, m chat_room_members, r chat_rooms, is_edit boolean, calls_all boolean) RETURNS text
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    reason text;
BEGIN
    IF c.deleted_at IS NOT NULL OR m.user_id = c.user_id OR m.last_read_seq >= c.seq OR m.notify_level = 'none'
        OR coalesce(m.mute_until > now(), false)
        OR r.history_visibility = 'since_join' AND c.seq <= m.joined_seq THEN
        RETURN NULL;
    END IF;
    reason := CASE
        WHEN c.mentions ? m.user_id THEN 'mention'
        WHEN c.mentions_room AND (NOT is_edit OR calls_all) THEN 'room_mention'
        WHEN is_edit THEN NULL
        WHEN c.thread_seq IS NOT NULL AND EXISTS (
            SELECT FROM chat_thread_followers f
            WHERE f.tenant_id = c.tenant_id AND f.room_id = c.room_id AND f.thread_seq = c.thread_seq
              AND f.user_id = m.user_id) THEN 'thread'
        WHEN c.thread_id IS NOT NULL AND NOT c.also_to_room THEN NULL
        WHEN r.type = 'direct' THEN 'direct'
        ELSE 'message' END;
    IF reason IS NULL OR m.notify_level = 'mentions' AND reason NOT IN ('mention', 'room_mention') THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN chat_has_blocked_v1(c.tenant_id, m.user_id, c.user_id) THEN NULL ELSE reason END;
END $$;

-- What a notification says of its message: the first `chars` characters of it.
CREATE FUNCTION chat_notified_message_v1(c chat_messages, chars integer) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN json_build_object(
        'id', c.id, 'seq', c.seq, 'userId', c.user_id, 'senderName', coalesce(
            chat_shown_people_v1(c.tenant_id, ARRAY[c.user_id])->c.user_id->>'name', c.user_id),
        'preview', left(c.content, chars),
        'mentioned', chat_shown_people_v1(c.tenant_id, ARRAY(SELECT jsonb_array_elements_text(c.mentions) LIMIT 20)),
        'contentType', c.content_type, 'attachments', jsonb_array_length(c.attachments), 'threadId', c.thread_id,
        'version', c.version, 'createdAt', chat_iso_v1(c.created_at));
END $$;

-- What an inbox has to notify its person of in each of these rooms (src/db/inbox.rs has what it asks): `found`, the newest
-- message behind `after` that concerns them, or else the newest that an edit later than `editedMs` has made mention them;
-- `pending`, the message that they were last notified of, unless it is read or deleted. Of a room that the inbox does not
-- know (`after` is null) only what is younger than `freshMs` is news. The newest `lookMax` unread messages are looked at.
-- Rooms whose log has not grown are left out, unless their events are replayed.
CREATE FUNCTION chat_inbox_notices_v1(tenant text, person text, asked jsonb, bounds jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    fresh_from constant timestamptz := now() - (bounds->>'freshMs')::bigint * interval '1 millisecond';
    chars constant integer := (bounds->>'chars')::integer;
    is_quiet constant boolean := chat_is_quiet_v1(tenant, person);
    one record;
    r chat_rooms;
    m chat_room_members;
    c chat_messages;
    former text;
    reason text;
    found json;
    kept json;
    edited bigint;
    newly boolean;
    answer json[] := '{}';
BEGIN
    FOR one IN
        SELECT a.room, a.after, a."editedMs" AS edited_ms, a.read, a.pending, a."isReplayed" AS is_replayed
        FROM jsonb_to_recordset(asked) AS a(
            room text, after bigint, "editedMs" bigint, read bigint, pending bigint, "isReplayed" boolean)
    LOOP
        SELECT * INTO r FROM chat_rooms a WHERE a.tenant_id = tenant AND a.id = one.room AND a.deleted_at IS NULL;
        CONTINUE WHEN r.id IS NULL OR coalesce(r.last_seq <= one.after, false) AND NOT one.is_replayed;
        SELECT * INTO m FROM chat_room_members a
        WHERE a.tenant_id = tenant AND a.room_id = one.room AND a.user_id = person;
        CONTINUE WHEN m.user_id IS NULL;
        m.last_read_seq := greatest(m.last_read_seq, one.read);
        found := NULL;
        kept := NULL;
        edited := one.edited_ms;
        FOR c IN
            SELECT a.* FROM chat_messages a
            WHERE a.tenant_id = tenant AND a.room_id = one.room AND a.seq > m.last_read_seq
            ORDER BY a.tenant_id DESC, a.room_id DESC, a.seq DESC LIMIT (bounds->>'lookMax')::bigint
        LOOP
            reason := NULL;
            IF coalesce(c.seq > one.after, c.created_at >= fresh_from) THEN
                IF found IS NULL AND NOT is_quiet THEN
                    reason := chat_notify_reason_v1(c, m, r, false, false);
                END IF;
            ELSIF chat_unix_ms_v1(c.edited_at) > one.edited_ms THEN
                edited := greatest(edited, chat_unix_ms_v1(c.edited_at));
                IF found IS NULL AND NOT is_quiet AND (c.mentions ? person OR c.mentions_room) THEN
                    -- What it said when the inbox asked last.
                    former := (
                        SELECT v.content FROM chat_message_versions v
                        WHERE v.tenant_id = tenant AND v.room_id = one.room AND v.seq = c.seq
                          AND chat_unix_ms_v1(v.replaced_at) > one.edited_ms
                        ORDER BY v.version LIMIT 1);
                    newly := CASE WHEN c.mentions ? person THEN position('<@' || person || '>' IN former) = 0
                        ELSE position('@room' IN former) = 0 END;
                    IF newly THEN
                        reason := chat_notify_reason_v1(c, m, r, true, true);
                    END IF;
                END IF;
            END IF;
            IF reason IS NOT NULL THEN
                found := json_build_object('reason', reason, 'message', chat_notified_message_v1(c, chars));
            END IF;
        END LOOP;
        IF one.pending > m.last_read_seq THEN
            SELECT * INTO c FROM chat_messages a
            WHERE a.tenant_id = tenant AND a.room_id = one.room AND a.seq = one.pending AND a.deleted_at IS NULL;
            kept := CASE WHEN c.id IS NOT NULL THEN
                json_build_object('message', chat_notified_message_v1(c, chars)) END;
        END IF;
        answer := answer || json_build_object('room', one.room, 'lastSeq', r.last_seq, 'editedMs', edited,
            'found', found, 'pending', kept);
    END LOOP;
    RETURN to_json(answer);
END $$;

-- chat_inbox_rooms_v3, and what there is to notify of (`notices`).
CREATE FUNCTION chat_inbox_rooms_v4(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    person constant text := question->>'user';
BEGIN
    RETURN json_build_object('rooms', chat_inbox_rooms_v1(question),
        'people', chat_people_json_v1(tenant, question->'people'),
        'saved', CASE WHEN jsonb_typeof(question->'saved') = 'object' THEN
            chat_saved_after_v1(tenant, person, (question->'saved'->>'after')::bigint,
                (question->'saved'->>'limit')::bigint) END,
        'notices', CASE WHEN question->'notices' <> '[]' THEN
            chat_inbox_notices_v1(tenant, person, question->'notices', question->'noticeBounds') ELSE '[]' END);
END $$;
