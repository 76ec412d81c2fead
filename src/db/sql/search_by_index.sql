-- Everything that an index returns, and of that the page. Nothing is cut off.
WITH indexed AS MATERIALIZED (
    SELECT c.room_id, c.seq, c.created_at FROM chat_messages c
    WHERE
      c.tenant_id = $1->>'tenant' AND ($1->>'room' IS NULL OR c.room_id = $1->>'room')
      AND ($1->'parts'->>0 IS NULL OR c.content ILIKE ($1->'parts'->>0))
      AND ($1->'parts'->>1 IS NULL OR c.content ILIKE ($1->'parts'->>1))
      AND ($1->'parts'->>2 IS NULL OR c.content ILIKE ($1->'parts'->>2))
      AND ($1->>'words' IS NULL OR chat_words(c.content) @@ to_tsquery('simple', $1->>'words'))
      AND
      (c.created_at, c.seq, c.room_id) < (
        to_timestamp(($1->'place'->>'atUs')::bigint / 1000000.0::double precision),
        ($1->'place'->>'seq')::bigint, $1->'place'->>'room')
      AND ($1->>'afterUs' IS NULL
        OR c.created_at >= to_timestamp(($1->>'afterUs')::bigint / 1000000.0::double precision))
      AND
      c.deleted_at IS NULL
      AND ($1->>'from' IS NULL OR c.user_id = $1->>'from')
      AND ($1->>'first' IS NULL OR c.content ILIKE ($1->>'first'))
      AND ($1->'rest' = '[]' OR c.content ILIKE ALL (ARRAY(SELECT jsonb_array_elements_text($1->'rest'))))
      AND ($1->'begins' = '[]' OR c.content ~* ALL (ARRAY(SELECT jsonb_array_elements_text($1->'begins'))))
      AND ($1->>'words' IS NULL OR chat_words(c.content) @@ to_tsquery('simple', $1->>'words'))
      AND (NOT $1->'has' ? 'attachment' OR c.attachments <> '[]')
      AND (NOT $1->'has' ? 'image' OR c.attachments @? '$[*] ? (@.mimeType starts with "image/")')
      AND (NOT $1->'has' ? 'link' OR c.content ~* 'https?://[^[:space:]]')
      AND (NOT $1->'has' ? 'thread' OR c.reply_count > 0)
      AND (NOT $1->'has' ? 'reaction' OR EXISTS (
        SELECT FROM chat_message_reactions x
        WHERE x.tenant_id = c.tenant_id AND x.room_id = c.room_id AND x.seq = c.seq))
), hits AS MATERIALIZED (
    SELECT b.room_id, m.name, b.seq, b.created_at
    FROM (SELECT * FROM indexed b ORDER BY b.created_at DESC, b.seq DESC, b.room_id DESC) b
    CROSS JOIN LATERAL (
    SELECT m.room_id, r.name, r.last_seq, seen.since
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    CROSS JOIN LATERAL (
        SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND ($1->>'room' IS NULL OR m.room_id = $1->>'room')
      AND ($1->>'inside' IS NULL OR r.id = $1->>'inside' OR lower(r.name) = lower($1->>'inside'))
      AND m.room_id = b.room_id
    LIMIT 1) m
    WHERE b.seq > m.since
    ORDER BY b.created_at DESC, b.seq DESC, b.room_id DESC LIMIT ($1->>'limit')::bigint
), cut AS (
    SELECT NULL::text AS room_id, NULL::bigint AS seq, NULL::timestamptz AS created_at WHERE false
), page AS MATERIALIZED (
    SELECT h.* FROM hits h LEFT JOIN cut ON true
    WHERE cut.created_at IS NULL
       OR (h.created_at, h.seq, h.room_id) >= (cut.created_at, cut.seq, cut.room_id)
    ORDER BY h.created_at DESC, h.seq DESC, h.room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'found', (
        SELECT coalesce(json_agg(json_build_object(
            'place', json_build_object(
                'atUs', (extract(epoch FROM p.created_at) * 1000000)::bigint, 'seq', p.seq, 'room', p.room_id),
            'roomId', p.room_id, 'roomName', p.name, 'message', c.message)
            ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC), '[]')
        FROM page p
        CROSS JOIN LATERAL (
            SELECT a.message FROM chat_message_json_v1 a
            WHERE a.tenant_id = $1->>'tenant' AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c),
    'cut', (
        SELECT json_build_object(
            'atUs', (extract(epoch FROM cut.created_at) * 1000000)::bigint, 'seq', cut.seq, 'room', cut.room_id)
        FROM cut))
