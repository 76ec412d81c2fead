-- Like list_reports.sql, of one reporter: without the text, and without who resolved it and why.
WITH page AS MATERIALIZED (
    SELECT r.* FROM chat_reports r
    WHERE r.tenant_id = $1->>'tenant' AND r.reporter = $1->>'user'
      AND ($1->'atMs' = 'null' OR (r.at, r.id) < (to_timestamp(($1->>'atMs')::bigint / 1000.0), $1->>'id'))
    ORDER BY r.at DESC, r.id DESC LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page p ORDER BY p.at DESC, p.id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'items', (SELECT coalesce(json_agg(json_build_object('id', s.id, 'at', chat_iso_v1(s.at), 'roomId', s.room_id,
        'messageId', s.message_id, 'reason', s.reason, 'state', s.state, 'resolvedAt', chat_iso_v1(s.resolved_at))
        ORDER BY s.at DESC, s.id DESC), '[]') FROM shown s),
    'next', CASE WHEN (SELECT count(*) FROM page) > (SELECT count(*) FROM shown) THEN (
        SELECT json_build_object('atMs', chat_unix_ms_v1(s.at), 'id', s.id)
        FROM shown s ORDER BY s.at, s.id LIMIT 1) END)
