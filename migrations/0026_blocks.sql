-- Blocks: whom people have blocked, and who may open a room with whom (PEOPLE-8, PEOPLE-9 of docs/PROTOCOL.md).

CREATE TABLE chat_blocks (
    tenant_id text COLLATE "C" NOT NULL,
    -- Who blocks.
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    blocked_id text COLLATE "C" NOT NULL CHECK (char_length(blocked_id) BETWEEN 1 AND 128),
    at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    PRIMARY KEY (tenant_id, user_id, blocked_id),
    CHECK (user_id <> blocked_id)
);

-- Whether this person has blocked the other one.
CREATE FUNCTION chat_has_blocked_v1(tenant text, person text, other text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_blocks b WHERE b.tenant_id = tenant AND b.user_id = person AND b.blocked_id = other;
    RETURN FOUND;
END $$;

-- The members of a direct room whom the other one has blocked, as a JSON array.
CREATE FUNCTION chat_blocked_members_v1(tenant text, room text) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT coalesce(json_agg(m.user_id ORDER BY m.user_id), '[]')
        FROM chat_room_members m
        JOIN chat_room_members o ON o.tenant_id = m.tenant_id AND o.room_id = m.room_id AND o.user_id <> m.user_id
        WHERE m.tenant_id = tenant AND m.room_id = room AND o.tenant_id = tenant
          AND chat_has_blocked_v1(tenant, o.user_id, m.user_id));
END $$;

-- The person has blocked the other one, or has not. Gives their direct room, if there is one; `isFull`: nothing was
-- changed, because the person has blocked as many as anybody may.
CREATE FUNCTION chat_set_block_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    person constant text := input->>'user';
    other constant text := input->>'other';
    is_full boolean := false;
BEGIN
    IF NOT (input->>'blocked')::boolean THEN
        DELETE FROM chat_blocks b WHERE b.tenant_id = tenant AND b.user_id = person AND b.blocked_id = other;
    ELSIF NOT chat_has_blocked_v1(tenant, person, other) THEN
        is_full := (SELECT count(*) FROM chat_blocks b WHERE b.tenant_id = tenant AND b.user_id = person)
            >= (input->>'max')::bigint;
        IF NOT is_full THEN
            INSERT INTO chat_blocks (tenant_id, user_id, blocked_id) VALUES (tenant, person, other)
            ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    RETURN json_build_object('isFull', is_full, 'room', (
        SELECT r.id FROM chat_rooms r
        WHERE r.tenant_id = tenant AND r.dm_key = input->>'dmKey' AND r.deleted_at IS NULL));
END $$;

-- The people whom this person has blocked, by their ids.
CREATE FUNCTION chat_list_blocks_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN chat_people_json_v1(question->>'tenant', (
        SELECT coalesce(jsonb_agg(b.blocked_id), '[]') FROM chat_blocks b
        WHERE b.tenant_id = question->>'tenant' AND b.user_id = question->>'user'));
END $$;

-- What keeps `user` from opening a room with these people, or adding them: `blocked`, one of them has blocked `user`;
-- `unknown`, somebody whom the directory does not show to `user`, if `knownOnly`. Nothing keeps anybody from a direct
-- room that is there already.
CREATE FUNCTION chat_meeting_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    me constant text := question->>'user';
BEGIN
    PERFORM FROM chat_rooms r
    WHERE r.tenant_id = tenant AND r.dm_key = question->>'dmKey' AND r.deleted_at IS NULL;
    IF FOUND THEN
        RETURN json_build_object('blocked', false);
    END IF;
    RETURN json_build_object(
        'blocked', EXISTS (
            SELECT FROM jsonb_array_elements_text(question->'people') AS p(id)
            WHERE chat_has_blocked_v1(tenant, p.id, me)),
        'unknown', (
            SELECT p.id
            FROM jsonb_array_elements_text(question->'people') AS p(id)
            LEFT JOIN LATERAL (
                SELECT true AS known FROM chat_people a
                WHERE a.tenant_id = tenant AND a.user_id = p.id LIMIT 1) k ON true
            WHERE (question->>'knownOnly')::boolean AND p.id <> me
              AND (k.known IS NULL
                OR (question->>'onlyShared')::boolean AND NOT chat_share_room_v1(tenant, p.id, me))
            ORDER BY p.id LIMIT 1));
END $$;
