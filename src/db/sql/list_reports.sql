-- Times are whole milliseconds, so a cursor's time compares exactly. A page has at least one report, whatever its text.
WITH page AS MATERIALIZED (
    SELECT r AS report, r.at, r.id, octet_length(r.text) AS size FROM chat_reports r
    WHERE r.tenant_id = $1->>'tenant' AND ($1->'state' = 'null' OR r.state = $1->>'state')
      AND ($1->'atMs' = 'null' OR (r.at, r.id) < (to_timestamp(($1->>'atMs')::bigint / 1000.0), $1->>'id'))
    ORDER BY r.at DESC, r.id DESC LIMIT ($1->>'limit')::bigint + 1
), counted AS MATERIALIZED (
    SELECT p.*, row_number() OVER newest AS number, sum(p.size) OVER newest AS bytes
    FROM page p WINDOW newest AS (ORDER BY p.at DESC, p.id DESC)
), shown AS MATERIALIZED (
    SELECT * FROM counted
    WHERE number = 1 OR (number <= ($1->>'limit')::bigint AND bytes <= ($1->>'bytes')::bigint)
)
SELECT json_build_object(
    'items', (SELECT coalesce(json_agg(chat_report_v1(s.report) ORDER BY s.number), '[]') FROM shown s),
    'next', CASE WHEN (SELECT count(*) FROM page) > (SELECT count(*) FROM shown) THEN (
        SELECT json_build_object('atMs', chat_unix_ms_v1(s.at), 'id', s.id)
        FROM shown s ORDER BY s.number DESC LIMIT 1) END)
