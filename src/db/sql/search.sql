SELECT json_build_object('found', a.answer->'found', 'cut', a.answer->'cut', 'people', chat_shown_people_v1($1->>'tenant', ARRAY(
    SELECT f.value->'message'->>'userId' FROM json_array_elements(a.answer->'found') AS f(value))))
FROM (SELECT chat_search_v3($1) AS answer OFFSET 0) a
