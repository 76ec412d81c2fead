-- A batch has the changes of reactions instead of all reactions of a message, and messages say who edited them.
-- Names, settings and lookups are as in 0006. chat_project_v2, which uses these functions, is in 0011. The functions of
-- the version before stay: the Worker that runs until the deploy calls them.

-- Who made the last edit; NULL: nobody, or the author.
ALTER TABLE chat_messages ADD COLUMN edited_by text COLLATE "C";

-- What a batch says of each message, as columns of chat_messages. Postgres inlines it into the calling statement.
CREATE FUNCTION chat_message_rows_v2(messages jsonb)
RETURNS TABLE (
    seq bigint, id text, user_id text, content text, content_type text, attachments jsonb, client_id text,
    thread_id text, thread_seq bigint, reply_to_id text, also_to_room boolean, mentions jsonb, mentions_room boolean,
    version integer, reply_count integer, last_reply_at timestamptz, created_at timestamptz, edited_at timestamptz,
    edited_by text, deleted_at timestamptz, deleted_by text)
LANGUAGE sql STABLE AS $$
    -- Of a deleted message nothing is kept.
    SELECT g.seq, g.id, g."userId", CASE WHEN g."deletedAtMs" IS NULL THEN g.content ELSE '' END, g."contentType",
        CASE WHEN g."deletedAtMs" IS NULL THEN g.attachments ELSE '[]' END, g."clientId", g."threadId", g."threadSeq",
        g."replyToId", g."alsoToRoom", CASE WHEN g."deletedAtMs" IS NULL THEN g.mentions ELSE '[]' END,
        g."mentionsRoom" AND g."deletedAtMs" IS NULL, g.version, g."replyCount",
        to_timestamp(g."lastReplyAtMs" / 1000.0), to_timestamp(g."createdAtMs" / 1000.0),
        to_timestamp(g."editedAtMs" / 1000.0), g."editedBy", to_timestamp(g."deletedAtMs" / 1000.0), g."deletedBy"
    FROM jsonb_to_recordset(messages) AS g(
        seq bigint, id text, "userId" text, content text, "contentType" text, attachments jsonb, "clientId" text,
        "threadId" text, "threadSeq" bigint, "replyToId" text, "alsoToRoom" boolean, mentions jsonb,
        "mentionsRoom" boolean, version integer, "replyCount" integer, "lastReplyAtMs" bigint, "createdAtMs" bigint,
        "editedAtMs" bigint, "editedBy" text, "deletedAtMs" bigint, "deletedBy" text)
$$;

-- Writes the messages of a batch that are new or have changed; returns the time of the newest that shows in the room.
CREATE FUNCTION chat_project_messages_v2(tenant text, room text, messages jsonb) RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_messages AS c (
        tenant_id, room_id, seq, id, user_id, content, content_type, attachments, client_id, thread_id, thread_seq,
        reply_to_id, also_to_room, mentions, mentions_room, version, reply_count, last_reply_at, created_at, edited_at,
        edited_by, deleted_at, deleted_by)
    SELECT tenant, room, m.* FROM chat_message_rows_v2(messages) m
    ORDER BY m.seq
    ON CONFLICT (tenant_id, room_id, seq) DO UPDATE SET
        content = excluded.content, content_type = excluded.content_type, attachments = excluded.attachments,
        mentions = excluded.mentions, mentions_room = excluded.mentions_room, version = excluded.version,
        reply_count = excluded.reply_count, last_reply_at = excluded.last_reply_at, edited_at = excluded.edited_at,
        edited_by = excluded.edited_by, deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
    WHERE c.id = excluded.id
      AND (c.content, c.content_type, c.attachments, c.mentions, c.mentions_room, c.version, c.reply_count,
           c.last_reply_at, c.edited_at, c.edited_by, c.deleted_at, c.deleted_by)
        IS DISTINCT FROM (excluded.content, excluded.content_type, excluded.attachments, excluded.mentions,
           excluded.mentions_room, excluded.version, excluded.reply_count, excluded.last_reply_at,
           excluded.edited_at, excluded.edited_by, excluded.deleted_at, excluded.deleted_by);
    RETURN (
        SELECT to_timestamp(max(g."createdAtMs") / 1000.0)
        FROM jsonb_to_recordset(messages) AS g("threadId" text, "alsoToRoom" boolean, "createdAtMs" bigint)
        WHERE g."threadId" IS NULL OR g."alsoToRoom");
END $$;

-- Writes what belongs to the messages of a batch: reactions, earlier versions, followers, mentions. `touched` are the
-- seqs of messages that were there before: reactions and versions that they no longer have are deleted. Messages
-- without reactions in the batch (null) keep those that they have, unless they are deleted.
CREATE FUNCTION chat_project_details_v2(tenant text, room text, messages jsonb, touched bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    message record;
BEGIN
    FOR message IN
        SELECT g.seq, CASE WHEN g."deletedAtMs" IS NULL THEN g.reactions ELSE '[]' END AS reactions,
            CASE WHEN g."deletedAtMs" IS NULL THEN g.versions ELSE '[]' END AS versions
        FROM jsonb_to_recordset(messages) AS g(seq bigint, reactions jsonb, versions jsonb, "deletedAtMs" bigint)
        WHERE touched <> '{}' AND g.seq = ANY (touched)
    LOOP
        IF jsonb_typeof(message.reactions) = 'array' THEN
            DELETE FROM chat_message_reactions x
            WHERE x.tenant_id = tenant AND x.room_id = room AND x.seq = message.seq
              AND (x.emoji, x.user_id) NOT IN (
                SELECT r.emoji, r."userId" FROM jsonb_to_recordset(message.reactions) AS r(emoji text, "userId" text));
        END IF;
        DELETE FROM chat_message_versions x
        WHERE x.tenant_id = tenant AND x.room_id = room AND x.seq = message.seq
          AND x.version NOT IN (SELECT v.version FROM jsonb_to_recordset(message.versions) AS v(version integer));
    END LOOP;
    IF messages @? '$[*].reactions[*]' THEN
        INSERT INTO chat_message_reactions AS x (tenant_id, room_id, seq, emoji, user_id, position)
        SELECT tenant, room, g.seq, r.value->>'emoji', r.value->>'userId', r.position
        FROM jsonb_to_recordset(messages) AS g(seq bigint, reactions jsonb, "deletedAtMs" bigint)
        CROSS JOIN jsonb_array_elements(g.reactions) WITH ORDINALITY AS r(value, position)
        WHERE g."deletedAtMs" IS NULL AND jsonb_typeof(g.reactions) = 'array'
        ON CONFLICT (tenant_id, room_id, seq, emoji, user_id) DO UPDATE SET position = excluded.position
        WHERE x.position <> excluded.position;
    END IF;
    IF messages @? '$[*].versions[*]' THEN
        INSERT INTO chat_message_versions (
            tenant_id, room_id, seq, version, content, written_by, written_at, replaced_by, replaced_at)
        SELECT tenant, room, g.seq, v.version, v.content, v."writtenBy", to_timestamp(v."writtenAtMs" / 1000.0),
            v."replacedBy", to_timestamp(v."replacedAtMs" / 1000.0)
        FROM jsonb_to_recordset(messages) AS g(seq bigint, versions jsonb, "deletedAtMs" bigint)
        CROSS JOIN jsonb_to_recordset(g.versions) AS v(
            version integer, content text, "writtenBy" text, "writtenAtMs" bigint, "replacedBy" text,
            "replacedAtMs" bigint)
        WHERE g."deletedAtMs" IS NULL
        ON CONFLICT (tenant_id, room_id, seq, version) DO NOTHING;
    END IF;
    IF messages @? '$[*].followers[*]' THEN
        INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
        SELECT tenant, room, coalesce(g."threadSeq", g.seq), f.id
        FROM jsonb_to_recordset(messages) AS g(seq bigint, "threadSeq" bigint, followers jsonb)
        CROSS JOIN jsonb_array_elements_text(g.followers) AS f(id)
        ON CONFLICT (tenant_id, room_id, thread_seq, user_id) DO NOTHING;
    END IF;
    IF messages @? '$[*].mentions[*]' THEN
        INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
        SELECT tenant, who.id, to_timestamp(g."createdAtMs" / 1000.0), g.seq, room
        FROM jsonb_to_recordset(messages) AS g(seq bigint, mentions jsonb, "createdAtMs" bigint, "deletedAtMs" bigint)
        CROSS JOIN jsonb_array_elements_text(g.mentions) AS who(id)
        WHERE g."deletedAtMs" IS NULL
        ON CONFLICT (tenant_id, user_id, created_at, seq, room_id) DO NOTHING;
    END IF;
END $$;

-- Sets and removes reactions one by one, whatever was there before. What belongs to a message that is not there, that
-- is deleted, or whose place another message has, is left out: a batch with that message has its reactions.
CREATE FUNCTION chat_project_reactions_v1(tenant text, room text, changes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    removed record;
BEGIN
    INSERT INTO chat_message_reactions AS x (tenant_id, room_id, seq, emoji, user_id, position, created_at)
    SELECT tenant, room, g.seq, g.emoji, g."userId", least(g.position, 2147483647),
        to_timestamp(g."atMs" / 1000.0)
    FROM jsonb_to_recordset(changes) AS g(
        seq bigint, id text, emoji text, "userId" text, "isSet" boolean, position bigint, "atMs" bigint)
    CROSS JOIN LATERAL (
        SELECT FROM chat_messages m
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.seq = g.seq AND m.id = g.id AND m.deleted_at IS NULL
        LIMIT 1) c
    WHERE g."isSet"
    ON CONFLICT (tenant_id, room_id, seq, emoji, user_id) DO UPDATE SET
        position = excluded.position, created_at = excluded.created_at
    WHERE x.position <> excluded.position;
    FOR removed IN
        SELECT g.seq, g.emoji, g."userId" AS user_id
        FROM jsonb_to_recordset(changes) AS g(seq bigint, id text, emoji text, "userId" text, "isSet" boolean)
        CROSS JOIN LATERAL (
            SELECT FROM chat_messages m
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.seq = g.seq AND m.id = g.id LIMIT 1) c
        WHERE NOT g."isSet"
    LOOP
        DELETE FROM chat_message_reactions x
        WHERE x.tenant_id = tenant AND x.room_id = room AND x.seq = removed.seq AND x.emoji = removed.emoji
          AND x.user_id = removed.user_id;
    END LOOP;
END $$;

-- A message as the Worker reads it (src/db/projection.rs, MessageRow). Only a key is added, which older code ignores.
CREATE OR REPLACE VIEW chat_message_json_v1 AS
SELECT c.tenant_id, c.room_id, c.seq, c.created_at, c.deleted_at, json_build_object(
    'seq', c.seq, 'id', c.id, 'userId', c.user_id, 'content', c.content, 'contentType', c.content_type,
    'attachments', c.attachments, 'clientId', c.client_id, 'threadId', c.thread_id, 'threadSeq', c.thread_seq,
    'replyToId', c.reply_to_id, 'alsoToRoom', c.also_to_room, 'mentions', c.mentions, 'mentionsRoom', c.mentions_room,
    'version', c.version, 'replyCount', c.reply_count, 'lastReplyAtMs', chat_unix_ms_v1(c.last_reply_at),
    'createdAtMs', chat_unix_ms_v1(c.created_at), 'editedAtMs', chat_unix_ms_v1(c.edited_at), 'editedBy', c.edited_by,
    'deletedAtMs', chat_unix_ms_v1(c.deleted_at), 'deletedBy', c.deleted_by,
    'versions', (
        SELECT coalesce(json_agg(json_build_object('version', v.version, 'content', v.content,
            'writtenBy', v.written_by, 'writtenAtMs', chat_unix_ms_v1(v.written_at),
            'replacedBy', v.replaced_by, 'replacedAtMs', chat_unix_ms_v1(v.replaced_at)) ORDER BY v.version), '[]')
        FROM chat_message_versions v
        WHERE c.version > 1 AND v.tenant_id = c.tenant_id AND v.room_id = c.room_id AND v.seq = c.seq),
    'reactions', (
        SELECT coalesce(json_agg(json_build_object('emoji', x.emoji, 'userId', x.user_id)
            ORDER BY x.position, x.created_at, x.emoji, x.user_id), '[]')
        FROM chat_message_reactions x
        WHERE x.tenant_id = c.tenant_id AND x.room_id = c.room_id AND x.seq = c.seq)
) AS message
FROM chat_messages c;
