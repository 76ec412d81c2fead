-- Times are whole milliseconds, so a cursor's time compares exactly.
WITH page AS MATERIALIZED (
    SELECT a.* FROM chat_audit a
    WHERE a.tenant_id = $1->>'tenant' AND a.room_id = $1->>'room'
      AND ($1->'atMs' = 'null' OR (a.at, a.id) < (to_timestamp(($1->>'atMs')::bigint / 1000.0), $1->>'id'))
    ORDER BY a.at DESC, a.id DESC LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page ORDER BY at DESC, id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'items', (
        SELECT coalesce(json_agg(json_strip_nulls(json_build_object('at', chat_iso_v1(s.at), 'actor', s.actor,
            'action', s.action, 'target', coalesce(s.target, s.room_id), 'reason', s.reason))
            ORDER BY s.at DESC, s.id DESC), '[]')
        FROM shown s),
    'next', CASE WHEN (SELECT count(*) FROM page) > ($1->>'limit')::bigint THEN (
        SELECT json_build_object('atMs', chat_unix_ms_v1(s.at), 'id', s.id)
        FROM shown s ORDER BY s.at, s.id LIMIT 1) END)
