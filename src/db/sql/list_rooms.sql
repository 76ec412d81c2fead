-- One row more than the page tells whether there is a next page, and the page is cut before anything is counted.
-- LIMIT 1 keeps the rooms looked up one by one: in a join, the planner reads all rooms of all tenants from 90 on.
WITH mine AS MATERIALIZED (
    SELECT m.room_id, r.last_message_at IS NOT NULL AS used, coalesce(r.last_message_at, r.created_at) AS at
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.id, a.last_message_at, a.created_at FROM chat_rooms a
        WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND ($1->'used' = 'null' OR (r.last_message_at IS NOT NULL, coalesce(r.last_message_at, r.created_at), r.id)
        < (($1->>'used')::boolean, 'epoch'::timestamptz + ($1->>'atUs')::bigint * interval '1 microsecond', $1->>'id'))
    ORDER BY used DESC, at DESC, r.id DESC
    LIMIT ($1->>'limit')::bigint + 1
), page AS MATERIALIZED (
    SELECT * FROM mine ORDER BY used DESC, at DESC, room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'rooms', (
        SELECT coalesce(json_agg(chat_room_json_v2(
            $1->>'tenant', p.room_id, $1->>'user', $1->'bounds')
            ORDER BY p.used DESC, p.at DESC, p.room_id DESC), '[]')
        FROM page p),
    'next', CASE WHEN (SELECT count(*) FROM mine) > ($1->>'limit')::bigint THEN (
        SELECT json_build_object('used', p.used, 'atUs', (extract(epoch FROM p.at) * 1000000)::bigint, 'id', p.room_id)
        FROM page p ORDER BY p.used, p.at, p.room_id LIMIT 1) END)
