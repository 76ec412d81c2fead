SELECT coalesce((
    SELECT json_build_object('access', known.access, 'room', chat_room_json_v2(
        $1->>'tenant', $1->>'room', $1->>'user', $1->'bounds'))
    FROM (SELECT chat_access_v3($1) AS access) known
    WHERE known.access IS NOT NULL
), 'null')
