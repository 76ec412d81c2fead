SELECT chat_search_v1($1)
