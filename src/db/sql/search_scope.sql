-- `terms` in their order, folded as what is stored is.
SELECT json_build_object(
    'sizes', (
        SELECT coalesce(json_agg(greatest(mine.last_seq - mine.since, 0)), '[]')
        FROM (SELECT * FROM chat_search_rooms_v1($1) LIMIT ($1->>'roomsMax')::bigint + 1) mine),
    'parts', to_regclass('chat_messages_folded_parts') IS NOT NULL,
    'terms', (
        SELECT coalesce(json_agg(chat_fold_v1(term.text) ORDER BY term.place), '[]')
        FROM jsonb_array_elements_text($1->'terms') WITH ORDINALITY AS term (text, place)))
