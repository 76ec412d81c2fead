SELECT coalesce(json_agg(c.message ORDER BY c.seq), '[]')
FROM (
    SELECT a.seq, a.message FROM chat_message_json_v1 a
    WHERE a.tenant_id = $1->>'tenant' AND a.room_id = $1->>'room' AND a.seq > ($1->>'after')::bigint
    ORDER BY a.seq LIMIT ($1->>'limit')::bigint) c
