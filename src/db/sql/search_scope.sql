SELECT json_build_object(
    'sizes', (
        SELECT coalesce(json_agg(greatest(mine.last_seq - mine.since, 0)), '[]')
        FROM (
    SELECT m.room_id, r.name, r.last_seq, seen.since
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    CROSS JOIN LATERAL (
        SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND ($1->>'room' IS NULL OR m.room_id = $1->>'room')
      AND ($1->>'inside' IS NULL OR r.id = $1->>'inside' OR lower(r.name) = lower($1->>'inside'))
            LIMIT ($1->>'roomsMax')::bigint + 1) mine),
    'parts', to_regclass('chat_messages_parts') IS NOT NULL)
