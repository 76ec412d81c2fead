-- A room that Postgres has lost in a restored backup is put back by its object; a room that was deleted is not.
--
-- Names, settings and lookups of the functions are as in 0006.

-- A deleted room is marked at once, and its rows follow in pieces: 700,000 messages take longer than a statement may.
-- With the mark its members are gone, so that nothing that looks rooms up by their members finds it any more. What looks
-- a room up by its id alone must look at the mark.
ALTER TABLE chat_rooms ADD COLUMN deleted_at timestamptz;

-- The rooms that were deleted, by their owner or by a statement of the tenant's own. A room that Postgres does not have
-- and that stands here was deleted; one that does not stand here was lost. No foreign key: the room is gone.
CREATE TABLE chat_deleted_rooms (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, room_id)
);

CREATE FUNCTION chat_note_deleted_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_deleted_rooms (tenant_id, room_id) VALUES (old.tenant_id, old.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER chat_rooms_deleted AFTER DELETE ON chat_rooms
    FOR EACH ROW EXECUTE FUNCTION chat_note_deleted_room();

-- Marks the room as deleted, unless it has another version than `version`; NULL: whatever version it has. Gives 'done',
-- 'stale' or 'missing'.
CREATE FUNCTION chat_mark_deleted_v1(tenant text, room text, version bigint) RETURNS text
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    stored record;
BEGIN
    SELECT r.members_version, r.deleted_at INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    ELSIF stored.deleted_at IS NOT NULL THEN
        RETURN 'done';
    ELSIF stored.members_version <> version THEN
        RETURN 'stale';
    END IF;
    UPDATE chat_rooms r SET deleted_at = now(), members_version = r.members_version + 1
    WHERE r.tenant_id = tenant AND r.id = room;
    DELETE FROM chat_room_members m WHERE m.tenant_id = tenant AND m.room_id = room;
    INSERT INTO chat_deleted_rooms (tenant_id, room_id) VALUES (tenant, room) ON CONFLICT DO NOTHING;
    RETURN 'done';
END $$;

-- Deletes at most `rowsMax` rows of a deleted room, and the room itself once nothing refers to it any more. Gives
-- whether there are more. A room that a restored backup has brought back is marked again.
CREATE FUNCTION chat_erase_room_v1(question jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    room constant text := question->>'room';
    rows_max constant bigint := (question->>'rowsMax')::bigint;
    parts constant text[] := '{{chat_message_reactions, seq}, {chat_message_versions, seq}, {chat_mentions, seq},
        {chat_messages, seq}, {chat_thread_followers, thread_seq}, {chat_bans, user_id}, {chat_audit, at}}';
    part text[];
    gone bigint;
BEGIN
    IF chat_mark_deleted_v1(tenant, room, NULL) = 'missing' THEN
        INSERT INTO chat_deleted_rooms (tenant_id, room_id) VALUES (tenant, room) ON CONFLICT DO NOTHING;
        RETURN to_json(false);
    END IF;
    -- What refers to a message goes first: a message may have 10,000 reactions, and a cascade has no bound. By its order
    -- the right index is the cheapest one, also without statistics.
    FOREACH part SLICE 1 IN ARRAY parts LOOP
        EXECUTE format('DELETE FROM %1$I WHERE ctid = ANY (ARRAY(
            SELECT x.ctid FROM %1$I x WHERE x.tenant_id = $1 AND x.room_id = $2
            ORDER BY x.tenant_id, x.room_id, x.%2$I LIMIT $3))', part[1], part[2])
        USING tenant, room, rows_max;
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone > 0 THEN
            RETURN to_json(true);
        END IF;
    END LOOP;
    DELETE FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room;
    RETURN to_json(false);
END $$;

-- Makes the room what its object knows of it (src/db/restore.rs, which has the laws), if Postgres has an older version
-- or no room.
CREATE FUNCTION chat_restore_room_v1(copy jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := copy->>'tenant';
    room constant text := copy->>'room';
    version constant bigint := (copy->>'membersVersion')::bigint;
    stored record;
    gone text;
BEGIN
    SELECT r.members_version, r.deleted_at INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM FROM chat_deleted_rooms d WHERE d.tenant_id = tenant AND d.room_id = room;
        IF FOUND THEN
            RETURN json_build_object('state', 'deleted');
        END IF;
        -- The watermark is 0, so that the next batch shows that everything is missing.
        INSERT INTO chat_rooms (tenant_id, id, type, dm_key, created_by, created_at, members_version)
        VALUES (tenant, room, copy->>'type', copy->>'dmKey', copy->>'createdBy',
            to_timestamp((copy->>'createdAtMs')::bigint / 1000.0), 0)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            -- Another statement of the object was faster, or the people of a direct room have another one.
            SELECT r.members_version INTO stored FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room;
            RETURN CASE WHEN FOUND
                THEN json_build_object('state', 'current', 'membersVersion', stored.members_version)
                ELSE json_build_object('state', 'replaced') END;
        END IF;
    ELSIF stored.deleted_at IS NOT NULL THEN
        RETURN json_build_object('state', 'deleted');
    ELSIF stored.members_version >= version THEN
        RETURN json_build_object('state', 'current', 'membersVersion', stored.members_version);
    END IF;

    UPDATE chat_rooms r SET members_version = version, name = copy->>'name', topic = copy->>'topic',
        archived_at = CASE WHEN (copy->>'archived')::boolean
            THEN coalesce(r.archived_at, date_trunc('milliseconds', now())) END,
        history_visibility = copy->>'historyVisibility', room_mention = copy->>'roomMention',
        slow_mode_s = (copy->>'slowModeS')::integer
    WHERE r.tenant_id = tenant AND r.id = room;
    FOR gone IN
        SELECT m.user_id FROM chat_room_members m WHERE m.tenant_id = tenant AND m.room_id = room
        EXCEPT SELECT c."userId" FROM jsonb_to_recordset(copy->'members') AS c("userId" text)
    LOOP
        DELETE FROM chat_room_members m WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = gone;
    END LOOP;
    INSERT INTO chat_room_members AS m (
        tenant_id, room_id, user_id, role, joined_at, joined_seq, read_generation, last_read_seq, notify_level,
        mute_until, muted_until)
    SELECT tenant, room, c."userId", c.role, to_timestamp(c."joinedAtMs" / 1000.0), c."joinedSeq", c."readGeneration",
        c."lastReadSeq", c.notify->>'level', to_timestamp((c.notify->>'muteUntilMs')::bigint / 1000.0),
        to_timestamp(c."mutedUntilMs" / 1000.0)
    FROM jsonb_to_recordset(copy->'members') AS c(
        "userId" text, role text, "joinedAtMs" bigint, "joinedSeq" bigint, "readGeneration" bigint,
        "lastReadSeq" bigint, notify jsonb, "mutedUntilMs" bigint)
    ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
        role = excluded.role, joined_at = excluded.joined_at, joined_seq = excluded.joined_seq,
        notify_level = excluded.notify_level, mute_until = excluded.mute_until, muted_until = excluded.muted_until;
    FOR gone IN
        SELECT b.user_id FROM chat_bans b WHERE b.tenant_id = tenant AND b.room_id = room
        EXCEPT SELECT c."userId" FROM jsonb_to_recordset(copy->'bans') AS c("userId" text)
    LOOP
        DELETE FROM chat_bans b WHERE b.tenant_id = tenant AND b.room_id = room AND b.user_id = gone;
    END LOOP;
    -- Who banned them, when and why is lost with the backup.
    INSERT INTO chat_bans AS b (tenant_id, room_id, user_id, banned_by, banned_at, until)
    SELECT tenant, room, c."userId", 'system', date_trunc('milliseconds', now()), to_timestamp(c."untilMs" / 1000.0)
    FROM jsonb_to_recordset(copy->'bans') AS c("userId" text, "untilMs" bigint)
    WHERE c."untilMs" IS NULL OR to_timestamp(c."untilMs" / 1000.0) > now()
    ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET until = excluded.until;
    RETURN json_build_object('state', 'done');
END $$;

-- chat_create_room_v1, unless the id is that of a deleted room: its object may still be at its deletion.
CREATE FUNCTION chat_create_room_v2(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_deleted_rooms d WHERE d.tenant_id = input->>'tenant' AND d.room_id = input->>'id';
    IF FOUND THEN
        RETURN json_build_object('id', input->>'id', 'inserted', false);
    END IF;
    RETURN chat_create_room_v1(input);
END $$;
