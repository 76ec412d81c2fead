-- One row more than the page tells whether there is a next page.
WITH page AS MATERIALIZED (
    SELECT m.user_id, m.role, m.joined_at, m.muted_until FROM chat_room_members m
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id > coalesce($1->>'after', '')
    ORDER BY m.user_id LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page ORDER BY user_id LIMIT ($1->>'limit')::bigint
), people AS MATERIALIZED (
    SELECT chat_shown_people_v1($1->>'tenant', ARRAY(SELECT user_id FROM shown))::jsonb AS by_id
)
SELECT coalesce((
    SELECT json_build_array(r.type, me.role, json_build_object(
        'items', (
            SELECT coalesce(json_agg(json_build_object(
                'userId', s.user_id, 'name', coalesce(p.by_id->s.user_id->>'name', s.user_id),
                'avatarUrl', p.by_id->s.user_id->'avatarUrl',
                'role', s.role, 'joinedAt', chat_iso_v1(s.joined_at),
                'mutedUntil', CASE WHEN s.muted_until > now() THEN chat_iso_v1(s.muted_until) END)
                ORDER BY s.user_id), '[]')
            FROM shown s CROSS JOIN people p),
        'next', CASE WHEN (SELECT count(*) FROM page) > ($1->>'limit')::bigint THEN (
            SELECT max(user_id) FROM shown) END))
    FROM chat_room_members me
    JOIN chat_rooms r ON r.tenant_id = me.tenant_id AND r.id = me.room_id
    WHERE me.tenant_id = $1->>'tenant' AND me.room_id = $1->>'room' AND me.user_id = $1->>'user'
), 'null')
