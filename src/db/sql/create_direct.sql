-- DO UPDATE changes nothing. Unlike DO NOTHING it returns the row that is there already.
WITH room AS (
    INSERT INTO chat_rooms (tenant_id, id, type, name, dm_key, created_by)
    VALUES ($1->>'tenant', $1->>'id', $1->>'type', $1->>'name', $1->>'dmKey', $1->>'creator')
    ON CONFLICT (tenant_id, dm_key) DO UPDATE SET id = chat_rooms.id
    RETURNING tenant_id, id, xmax = 0 AS inserted
), members AS (
    INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
    SELECT room.tenant_id, room.id, person, 'member'
    FROM room, jsonb_array_elements_text($1->'people') AS person
    ON CONFLICT DO NOTHING
)
SELECT json_build_object('id', id, 'inserted', inserted) FROM room
