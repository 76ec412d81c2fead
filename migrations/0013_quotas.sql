-- Creating a room, with the quotas of its creator and its members (RATE-2 of docs/PROTOCOL.md). A refusal is an error, so
-- that nothing of the room is left: CW001 for the rooms of a day, CW002 for the rooms that a person is in.

-- How many rooms a person has created on a day of UTC: one row a person.
CREATE TABLE chat_rooms_made (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    day date NOT NULL,
    rooms bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- Refuses a person who is in as many rooms as anybody may be in. It reads as many entries of the index as the person has
-- rooms.
CREATE FUNCTION chat_refuse_full_v1(tenant text, person text, rooms_max bigint) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_room_members m
    WHERE m.tenant_id = tenant AND m.user_id = person
    OFFSET rooms_max - 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'in too many rooms' USING ERRCODE = 'CW002';
    END IF;
END $$;

-- The room exists with its members (src/db/rooms.rs). DO UPDATE changes nothing: unlike DO NOTHING it returns the row that
-- is there already; xmax is 0 only in a row that this statement inserted. The members of a group that was there are left
-- as they are: some may have been removed since.
CREATE FUNCTION chat_create_room_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    creator constant text := input->>'creator';
    today constant date := (now() AT TIME ZONE 'UTC')::date;
    is_group constant boolean := input->>'type' = 'group';
    room record;
    person text;
    made bigint;
BEGIN
    IF is_group THEN
        INSERT INTO chat_rooms AS r (tenant_id, id, type, name, created_by)
        VALUES (tenant, input->>'id', 'group', input->>'name', creator)
        ON CONFLICT (tenant_id, id) DO UPDATE SET id = r.id
        RETURNING r.id, xmax = 0 AS inserted INTO room;
    ELSE
        INSERT INTO chat_rooms AS r (tenant_id, id, type, name, dm_key, created_by)
        VALUES (tenant, input->>'id', 'direct', input->>'name', input->>'dmKey', creator)
        ON CONFLICT (tenant_id, dm_key) DO UPDATE SET id = r.id
        RETURNING r.id, xmax = 0 AS inserted INTO room;
    END IF;
    IF room.inserted THEN
        INSERT INTO chat_rooms_made AS m (tenant_id, user_id, day, rooms) VALUES (tenant, creator, today, 1)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET day = today,
            rooms = CASE WHEN m.day = today THEN m.rooms + 1 ELSE 1 END
        RETURNING m.rooms INTO made;
        IF made > (input->>'createPerDay')::bigint THEN
            RAISE EXCEPTION 'too many rooms today' USING ERRCODE = 'CW001';
        END IF;
        FOR person IN SELECT jsonb_array_elements_text(input->'people') LOOP
            PERFORM chat_refuse_full_v1(tenant, person, (input->>'roomsPerPerson')::bigint);
        END LOOP;
    END IF;
    IF room.inserted OR NOT is_group THEN
        INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
        SELECT tenant, room.id, p.id, CASE WHEN is_group AND p.id = creator THEN 'owner' ELSE 'member' END
        FROM jsonb_array_elements_text(input->'people') AS p(id)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN json_build_object('id', room.id, 'inserted', room.inserted);
END $$;

-- chat_apply_v2, unless somebody is to be added who is in as many rooms as anybody may be in.
CREATE FUNCTION chat_apply_v3(change jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    person text;
BEGIN
    FOR person IN SELECT p.value->>'userId' FROM jsonb_array_elements(change->'put') AS p(value) LOOP
        PERFORM FROM chat_room_members m
        WHERE m.tenant_id = change->>'tenant' AND m.room_id = change->>'room' AND m.user_id = person;
        IF NOT FOUND THEN
            PERFORM chat_refuse_full_v1(change->>'tenant', person, (change->>'roomsPerPerson')::bigint);
        END IF;
    END LOOP;
    RETURN chat_apply_v2(change);
END $$;
