SELECT coalesce((
    SELECT json_build_object('level', m.notify_level, 'muteUntil', chat_iso_v1(m.mute_until))
    FROM chat_room_members m
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id = $1->>'user'
), 'null')
