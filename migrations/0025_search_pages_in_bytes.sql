-- A page of a search (src/db/search.rs): `found`, newest first, and `cut`, the place down to which everything is known
-- if that is not everything. It ends at `bytesMax` bytes of messages too, but has at least one. The Workers of before it
-- call `chat_search_v1`. `way`: 'rooms' walks back in each of the person's rooms, 'tenant' in the tenant, `each`
-- messages far; with `indexed` an index is asked before.
CREATE OR REPLACE FUNCTION chat_search_v2(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    way text := question->>'way';
    each constant bigint := (question->>'each')::bigint;
    page_max constant bigint := (question->>'limit')::bigint;
    bytes_max constant bigint := (question->>'bytesMax')::bigint;
    place_at constant timestamptz := to_timestamp((question->'place'->>'atUs')::bigint / 1000000.0::double precision);
    place_seq constant bigint := (question->'place'->>'seq')::bigint;
    place_room constant text := question->'place'->>'room';
    oldest timestamptz := '-infinity';
    brought record;
    cut record;
BEGIN
    IF question->>'afterUs' IS NOT NULL THEN
        oldest := to_timestamp((question->>'afterUs')::bigint / 1000000.0::double precision);
    END IF;
    SELECT NULL::text[] AS room_ids, NULL::bigint[] AS seqs, NULL::timestamptz[] AS times INTO brought;
    SELECT NULL::text AS room_id, NULL::bigint AS seq, NULL::timestamptz AS created_at INTO cut;
    IF (question->>'indexed')::boolean THEN
        SELECT * FROM chat_search_index_v1(question) INTO brought;
        IF brought.complete THEN
            way := 'index';
        END IF;
    END IF;
    IF way = 'tenant' THEN
        SELECT c.room_id, c.seq, c.created_at INTO cut FROM chat_messages c
        WHERE c.tenant_id = tenant AND c.created_at >= oldest
          AND (c.created_at, c.seq, c.room_id) < (place_at, place_seq, place_room)
        ORDER BY c.created_at DESC, c.seq DESC, c.room_id DESC OFFSET each - 1 LIMIT 1;
    ELSIF way = 'rooms' THEN
        -- A room that is not walked to its end is known down to some place. The newest of these is as far back as all
        -- rooms are known: nothing older is read.
        SELECT m.room_id, h.seq, h.created_at INTO cut
        FROM chat_search_rooms_v1(question) m
        CROSS JOIN LATERAL (
            SELECT c.seq, c.created_at FROM chat_messages c
            WHERE c.tenant_id = tenant AND c.room_id = m.room_id AND c.created_at >= oldest
              AND (c.created_at, c.seq, c.room_id) < (place_at, place_seq, place_room)
            ORDER BY c.created_at DESC, c.seq DESC OFFSET each - 1 LIMIT 1) h
        WHERE m.last_seq - m.since > each
        ORDER BY h.created_at DESC, h.seq DESC, m.room_id DESC LIMIT 1;
        oldest := greatest(oldest, cut.created_at);
    END IF;
    RETURN (
        WITH sources AS MATERIALIZED (
            SELECT m.room_id FROM chat_search_rooms_v1(question) m WHERE way = 'rooms'
            UNION ALL SELECT NULL WHERE way <> 'rooms'
        ), hits AS MATERIALIZED (
            SELECT h.* FROM sources s
            CROSS JOIN LATERAL (
                SELECT w.room_id, m.name, w.seq, w.created_at
                FROM (
                    SELECT c.room_id, c.seq, c.created_at
                    FROM (
                        (SELECT a.* FROM chat_messages a
                        WHERE way = 'rooms' AND a.tenant_id = tenant AND a.room_id = s.room_id
                          AND a.created_at >= oldest
                          AND (a.created_at, a.seq, a.room_id) < (place_at, place_seq, place_room)
                        ORDER BY a.created_at DESC, a.seq DESC LIMIT each)
                        UNION ALL
                        (SELECT a.* FROM chat_messages a
                        WHERE way = 'tenant' AND a.tenant_id = tenant AND a.created_at >= oldest
                          AND (a.created_at, a.seq, a.room_id) < (place_at, place_seq, place_room)
                        ORDER BY a.created_at DESC, a.seq DESC, a.room_id DESC LIMIT each)
                        UNION ALL
                        (SELECT a.*
                        FROM (
                            SELECT * FROM unnest(brought.room_ids, brought.seqs, brought.times) b (room_id, seq, at)
                            WHERE way = 'index' AND b.at >= oldest
                            ORDER BY b.at DESC, b.seq DESC, b.room_id DESC) b
                        CROSS JOIN LATERAL (
                            SELECT a.* FROM chat_messages a
                            WHERE a.tenant_id = tenant AND a.room_id = b.room_id AND a.seq = b.seq LIMIT 1) a)
                    ) c
                    CROSS JOIN LATERAL (SELECT chat_fold_v1(c.content) AS text OFFSET 0) f
                    WHERE c.deleted_at IS NULL
                      AND (question->>'from' IS NULL OR c.user_id = question->>'from')
                      AND (question->>'first' IS NULL OR f.text LIKE (question->>'first'))
                      AND (question->'rest' = '[]'
                        OR f.text LIKE ALL (ARRAY(SELECT jsonb_array_elements_text(question->'rest'))))
                      AND (question->'begins' = '[]'
                        OR f.text ~ ALL (ARRAY(SELECT jsonb_array_elements_text(question->'begins'))))
                      AND (question->>'words' IS NULL
                        OR chat_words(f.text) @@ to_tsquery('simple', question->>'words'))
                      AND (NOT question->'has' ? 'attachment' OR c.attachments <> '[]')
                      AND (NOT question->'has' ? 'image'
                        OR c.attachments @? '$[*] ? (@.mimeType starts with "image/")')
                      AND (NOT question->'has' ? 'link' OR c.content ~* 'https?://[^[:space:]]')
                      AND (NOT question->'has' ? 'thread' OR c.reply_count > 0)
                      AND (NOT question->'has' ? 'reaction' OR EXISTS (
                        SELECT FROM chat_message_reactions x
                        WHERE x.tenant_id = tenant AND x.room_id = c.room_id AND x.seq = c.seq))
                    OFFSET 0) w
                CROSS JOIN LATERAL (
                    SELECT r.* FROM chat_search_rooms_v1(question) r WHERE r.room_id = w.room_id LIMIT 1) m
                WHERE w.seq > m.since
                LIMIT page_max) h
        ), page AS MATERIALIZED (
            SELECT * FROM hits h
            WHERE cut.created_at IS NULL
               OR (h.created_at, h.seq, h.room_id) >= (cut.created_at, cut.seq, cut.room_id)
            ORDER BY h.created_at DESC, h.seq DESC, h.room_id DESC LIMIT page_max
        ), shown AS MATERIALIZED (
            SELECT p.*, c.message,
                row_number() OVER newest_first AS number,
                sum(octet_length(c.message::text)) OVER newest_first AS bytes
            FROM page p
            CROSS JOIN LATERAL (
                SELECT a.message FROM chat_message_json_v1 a
                WHERE a.tenant_id = tenant AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c
            WINDOW newest_first AS (ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC)
        ), fitting AS MATERIALIZED (
            SELECT s.*, json_build_object('atUs', (extract(epoch FROM s.created_at) * 1000000)::bigint,
                'seq', s.seq, 'room', s.room_id) AS place
            FROM shown s WHERE s.number = 1 OR s.bytes <= bytes_max
        )
        SELECT json_build_object(
            'found', (
                SELECT coalesce(json_agg(json_build_object(
                    'place', f.place, 'roomId', f.room_id, 'roomName', f.name, 'message', f.message)
                    ORDER BY f.number), '[]')
                FROM fitting f),
            'cut', CASE
                WHEN (SELECT count(*) FROM fitting) < (SELECT count(*) FROM shown) THEN
                    (SELECT f.place FROM fitting f ORDER BY f.number DESC LIMIT 1)
                WHEN cut.created_at IS NOT NULL THEN json_build_object(
                    'atUs', (extract(epoch FROM cut.created_at) * 1000000)::bigint, 'seq', cut.seq, 'room', cut.room_id)
                END));
END $$;
