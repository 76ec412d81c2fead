-- Changes of a room are planned together by its object, and written by one statement. Who wrote a ban stands in the ban,
-- as the changes of one statement may have several authors. A member's own notification settings are a part that needs no
-- version of the room and makes none: they would make every other plan stale.


-- Changes of a room's members, bans and settings that are planned together (src/db/people.rs), or its deletion: all of
-- it, or nothing.
CREATE FUNCTION chat_apply_v2(change jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := change->>'tenant';
    room constant text := change->>'room';
    version constant bigint := (change->>'version')::bigint;
    settings constant jsonb := nullif(change->'settings', 'null');
    -- Members' own notification settings depend on no version and make none.
    is_versioned constant boolean := (change->>'delete')::boolean OR settings IS NOT NULL OR change->'put' <> '[]'
        OR change->'gone' <> '[]' OR change->'bans' <> '[]' OR change->'unbanned' <> '[]' OR change->'audit' <> '[]';
    stored bigint;
    gone text;
    own record;
BEGIN
    SELECT r.members_version INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN to_json('missing'::text);
    ELSIF is_versioned AND stored <> version THEN
        RETURN to_json('stale'::text);
    ELSIF (change->>'delete')::boolean THEN
        DELETE FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room;
        RETURN to_json('done'::text);
    END IF;

    FOR gone IN SELECT jsonb_array_elements_text(change->'gone') LOOP
        DELETE FROM chat_room_members m
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = gone;
    END LOOP;
    IF change->'put' <> '[]' THEN
        INSERT INTO chat_room_members AS m (
            tenant_id, room_id, user_id, role, joined_seq, last_read_seq, muted_until)
        SELECT tenant, room, p."userId", p.role, p."joinedSeq", p."joinedSeq", to_timestamp(p."mutedUntilMs" / 1000.0)
        FROM jsonb_to_recordset(change->'put') AS p(
            "userId" text, role text, "joinedSeq" bigint, "mutedUntilMs" bigint)
        ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
            role = excluded.role, muted_until = excluded.muted_until;
    END IF;
    FOR own IN
        SELECT n."userId" AS user_id, n.level, to_timestamp(n."muteUntilMs" / 1000.0) AS mute_until
        FROM jsonb_to_recordset(change->'notify') AS n("userId" text, level text, "muteUntilMs" bigint)
    LOOP
        UPDATE chat_room_members m SET notify_level = own.level, mute_until = own.mute_until
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = own.user_id
          AND (m.notify_level, m.mute_until) IS DISTINCT FROM (own.level, own.mute_until);
    END LOOP;
    IF NOT is_versioned THEN
        RETURN to_json('done'::text);
    END IF;
    IF change->'bans' <> '[]' OR change->'unbanned' <> '[]' THEN
        -- Bans that have ended go with the ones that are lifted.
        DELETE FROM chat_bans b
        WHERE b.tenant_id = tenant AND b.room_id = room
          AND (change->'unbanned' ? b.user_id OR b.until <= now())
          AND NOT EXISTS (SELECT FROM jsonb_array_elements(change->'bans') n WHERE n->>'userId' = b.user_id);
        INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at, until, reason)
        SELECT tenant, room, n."userId", n."bannedBy", date_trunc('milliseconds', now()),
            to_timestamp(n."untilMs" / 1000.0), n.reason
        FROM jsonb_to_recordset(change->'bans') AS n("userId" text, "bannedBy" text, "untilMs" bigint, reason text)
        ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
            banned_by = excluded.banned_by, banned_at = excluded.banned_at, until = excluded.until,
            reason = excluded.reason;
    END IF;
    PERFORM chat_write_audit_v1(tenant, room, change->'audit', version + 1);
    UPDATE chat_rooms r SET members_version = version + 1,
        name = CASE WHEN settings IS NULL THEN r.name ELSE settings->>'name' END,
        topic = CASE WHEN settings IS NULL THEN r.topic ELSE settings->>'topic' END,
        archived_at = CASE
            WHEN settings IS NULL THEN r.archived_at
            WHEN (settings->>'archived')::boolean THEN coalesce(r.archived_at, date_trunc('milliseconds', now())) END,
        history_visibility = coalesce(settings->>'historyVisibility', r.history_visibility),
        room_mention = coalesce(settings->>'roomMention', r.room_mention),
        slow_mode_s = coalesce((settings->>'slowModeS')::integer, r.slow_mode_s)
    WHERE r.tenant_id = tenant AND r.id = room;
    RETURN to_json('done'::text);
END $$;


-- How a person stands to a room; NULL: no such room, or not in it.
CREATE FUNCTION chat_access_v2(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT json_build_object('role', m.role, 'membersVersion', r.members_version, 'lastSeq', r.last_seq,
            'notify', json_build_object('level', m.notify_level, 'muteUntilMs', chat_unix_ms_v1(m.mute_until)))
        FROM chat_room_members m
        CROSS JOIN LATERAL (
            SELECT a.members_version, a.last_seq FROM chat_rooms a
            WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
        WHERE m.tenant_id = question->>'tenant' AND m.room_id = question->>'room' AND m.user_id = question->>'user');
END $$;
