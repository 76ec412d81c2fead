-- Memberships are walked in the order of rooms, so many at a time, whether anything is unread or not. Rows are compared
-- so that no statistics choose another index, and LIMIT 1 keeps the rooms looked up one by one.
WITH walked AS MATERIALIZED (
    SELECT m.tenant_id, m.room_id, m.user_id, m.last_read_seq, m.joined_seq
    FROM chat_room_members m
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND (m.tenant_id, m.user_id, m.room_id) > ($1->>'tenant', $1->>'user', coalesce($1->>'after', ''))
    ORDER BY m.tenant_id, m.user_id, m.room_id
    LIMIT ($1->>'walkMax')::bigint
), waiting AS MATERIALIZED (
    SELECT w.*, r.last_seq,
        greatest(w.last_read_seq, CASE r.history_visibility WHEN 'since_join' THEN w.joined_seq ELSE 0 END) AS after
    FROM walked w
    CROSS JOIN LATERAL (
        SELECT a.last_seq, a.history_visibility FROM chat_rooms a
        WHERE a.tenant_id = w.tenant_id AND a.id = w.room_id LIMIT 1) r
    WHERE r.last_seq > w.last_read_seq
    ORDER BY w.room_id
    LIMIT ($1->>'roomsMax')::bigint
), counted AS MATERIALIZED (
    SELECT w.room_id, w.last_seq, w.last_read_seq,
        chat_count_unread_v2(w.tenant_id, w.room_id, w.user_id, w.after, $1->'bounds') AS unread,
        chat_count_mentions_v2(w.tenant_id, w.room_id, w.user_id, w.after, $1->'bounds') AS mentions
    FROM waiting w
)
SELECT json_build_object(
    'items', (
        SELECT coalesce(json_agg(json_build_object(
            'roomId', c.room_id, 'unread', c.unread, 'mentions', c.mentions,
            'lastSeq', c.last_seq, 'lastReadSeq', c.last_read_seq) ORDER BY c.room_id), '[]')
        FROM counted c WHERE c.unread > 0 OR c.mentions > 0),
    'next', CASE
        WHEN (SELECT count(*) FROM waiting) >= ($1->>'roomsMax')::bigint THEN (
            SELECT w.room_id FROM waiting w ORDER BY w.room_id DESC LIMIT 1)
        WHEN (SELECT count(*) FROM walked) >= ($1->>'walkMax')::bigint THEN (
            SELECT w.room_id FROM walked w ORDER BY w.room_id DESC LIMIT 1) END)
