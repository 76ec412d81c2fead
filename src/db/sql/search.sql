SELECT chat_search_v2($1)
