-- Finding messages: by words, by parts of words, newest first; and who is mentioned where.
--
-- Runs with and without the extensions, and without the right to create them: what isn't there is left out, and
-- `src/db/search.rs` looks for which indices there are. docs/SEARCH.md has the figures.

-- Newest first, of the tenant and of a room: a search for what is common finds its page among the newest, and looks no
-- further.
CREATE INDEX chat_messages_by_time ON chat_messages (tenant_id, created_at, seq, room_id);
CREATE INDEX chat_messages_of_room_by_time ON chat_messages (tenant_id, room_id, created_at, seq);

-- What is told apart as a word: everything between blanks and ASCII's punctuation, and each character of scripts that
-- have no blanks, so that a part of a run of them is a phrase.
CREATE FUNCTION chat_words(content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_tsvector('simple'::regconfig, regexp_replace(
        translate(content, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', '                                '),
        '([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff])', ' \1 ', 'g'));

-- How common a part of a word is, is estimated from these samples; the 100 of the default are too coarse.
ALTER TABLE chat_messages ALTER content SET STATISTICS 500;

-- The pending lists are short: every search reads them whole, and whoever fills one up writes it out.
DO $$
DECLARE
    extension text;
    -- With btree_gin the tenant and the room stand in the index; without it they are looked at in each row found.
    keys text := '';
    trigrams text;
BEGIN
    FOREACH extension IN ARRAY ARRAY['pg_trgm', 'btree_gin'] LOOP
        BEGIN
            EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', extension);
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE 'search does without %: %', extension, SQLERRM;
        END;
    END LOOP;
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gin') THEN
        keys := 'tenant_id, room_id, ';
    END IF;
    EXECUTE 'CREATE INDEX chat_messages_words ON chat_messages USING gin (' || keys
        || 'chat_words(content)) WITH (gin_pending_list_limit = 256)';
    SELECT format('%I.gin_trgm_ops', n.nspname) INTO trigrams
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
    IF trigrams IS NOT NULL THEN
        EXECUTE 'CREATE INDEX chat_messages_parts ON chat_messages USING gin (' || keys
            || 'content ' || trigrams || ') WITH (gin_pending_list_limit = 256)';
    END IF;
END $$;

-- Who is named in a message that isn't deleted, so that somebody's mentions are found newest first. `@room` names
-- nobody: those are found by room.
CREATE TABLE chat_mentions (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    seq bigint NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, user_id, created_at, seq, room_id),
    FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages (tenant_id, room_id, seq) ON DELETE CASCADE
);
CREATE INDEX chat_mentions_of_message ON chat_mentions (tenant_id, room_id, seq);

CREATE INDEX chat_messages_to_room ON chat_messages (tenant_id, room_id, created_at, seq)
    WHERE mentions_room AND deleted_at IS NULL;

INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
SELECT DISTINCT m.tenant_id, who.id, m.created_at, m.seq, m.room_id
FROM chat_messages m, jsonb_array_elements_text(m.mentions) AS who(id)
WHERE m.mentions <> '[]' AND m.deleted_at IS NULL;
