-- Few messages mention a whole room, so each room's newest of these are merged with those that name the person.
WITH named AS MATERIALIZED (
    SELECT n.room_id, n.seq, n.created_at
    FROM chat_mentions n
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_room_members a
        WHERE a.tenant_id = n.tenant_id AND a.room_id = n.room_id AND a.user_id = n.user_id LIMIT 1) m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    CROSS JOIN LATERAL (
        SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen
    CROSS JOIN LATERAL (
        SELECT a.user_id FROM chat_messages a
        WHERE a.tenant_id = n.tenant_id AND a.room_id = n.room_id AND a.seq = n.seq LIMIT 1) c
    WHERE n.tenant_id = $1->>'tenant' AND n.user_id = $1->>'user' AND n.seq > seen.since AND c.user_id <> n.user_id
      AND (n.created_at, n.seq, n.room_id) < (
        to_timestamp(($1->'place'->>'atUs')::bigint / 1000000.0::double precision),
        ($1->'place'->>'seq')::bigint, $1->'place'->>'room')
    ORDER BY n.created_at DESC, n.seq DESC, n.room_id DESC LIMIT ($1->>'limit')::bigint
), to_room AS MATERIALIZED (
    SELECT c.room_id, c.seq, c.created_at
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    CROSS JOIN LATERAL (
        SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen
    CROSS JOIN LATERAL (
        SELECT c.room_id, c.seq, c.created_at FROM chat_messages c
        WHERE c.tenant_id = m.tenant_id AND c.room_id = m.room_id AND c.mentions_room AND c.deleted_at IS NULL
          AND c.seq > seen.since AND c.user_id <> m.user_id AND NOT c.mentions ? m.user_id
          AND (c.created_at, c.seq, c.room_id) < (
            to_timestamp(($1->'place'->>'atUs')::bigint / 1000000.0::double precision),
            ($1->'place'->>'seq')::bigint, $1->'place'->>'room')
        ORDER BY c.created_at DESC, c.seq DESC LIMIT ($1->>'limit')::bigint) c
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
), page AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM named UNION ALL SELECT * FROM to_room) p
    ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT coalesce(json_agg(json_build_object(
    'place', json_build_object(
        'atUs', (extract(epoch FROM p.created_at) * 1000000)::bigint, 'seq', p.seq, 'room', p.room_id),
    'roomId', p.room_id, 'roomName', NULL, 'message', c.message)
    ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC), '[]')
FROM page p
CROSS JOIN LATERAL (
    SELECT a.message, a.deleted_at FROM chat_message_json_v1 a
    WHERE a.tenant_id = $1->>'tenant' AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c
WHERE c.deleted_at IS NULL
