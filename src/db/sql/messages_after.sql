-- Row by row, so that Postgres composes no message that the page has no room for.
WITH RECURSIVE page AS (
    SELECT ($1->>'after')::bigint AS seq, NULL::json AS message, 0::bigint AS count, 0::bigint AS bytes
    UNION ALL
    SELECT n.seq, n.message, p.count + 1, p.bytes + octet_length(n.message::text)
    FROM page p CROSS JOIN LATERAL (
        SELECT a.seq, a.message FROM chat_message_json_v1 a
        WHERE a.tenant_id = $1->>'tenant' AND a.room_id = $1->>'room' AND a.seq > p.seq
        ORDER BY a.seq LIMIT 1) n
    WHERE p.count < ($1->>'countMax')::bigint AND p.bytes < ($1->>'bytesMax')::bigint
)
SELECT json_build_object(
    'messages', coalesce(json_agg(p.message ORDER BY p.seq) FILTER (WHERE p.count > 0), '[]'),
    'hasMore', (
        SELECT m.seq FROM chat_messages m
        WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.seq > max(p.seq)
        ORDER BY m.seq LIMIT 1) IS NOT NULL,
    'pins', chat_pins_of_room_v1($1->>'tenant', $1->>'room'))
FROM page p
