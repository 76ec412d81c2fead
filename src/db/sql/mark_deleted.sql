SELECT to_json(chat_mark_deleted_v1($1->>'tenant', $1->>'room', ($1->>'deleteVersion')::bigint))
