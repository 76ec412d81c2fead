-- Saved messages: what a person keeps for later, alone (SAVED-1 to SAVED-3 of docs/PROTOCOL.md). A row has no content: what
-- a message says now, and whether its person may see it now, the list asks.
--
-- Names, settings and lookups of the functions are as in 0006.

-- Each change of a person's list has a number, one more than the one before it: an inbox asks for those that it has not
-- shown. The row is locked by each change, so the numbers are committed in their order.
CREATE TABLE chat_saved_changes (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    rev bigint NOT NULL,
    -- How many messages are saved, at most: what was deleted meanwhile is still counted.
    saved bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- No foreign keys: the message may not be projected yet, and a check would lock its room's row at each save.
CREATE TABLE chat_saved (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    room_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    -- Of the newest change. The newest saved message has the highest one.
    rev bigint NOT NULL,
    -- False: it was saved once, which inboxes may still show.
    saved boolean NOT NULL,
    PRIMARY KEY (tenant_id, room_id, seq, user_id)
);

-- The list, newest first, and what has changed since. The condition, which every row fulfils, keeps this index away from
-- lookups by room (0005).
CREATE INDEX chat_saved_of_person ON chat_saved (tenant_id, user_id, rev) WHERE rev > 0;

-- Drops what need not be kept of a person's list: deleted messages, those of rooms that are gone, and what is saved no
-- more. Gives how many are left. A full list does this before it refuses.
CREATE FUNCTION chat_tidy_saved_v1(tenant text, person text) RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    one record;
    kept bigint := 0;
BEGIN
    FOR one IN
        SELECT s.room_id, s.seq, s.saved AND r.id IS NOT NULL AND c.deleted_at IS NULL AS is_kept
        FROM chat_saved s
        LEFT JOIN LATERAL (
            SELECT a.id FROM chat_rooms a
            WHERE a.tenant_id = tenant AND a.id = s.room_id AND a.deleted_at IS NULL LIMIT 1) r ON true
        LEFT JOIN LATERAL (
            SELECT a.deleted_at FROM chat_messages a
            WHERE a.tenant_id = tenant AND a.room_id = s.room_id AND a.seq = s.seq LIMIT 1) c ON true
        WHERE s.tenant_id = tenant AND s.user_id = person AND s.rev > 0
        ORDER BY s.tenant_id, s.user_id, s.rev
    LOOP
        IF one.is_kept THEN
            kept := kept + 1;
        ELSE
            DELETE FROM chat_saved s
            WHERE s.tenant_id = tenant AND s.room_id = one.room_id AND s.seq = one.seq AND s.user_id = person;
        END IF;
    END LOOP;
    RETURN kept;
END $$;

-- The person has saved this message, or has not. Gives `isFull`: nothing was changed, because they have saved as many as
-- anybody may; `inboxes`: theirs, if something has changed and it is open (null: nobody's).
CREATE FUNCTION chat_set_saved_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    person constant text := input->>'user';
    room constant text := input->>'room';
    place constant bigint := (input->>'seq')::bigint;
    saves constant boolean := (input->>'saved')::boolean;
    before chat_saved;
    mine chat_saved_changes;
BEGIN
    INSERT INTO chat_saved_changes AS c (tenant_id, user_id, rev, saved) VALUES (tenant, person, 0, 0)
    ON CONFLICT (tenant_id, user_id) DO NOTHING;
    SELECT * INTO mine FROM chat_saved_changes c WHERE c.tenant_id = tenant AND c.user_id = person FOR UPDATE;
    -- A log that was rebuilt may have another message at the seq of a lost one.
    SELECT * INTO before FROM chat_saved s
    WHERE s.tenant_id = tenant AND s.room_id = room AND s.seq = place AND s.user_id = person;
    IF saves = coalesce(before.saved AND before.message_id = input->>'message', false)
        OR NOT saves AND before.message_id <> input->>'message' THEN
        RETURN json_build_object('isFull', false);
    END IF;
    IF saves AND mine.saved >= (input->>'max')::bigint THEN
        mine.saved := chat_tidy_saved_v1(tenant, person);
        UPDATE chat_saved_changes c SET saved = mine.saved WHERE c.tenant_id = tenant AND c.user_id = person;
        IF mine.saved >= (input->>'max')::bigint THEN
            RETURN json_build_object('isFull', true);
        END IF;
    END IF;
    UPDATE chat_saved_changes c SET rev = mine.rev + 1, saved = greatest(mine.saved + CASE WHEN saves THEN 1 ELSE -1 END, 0)
    WHERE c.tenant_id = tenant AND c.user_id = person;
    INSERT INTO chat_saved (tenant_id, user_id, room_id, seq, message_id, rev, saved)
    VALUES (tenant, person, room, place, input->>'message', mine.rev + 1, saves)
    ON CONFLICT (tenant_id, room_id, seq, user_id) DO UPDATE SET
        message_id = excluded.message_id, rev = excluded.rev, saved = excluded.saved;
    RETURN json_build_object('isFull', false,
        'inboxes', chat_inboxes_of_people_v1(tenant, jsonb_build_array(person)));
END $$;

-- A page of a person's saved messages (src/db/saved.rs): `found`, the newest saved first, and `next`, where it ended. It
-- ends at `limit` messages, at `bytesMax` bytes of them, or where the walk has passed `walkMax` rows. What the person may
-- not see now, or Postgres does not have, is passed over.
CREATE FUNCTION chat_list_saved_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    person constant text := question->>'user';
    below constant bigint := coalesce((question->>'below')::bigint, 9223372036854775807);
    messages_max constant bigint := (question->>'limit')::bigint;
    bytes_max constant bigint := (question->>'bytesMax')::bigint;
    walk_max constant bigint := (question->>'walkMax')::bigint;
    one record;
    shown json;
    last bigint;
    next bigint;
    walked bigint := 0;
    bytes bigint := 0;
    page json[] := '{}';
BEGIN
    FOR one IN
        SELECT s.room_id, s.seq, s.rev, s.saved AND (
            SELECT true
            FROM chat_room_members m
            CROSS JOIN LATERAL (
                SELECT a.history_visibility FROM chat_rooms a
                WHERE a.tenant_id = tenant AND a.id = s.room_id AND a.deleted_at IS NULL LIMIT 1) r
            CROSS JOIN LATERAL (
                SELECT a.id, a.deleted_at FROM chat_messages a
                WHERE a.tenant_id = tenant AND a.room_id = s.room_id AND a.seq = s.seq LIMIT 1) c
            WHERE m.tenant_id = tenant AND m.room_id = s.room_id AND m.user_id = person
              AND c.id = s.message_id AND c.deleted_at IS NULL
              AND s.seq > CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END LIMIT 1) AS is_shown
        FROM chat_saved s
        WHERE s.tenant_id = tenant AND s.user_id = person AND s.rev > 0 AND s.rev < below
        ORDER BY s.tenant_id DESC, s.user_id DESC, s.rev DESC
    LOOP
        IF walked >= walk_max OR cardinality(page) >= messages_max OR bytes >= bytes_max THEN
            next := last;
            EXIT;
        END IF;
        walked := walked + 1;
        last := one.rev;
        CONTINUE WHEN one.is_shown IS NOT TRUE;
        SELECT v.message INTO shown FROM chat_message_json_v1 v
        WHERE v.tenant_id = tenant AND v.room_id = one.room_id AND v.seq = one.seq LIMIT 1;
        page := page || json_build_object('roomId', one.room_id, 'message', shown);
        bytes := bytes + octet_length(shown::text);
    END LOOP;
    RETURN json_build_object('found', to_json(page), 'next', next);
END $$;

-- What has changed in a person's list of saved messages behind the change `after`: at most `limit` of the changes,
-- ascending, and `rev`, the newest one of all. Without `after` only that.
CREATE FUNCTION chat_saved_after_v1(tenant text, person text, after bigint, changes_max bigint) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN json_build_object(
        'rev', coalesce((
            SELECT c.rev FROM chat_saved_changes c WHERE c.tenant_id = tenant AND c.user_id = person), 0),
        'changes', (
            SELECT coalesce(json_agg(json_build_object('rev', n.rev, 'room', n.room_id, 'message', n.message_id,
                'saved', n.saved) ORDER BY n.rev), '[]')
            FROM (
                SELECT s.rev, s.room_id, s.message_id, s.saved FROM chat_saved s
                WHERE s.tenant_id = tenant AND s.user_id = person AND s.rev > 0 AND s.rev > after
                ORDER BY s.tenant_id, s.user_id, s.rev LIMIT changes_max) n));
END $$;

-- chat_inbox_rooms_v2, and if `saved` asks for it what has changed in the list of saved messages: `{rooms, people, saved}`.
CREATE FUNCTION chat_inbox_rooms_v3(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN json_build_object('rooms', chat_inbox_rooms_v1(question),
        'people', chat_people_json_v1(question->>'tenant', question->'people'),
        'saved', CASE WHEN jsonb_typeof(question->'saved') = 'object' THEN
            chat_saved_after_v1(question->>'tenant', question->>'user', (question->'saved'->>'after')::bigint,
                (question->'saved'->>'limit')::bigint) END);
END $$;
