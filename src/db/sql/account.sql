SELECT coalesce(chat_account_v1($1->>'tenant', $1->>'person'), 'null')
