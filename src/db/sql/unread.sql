-- LIMIT 1 keeps the rooms looked up one by one. Where everything is read, nothing is counted.
SELECT coalesce(json_agg(json_build_object(
    'roomId', m.room_id,
    'unread', CASE WHEN r.last_seq > m.last_read_seq THEN chat_count_unread_v2(
        m.tenant_id, m.room_id, m.user_id, seen.after, $1->'bounds') ELSE 0 END,
    'mentions', CASE WHEN r.last_seq > m.last_read_seq THEN chat_count_mentions_v2(
        m.tenant_id, m.room_id, m.user_id, seen.after, $1->'bounds') ELSE 0 END,
    'lastSeq', r.last_seq, 'lastReadSeq', m.last_read_seq) ORDER BY m.room_id), '[]')
FROM chat_room_members m
CROSS JOIN LATERAL (
    SELECT a.last_seq, a.history_visibility FROM chat_rooms a
    WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
CROSS JOIN LATERAL (
    SELECT greatest(m.last_read_seq,
        CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END) AS after) seen
WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
