-- At most 500 members are compared. Who has no profile has their id as name.
WITH words AS MATERIALIZED (
    SELECT array_agg('%' || replace(replace(replace(w.word, '\', '\\'), '%', '\%'), '_', '\_') || '%') AS patterns
    FROM regexp_split_to_table(chat_fold_v1($1->>'q'), '\s+') AS w(word)
), page AS MATERIALIZED (
    SELECT m.user_id, p.person, p.folded IS NOT NULL AS is_known
    FROM chat_room_members m
    LEFT JOIN LATERAL (
        SELECT a AS person, a.folded FROM chat_people a
        WHERE a.tenant_id = m.tenant_id AND a.user_id = m.user_id LIMIT 1) p ON true
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id > coalesce($1->>'after', '')
      AND coalesce(p.folded, chat_fold_v1(m.user_id)) LIKE ALL (SELECT unnest(w.patterns) FROM words w)
    ORDER BY m.user_id LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page ORDER BY user_id LIMIT ($1->>'limit')::bigint
)
SELECT coalesce((
    SELECT json_build_object(
        'items', (
            SELECT coalesce(json_agg(CASE WHEN s.is_known THEN chat_person_json_v1(s.person) ELSE json_build_object(
                'userId', s.user_id, 'name', s.user_id, 'avatarUrl', NULL, 'title', NULL, 'status', NULL,
                'timezone', NULL, 'presence', chat_presence_v1($1->>'tenant', s.user_id), 'hasCome', false,
                'deactivated', false) END ORDER BY s.user_id), '[]')
            FROM shown s),
        'next', CASE WHEN (SELECT count(*) FROM page) > ($1->>'limit')::bigint THEN (
            SELECT json_build_object('far', false, 'sort', '', 'id', max(s.user_id)) FROM shown s) END)
    FROM chat_room_members me
    WHERE me.tenant_id = $1->>'tenant' AND me.room_id = $1->>'room' AND me.user_id = $1->>'user'
), 'null')
