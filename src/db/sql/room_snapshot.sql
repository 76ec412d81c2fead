SELECT coalesce((
    SELECT json_build_object(
        'type', r.type, 'name', r.name, 'topic', r.topic, 'createdBy', r.created_by,
        'createdAtMs', chat_unix_ms_v1(r.created_at), 'archived', r.archived_at IS NOT NULL,
        'historyVisibility', r.history_visibility, 'roomMention', r.room_mention, 'slowModeS', r.slow_mode_s,
        'membersVersion', r.members_version, 'lastSeq', r.last_seq, 'epoch', r.epoch,
        'members', (
            SELECT coalesce(json_agg(json_build_object(
                'userId', m.user_id, 'role', m.role, 'joinedAtMs', chat_unix_ms_v1(m.joined_at),
                'joinedSeq', m.joined_seq, 'lastReadSeq', m.last_read_seq, 'readGeneration', m.read_generation,
                'notify', json_build_object('level', m.notify_level, 'muteUntilMs', chat_unix_ms_v1(m.mute_until)),
                'mutedUntilMs', chat_unix_ms_v1(m.muted_until)) ORDER BY m.user_id), '[]')
            FROM chat_room_members m WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id),
        'people', CASE WHEN (
                SELECT count(*) FROM chat_room_members m
                WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id) <= ($1->>'peopleMax')::bigint
            THEN chat_shown_people_v1(r.tenant_id, ARRAY(
                SELECT m.user_id FROM chat_room_members m WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id))
            ELSE '{}' END,
        'refused', chat_refused_members_v1(r.tenant_id, r.id),
        'blocked', CASE r.type WHEN 'direct' THEN chat_blocked_members_v1(r.tenant_id, r.id) ELSE '[]' END,
        'bans', (
            SELECT coalesce(json_agg(json_build_object('userId', b.user_id, 'untilMs', chat_unix_ms_v1(b.until))
                ORDER BY b.user_id), '[]')
            FROM chat_bans b
            WHERE b.tenant_id = r.tenant_id AND b.room_id = r.id AND (b.until IS NULL OR b.until > now())),
        'changes', (
            SELECT coalesce(json_agg(json_build_object(
                'id', c.id, 'actor', c.actor, 'action', c.action, 'target', c.target) ORDER BY c.version, c.id), '[]')
            FROM (
                SELECT a.* FROM chat_audit a
                WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id AND a.version > ($1->>'known')::bigint
                ORDER BY a.version DESC, a.id LIMIT ($1->>'changesMax')::bigint) c))
    FROM chat_rooms r
    WHERE r.tenant_id = $1->>'tenant' AND r.id = $1->>'room' AND r.deleted_at IS NULL
), 'null')
