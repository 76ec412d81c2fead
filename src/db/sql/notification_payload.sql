-- Each recipient is looked up by key. An edit notifies only those whom it newly mentions.
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_record($1) AS i(
        tenant text, room text, seq bigint, message text, event bigint, "callsAll" boolean, users jsonb, chars integer)
), message AS MATERIALIZED (
    SELECT c.it AS message_row, r.it AS room_row, i.*
    FROM input i
    CROSS JOIN LATERAL (
        SELECT a AS it FROM chat_messages a
        WHERE a.tenant_id = i.tenant AND a.room_id = i.room AND a.seq = i.seq AND a.id = i.message
          AND a.deleted_at IS NULL LIMIT 1) c
    CROSS JOIN LATERAL (SELECT a AS it FROM chat_rooms a WHERE a.tenant_id = i.tenant AND a.id = i.room LIMIT 1) r
), recipients AS MATERIALIZED (
    SELECT u.ordinality, u.id AS user_id, why.reason
    FROM message c
    CROSS JOIN LATERAL jsonb_array_elements_text(c.users) WITH ORDINALITY AS u(id, ordinality)
    CROSS JOIN LATERAL (
        SELECT a AS it FROM chat_room_members a
        WHERE a.tenant_id = c.tenant AND a.room_id = c.room AND a.user_id = u.id LIMIT 1) m
    CROSS JOIN LATERAL (
        SELECT chat_notify_reason_v1(c.message_row, m.it, c.room_row, c.event <> c.seq, coalesce(c."callsAll", false))
            AS reason OFFSET 0) why
    WHERE why.reason IS NOT NULL AND NOT chat_is_quiet_v1(c.tenant, u.id)
)
SELECT coalesce((
    SELECT json_build_object(
        'message', chat_notified_message_v1(c.message_row, c.chars),
        'room', json_build_object('id', (c.room_row).id, 'type', (c.room_row).type, 'name', (c.room_row).name),
        'recipients', p.recipients)
    FROM message c, (
        SELECT json_agg(json_build_object('userId', user_id, 'reason', reason) ORDER BY ordinality) AS recipients
        FROM recipients) p
    WHERE p.recipients IS NOT NULL
), 'null')
