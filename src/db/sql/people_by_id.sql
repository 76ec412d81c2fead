SELECT chat_people_json_v1($1->>'tenant', (
    SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text($1->'ids') AS i(id)
    WHERE NOT ($1->>'onlyShared')::boolean OR i.id = $1->>'user'
       OR chat_share_room_v1($1->>'tenant', i.id, $1->>'user')))
