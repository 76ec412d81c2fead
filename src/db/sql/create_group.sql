-- DO UPDATE changes nothing. Unlike DO NOTHING it returns the row that is there already; xmax is 0 only in a row that
-- this statement inserted. The members of a room that was there are left as they are: some may have been removed since.
-- The id of a deleted room is not used again: its object may still be at its deletion.
WITH room AS (
    INSERT INTO chat_rooms (tenant_id, id, type, name, created_by)
    SELECT $1->>'tenant', $1->>'id', $1->>'type', $1->>'name', $1->>'creator'
    WHERE NOT EXISTS (
        SELECT FROM chat_deleted_rooms d WHERE d.tenant_id = $1->>'tenant' AND d.room_id = $1->>'id')
    ON CONFLICT (tenant_id, id) DO UPDATE SET id = chat_rooms.id
    RETURNING tenant_id, id, xmax = 0 AS inserted
), members AS (
    INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
    SELECT room.tenant_id, room.id, person, CASE WHEN person = $1->>'creator' THEN 'owner' ELSE 'member' END
    FROM room, jsonb_array_elements_text($1->'people') AS person
    WHERE room.inserted
)
SELECT coalesce(
    (SELECT json_build_object('id', id, 'inserted', inserted) FROM room),
    json_build_object('id', $1->>'id', 'inserted', false))
