-- Each recipient is looked up by key. An edit notifies only those whom it newly mentions.
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_record($1) AS i(
        tenant text, room text, seq bigint, message text, event bigint, "callsAll" boolean, users jsonb, chars integer)
), message AS MATERIALIZED (
    SELECT c.*, r.name, r.type, r.history_visibility, i.event, i."callsAll" AS calls_all, i.users, i.chars
    FROM input i
    CROSS JOIN LATERAL (
        SELECT * FROM chat_messages a
        WHERE a.tenant_id = i.tenant AND a.room_id = i.room AND a.seq = i.seq AND a.id = i.message
          AND a.deleted_at IS NULL LIMIT 1) c
    CROSS JOIN LATERAL (SELECT * FROM chat_rooms a WHERE a.tenant_id = i.tenant AND a.id = i.room LIMIT 1) r
), recipients AS MATERIALIZED (
    SELECT u.ordinality, m.user_id, why.reason
    FROM message c
    CROSS JOIN LATERAL jsonb_array_elements_text(c.users) WITH ORDINALITY AS u(id, ordinality)
    CROSS JOIN LATERAL (
        SELECT * FROM chat_room_members a
        WHERE a.tenant_id = c.tenant_id AND a.room_id = c.room_id AND a.user_id = u.id LIMIT 1) m
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN c.mentions ? m.user_id THEN 'mention'
            WHEN c.mentions_room AND (c.event = c.seq OR c.calls_all) THEN 'room_mention'
            WHEN c.event <> c.seq THEN NULL
            WHEN c.thread_seq IS NOT NULL AND (
                SELECT true FROM chat_thread_followers f
                WHERE f.tenant_id = c.tenant_id AND f.room_id = c.room_id AND f.thread_seq = c.thread_seq
                  AND f.user_id = m.user_id LIMIT 1) THEN 'thread'
            WHEN c.thread_id IS NOT NULL AND NOT c.also_to_room THEN NULL
            WHEN c.type = 'direct' THEN 'direct'
            ELSE 'message' END AS reason) why
    WHERE why.reason IS NOT NULL AND m.user_id <> c.user_id AND m.last_read_seq < c.seq
      AND (m.notify_level = 'all' OR (m.notify_level = 'mentions' AND why.reason IN ('mention', 'room_mention')))
      AND NOT chat_has_blocked_v1(c.tenant_id, m.user_id, c.user_id)
      AND (m.mute_until IS NULL OR m.mute_until <= now())
      AND NOT chat_is_quiet_v1(m.tenant_id, m.user_id)
      AND (c.history_visibility <> 'since_join' OR c.seq > m.joined_seq)
)
SELECT coalesce((
    SELECT json_build_object(
        'message', json_build_object(
            'id', c.id, 'seq', c.seq, 'userId', c.user_id, 'senderName', coalesce(
                chat_shown_people_v1(c.tenant_id, ARRAY[c.user_id])->c.user_id->>'name', c.user_id),
            'preview', left(c.content, c.chars),
            'mentioned', chat_shown_people_v1(c.tenant_id, ARRAY(SELECT jsonb_array_elements_text(c.mentions) LIMIT 20)),
            'contentType', c.content_type, 'attachments', jsonb_array_length(c.attachments), 'threadId', c.thread_id,
            'version', c.version, 'createdAt', chat_iso_v1(c.created_at)),
        'room', json_build_object('id', c.room_id, 'type', c.type, 'name', c.name),
        'recipients', p.recipients)
    FROM message c, (
        SELECT json_agg(json_build_object('userId', user_id, 'reason', reason) ORDER BY ordinality) AS recipients
        FROM recipients) p
    WHERE p.recipients IS NOT NULL
), 'null')
