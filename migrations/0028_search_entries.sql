-- A word that stands nowhere, all of whose parts are frequent, made the index merge their entries before it brought a row:
-- 150 ms among 10^7 messages, which neither a LIMIT nor a deadline of rows ends. So the entries are bounded as well.

-- All messages that an index brings, newest first, those that are not behind the place left out. `complete` is false if
-- the statistics expect more than `foundMax`, if there are more, if it takes longer than `indexMs`, or if all three-letter
-- pieces of the parts are frequent and have more than `entriesMax` entries together. A message with the rarest of them
-- counts as 50 entries, as it is compared in all the lists. `has_read`: it was not given up by statistics alone.
-- Statistics never expect a piece in less than 1 of 10,000 messages: what they expect that seldom may be as rare as can
-- be. Volatile, because EXPLAIN counts as writing.
CREATE OR REPLACE FUNCTION chat_search_index_v2(
    question jsonb, OUT complete boolean, OUT has_read boolean, OUT room_ids text[], OUT seqs bigint[], OUT times timestamptz[])
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = off
SET max_parallel_workers_per_gather = 0
SET jit = off
AS $$
DECLARE
    indexed text := $sql$
        FROM chat_messages c
        WHERE c.tenant_id = $1->>'tenant' AND ($1->>'room' IS NULL OR c.room_id = $1->>'room')
          AND ($1->'parts'->>0 IS NULL OR chat_fold_v1(c.content) LIKE chat_until_v1($1->'parts'->>0, $2))
          AND ($1->'parts'->>1 IS NULL OR chat_fold_v1(c.content) LIKE ($1->'parts'->>1))
          AND ($1->'parts'->>2 IS NULL OR chat_fold_v1(c.content) LIKE ($1->'parts'->>2))
          AND ($1->>'words' IS NULL
            OR chat_words(chat_fold_v1(c.content)) @@ to_tsquery('simple', chat_until_v1($1->>'words', $2)))
        $sql$;
    found_max constant bigint := (question->>'foundMax')::bigint;
    deadline constant timestamptz := clock_timestamp() + (question->>'indexMs')::bigint * interval '1 ms';
    place_at constant timestamptz := to_timestamp((question->'place'->>'atUs')::bigint / 1000000.0::double precision);
    place_seq constant bigint := (question->'place'->>'seq')::bigint;
    place_room constant text := question->'place'->>'room';
    stored constant double precision := (SELECT t.reltuples FROM pg_class t WHERE t.oid = 'chat_messages'::regclass);
    plan json;
    of_tenant double precision;
    piece text;
    share double precision;
    nowhere double precision;
    merged double precision := 0;
    rarest double precision := 1;
    brought bigint := 0;
    message record;
BEGIN
    has_read := false;
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT ' || indexed INTO plan USING question, 'infinity'::timestamptz;
    complete := (plan#>>'{0,Plan,Plan Rows}')::double precision <= greatest(found_max, 0.00015 * stored);
    IF NOT complete THEN
        RETURN;
    END IF;
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT FROM chat_messages c WHERE c.tenant_id = $1' INTO plan
        USING question->>'tenant';
    of_tenant := greatest((plan#>>'{0,Plan,Plan Rows}')::double precision, 1);
    -- At first what is expected of a piece that no text has.
    FOR piece IN
        SELECT chr(1) || chr(2) || chr(3)
        UNION ALL (
            SELECT DISTINCT substr(p.part, n, 3) FROM jsonb_array_elements_text(question->'parts') p (part)
            CROSS JOIN LATERAL generate_series(1, length(p.part) - 2) n
            WHERE substr(p.part, n, 3) ~ '^[[:alnum:]]{3}$' LIMIT 16)
    LOOP
        EXECUTE 'EXPLAIN (FORMAT JSON) SELECT FROM chat_messages c
            WHERE c.tenant_id = $1 AND chat_fold_v1(c.content) LIKE $2' INTO plan
            USING question->>'tenant', '%' || piece || '%';
        share := (plan#>>'{0,Plan,Plan Rows}')::double precision / of_tenant;
        IF nowhere IS NULL THEN
            nowhere := share;
            CONTINUE;
        END IF;
        merged := merged + share;
        rarest := least(rarest, share);
    END LOOP;
    -- An index has the entries of all tenants. Where there are no statistics all pieces are alike.
    IF merged > 0 AND rarest > 1.5 * nowhere AND (merged + 50 * rarest) * stored > (question->>'entriesMax')::bigint THEN
        complete := false;
        RETURN;
    END IF;
    has_read := true;
    IF stored > 0 AND of_tenant > stored / 2 THEN
        -- Of a tenant that has most messages the index would read all entries (80 ms instead of 1 among 3 million). So
        -- the tenant is compared in each message.
        indexed := replace(indexed, 'c.tenant_id =', 'c.tenant_id || '''' =');
    END IF;
    FOR message IN EXECUTE 'SELECT c.room_id, c.seq, c.created_at ' || indexed || 'LIMIT $3'
        USING question, deadline, found_max + 1
    LOOP
        brought := brought + 1;
        IF brought > found_max OR (brought % 64 = 0 AND clock_timestamp() > deadline) THEN
            complete := false;
            RETURN;
        END IF;
        IF (message.created_at, message.seq, message.room_id) < (place_at, place_seq, place_room) THEN
            room_ids := room_ids || message.room_id;
            seqs := seqs || message.seq;
            times := times || message.created_at;
        END IF;
    END LOOP;
EXCEPTION
    WHEN SQLSTATE 'CW001' THEN complete := false;
END $$;

-- A page of a search (src/db/search.rs): `found`, newest first, and `cut`, the place down to which everything is known
-- if that is not everything. It ends at `bytesMax` bytes of messages too, but has at least one. The Workers of before it
-- call `chat_search_v2`. `way`: 'rooms' walks back in each of the person's rooms, 'tenant' in the tenant, `each`
-- messages far, and half as far if an index was read in vain; with `indexed` an index is asked before.
CREATE OR REPLACE FUNCTION chat_search_v3(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    way text := question->>'way';
    each bigint := (question->>'each')::bigint;
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
        SELECT * FROM chat_search_index_v2(question) INTO brought;
        IF brought.complete THEN
            way := 'index';
        ELSIF brought.has_read THEN
            each := greatest(each / 2, 1);
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
