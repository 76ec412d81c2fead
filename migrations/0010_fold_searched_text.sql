-- no-transaction
-- Search finds text whatever its normal form, width and case: stored text and searched text are folded by the same
-- function. And a search by index reads a bounded number of messages in a bounded time, however large the tenant is
-- (docs/SEARCH.md). The search of the Worker before this one finds its pages by walking until the new one is deployed.
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

-- A text as search compares it: NFKC, without case, and without the characters that only say how others are shown or
-- broken (soft hyphens, zero width, variation selectors). Upper case first: the final sigma has the same. Postgres
-- inlines it.
CREATE OR REPLACE FUNCTION chat_fold_v1(content text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN octet_length(content) = char_length(content) THEN lower(content)
        ELSE lower(upper(translate(normalize(content, NFKC),
            U&'\00ad\200b\200c\200d\200e\200f\2060\feff\fe00\fe01\fe0e\fe0f', ''))) END;

-- only with btree_gin
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_folded_words ON chat_messages
    USING gin (tenant_id, room_id, chat_words(chat_fold_v1(content))) WITH (gin_pending_list_limit = 256);

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_folded_words ON chat_messages
    USING gin (chat_words(chat_fold_v1(content))) WITH (gin_pending_list_limit = 256);

-- only with btree_gin pg_trgm
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_folded_parts ON chat_messages
    USING gin (tenant_id, room_id, chat_fold_v1(content) gin_trgm_ops) WITH (gin_pending_list_limit = 256);

-- only with pg_trgm
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_folded_parts ON chat_messages
    USING gin (chat_fold_v1(content) gin_trgm_ops) WITH (gin_pending_list_limit = 256);

DROP INDEX CONCURRENTLY IF EXISTS chat_messages_words;

DROP INDEX CONCURRENTLY IF EXISTS chat_messages_parts;

-- An expression's statistics are those of its index (0004 asks for as many of the text itself).
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.oid = to_regclass('chat_messages_folded_parts') AND a.attname NOT IN ('tenant_id', 'room_id')
    LOOP
        EXECUTE format('ALTER INDEX %I ALTER COLUMN %s SET STATISTICS 500', part.relname, part.attnum);
    END LOOP;
END $$;

ALTER TABLE chat_messages ALTER content SET STATISTICS -1;

ANALYZE chat_messages;

-- The rooms that a search covers: of the person, and none but those that it names. `since`: up to where messages are
-- hidden from the person. Postgres inlines it.
CREATE OR REPLACE FUNCTION chat_search_rooms_v1(question jsonb)
RETURNS TABLE (room_id text, name text, last_seq bigint, since bigint)
LANGUAGE sql STABLE AS $$
    SELECT m.room_id, r.name, r.last_seq, CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    WHERE m.tenant_id = question->>'tenant' AND m.user_id = question->>'user'
      AND (question->>'room' IS NULL OR m.room_id = question->>'room')
      AND (question->>'inside' IS NULL OR r.id = question->>'inside'
        OR chat_fold_v1(r.name) = chat_fold_v1(question->>'inside'))
$$;

-- A text, until a time; after it an error. Given to an index as what it looks for, this ends its reading: Postgres asks
-- again for each row that it checks, also for those that do not match, which no LIMIT counts.
CREATE OR REPLACE FUNCTION chat_until_v1(value text, deadline timestamptz) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF clock_timestamp() > deadline THEN
        RAISE EXCEPTION 'out of time' USING ERRCODE = 'CW001';
    END IF;
    RETURN value;
END $$;

-- All messages that an index brings, newest first, those that are not behind the place left out. `complete` is false if
-- the statistics expect more than `foundMax`, if there are more, or if it takes longer than `indexMs`. Statistics never
-- expect a part of a word in less than 1 of 10,000 messages: what they expect that seldom may be as rare as can be.
-- Volatile, because EXPLAIN counts as writing.
CREATE OR REPLACE FUNCTION chat_search_index_v1(
    question jsonb, OUT complete boolean, OUT room_ids text[], OUT seqs bigint[], OUT times timestamptz[])
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
    brought bigint := 0;
    message record;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT ' || indexed INTO plan USING question, 'infinity'::timestamptz;
    complete := (plan#>>'{0,Plan,Plan Rows}')::double precision <= greatest(found_max, 0.00015 * stored);
    IF NOT complete THEN
        RETURN;
    END IF;
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT FROM chat_messages c WHERE c.tenant_id = $1' INTO plan
        USING question->>'tenant';
    IF stored > 0 AND (plan#>>'{0,Plan,Plan Rows}')::double precision > stored / 2 THEN
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
-- if that is not everything. `way`: 'rooms' walks back in each of the person's rooms, 'tenant' in the tenant, `each`
-- messages far; with `indexed` an index is asked before.
CREATE OR REPLACE FUNCTION chat_search_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    way text := question->>'way';
    each constant bigint := (question->>'each')::bigint;
    page_max constant bigint := (question->>'limit')::bigint;
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
                    WHERE a.tenant_id = tenant AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c),
            'cut', CASE WHEN cut.created_at IS NOT NULL THEN json_build_object(
                'atUs', (extract(epoch FROM cut.created_at) * 1000000)::bigint, 'seq', cut.seq, 'room', cut.room_id)
                END));
END $$;
