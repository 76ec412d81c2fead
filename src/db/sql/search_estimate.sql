EXPLAIN (FORMAT JSON) SELECT FROM chat_messages c WHERE
      c.tenant_id = $1->>'tenant' AND ($1->>'room' IS NULL OR c.room_id = $1->>'room')
      AND ($1->'parts'->>0 IS NULL OR c.content ILIKE ($1->'parts'->>0))
      AND ($1->'parts'->>1 IS NULL OR c.content ILIKE ($1->'parts'->>1))
      AND ($1->'parts'->>2 IS NULL OR c.content ILIKE ($1->'parts'->>2))
      AND ($1->>'words' IS NULL OR chat_words(c.content) @@ to_tsquery('simple', $1->>'words'))
