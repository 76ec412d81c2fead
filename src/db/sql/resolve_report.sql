-- Resolves an open report; without a state it only reads. Of two moderators at once the second waits for the first's
-- row, changes nothing, and gets the report as it was before: open.
WITH resolved AS (
    UPDATE chat_reports r SET state = $1->>'state', resolved_by = $1->>'by',
        resolved_at = date_trunc('milliseconds', now()), note = $1->>'note'
    WHERE r.tenant_id = $1->>'tenant' AND r.id = $1->>'id' AND r.state = 'open' AND $1->'state' <> 'null'
    RETURNING r AS report
), found AS (
    SELECT report FROM resolved
    UNION ALL
    SELECT r FROM chat_reports r
    WHERE r.tenant_id = $1->>'tenant' AND r.id = $1->>'id' AND NOT EXISTS (SELECT FROM resolved)
)
SELECT (
    SELECT json_build_object('room', (f.report).room_id, 'message', (f.report).message_id,
        'author', (f.report).author, 'state', (f.report).state, 'shown', chat_report_v1(f.report))
    FROM found f)
