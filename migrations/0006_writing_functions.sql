-- The statements that change a room, as functions: a backend plans each statement in them once and keeps the plan. One
-- message took 2.9 ms of CPU as a statement that was planned each time (bench/results/projection.md).
--
-- A function that the Worker calls is named by its version. This file ships before the Worker that calls it, and an
-- older Worker may run beside a newer one, so a function is never changed: a change is a new version in a new file.
--
-- In a PL/pgSQL function each statement sees what was committed before that statement began. Both functions that write
-- lock the room's row first, and everything that changes a room takes that lock. So what they read after the lock is
-- current, and stays so until they commit.
--
-- Each statement looks rows up by their whole key or by its first columns. A plan may have been made when the table was
-- empty, where reading all of it is cheapest, and serves until the table is next analysed: enable_seqscan = off keeps
-- such plans away, enable_bitmapscan = off those over the GIN indexes. A function's settings end with its call, so they
-- are safe with a pooler. Several rows are looked up one by one, in a loop or by LATERAL with LIMIT 1: with a join or
-- with = ANY (array), such a plan reads all rows of the room and filters them.

-- What a batch says of each message, as columns of chat_messages. Postgres inlines it into the calling statement.
CREATE FUNCTION chat_message_rows_v1(messages jsonb)
RETURNS TABLE (
    seq bigint, id text, user_id text, content text, content_type text, attachments jsonb, client_id text,
    thread_id text, thread_seq bigint, reply_to_id text, also_to_room boolean, mentions jsonb, mentions_room boolean,
    version integer, reply_count integer, last_reply_at timestamptz, created_at timestamptz, edited_at timestamptz,
    deleted_at timestamptz, deleted_by text)
LANGUAGE sql STABLE AS $$
    -- Of a deleted message nothing is kept.
    SELECT g.seq, g.id, g."userId", CASE WHEN g."deletedAtMs" IS NULL THEN g.content ELSE '' END, g."contentType",
        CASE WHEN g."deletedAtMs" IS NULL THEN g.attachments ELSE '[]' END, g."clientId", g."threadId", g."threadSeq",
        g."replyToId", g."alsoToRoom", CASE WHEN g."deletedAtMs" IS NULL THEN g.mentions ELSE '[]' END,
        g."mentionsRoom" AND g."deletedAtMs" IS NULL, g.version, g."replyCount",
        to_timestamp(g."lastReplyAtMs" / 1000.0), to_timestamp(g."createdAtMs" / 1000.0),
        to_timestamp(g."editedAtMs" / 1000.0), to_timestamp(g."deletedAtMs" / 1000.0), g."deletedBy"
    FROM jsonb_to_recordset(messages) AS g(
        seq bigint, id text, "userId" text, content text, "contentType" text, attachments jsonb, "clientId" text,
        "threadId" text, "threadSeq" bigint, "replyToId" text, "alsoToRoom" boolean, mentions jsonb,
        "mentionsRoom" boolean, version integer, "replyCount" integer, "lastReplyAtMs" bigint, "createdAtMs" bigint,
        "editedAtMs" bigint, "deletedAtMs" bigint, "deletedBy" text)
$$;

-- Writes the messages of a batch that are new or have changed; returns the time of the newest that shows in the room.
CREATE FUNCTION chat_project_messages_v1(tenant text, room text, messages jsonb) RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_messages AS c (
        tenant_id, room_id, seq, id, user_id, content, content_type, attachments, client_id, thread_id, thread_seq,
        reply_to_id, also_to_room, mentions, mentions_room, version, reply_count, last_reply_at, created_at, edited_at,
        deleted_at, deleted_by)
    SELECT tenant, room, m.* FROM chat_message_rows_v1(messages) m
    ORDER BY m.seq
    ON CONFLICT (tenant_id, room_id, seq) DO UPDATE SET
        content = excluded.content, content_type = excluded.content_type, attachments = excluded.attachments,
        mentions = excluded.mentions, mentions_room = excluded.mentions_room, version = excluded.version,
        reply_count = excluded.reply_count, last_reply_at = excluded.last_reply_at, edited_at = excluded.edited_at,
        deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
    WHERE c.id = excluded.id
      AND (c.content, c.content_type, c.attachments, c.mentions, c.mentions_room, c.version, c.reply_count,
           c.last_reply_at, c.edited_at, c.deleted_at, c.deleted_by)
        IS DISTINCT FROM (excluded.content, excluded.content_type, excluded.attachments, excluded.mentions,
           excluded.mentions_room, excluded.version, excluded.reply_count, excluded.last_reply_at,
           excluded.edited_at, excluded.deleted_at, excluded.deleted_by);
    RETURN (
        SELECT to_timestamp(max(g."createdAtMs") / 1000.0)
        FROM jsonb_to_recordset(messages) AS g("threadId" text, "alsoToRoom" boolean, "createdAtMs" bigint)
        WHERE g."threadId" IS NULL OR g."alsoToRoom");
END $$;

-- Deletes the mentions that messages had and no longer have, before the messages themselves are written. Each is found
-- by its whole key: looked up by message alone, Postgres 18 may read all of the tenant's.
CREATE FUNCTION chat_project_unmention_v1(tenant text, room text, messages jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    mention record;
BEGIN
    FOR mention IN
        SELECT c.seq, c.created_at, who.id AS user_id
        FROM jsonb_to_recordset(messages) AS g(seq bigint, mentions jsonb, "deletedAtMs" bigint)
        CROSS JOIN LATERAL (
            SELECT m.seq, m.created_at, m.mentions FROM chat_messages m
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.seq = g.seq LIMIT 1) c
        CROSS JOIN jsonb_array_elements_text(c.mentions) AS who(id)
        WHERE g."deletedAtMs" IS NOT NULL OR NOT g.mentions ? who.id
    LOOP
        DELETE FROM chat_mentions x
        WHERE x.tenant_id = tenant AND x.user_id = mention.user_id AND x.created_at = mention.created_at
          AND x.seq = mention.seq AND x.room_id = room;
    END LOOP;
END $$;

-- Writes what belongs to the messages of a batch: reactions, earlier versions, followers, mentions. `touched` are the
-- seqs of messages that were there before: reactions and versions that they no longer have are deleted.
CREATE FUNCTION chat_project_details_v1(tenant text, room text, messages jsonb, touched bigint[]) RETURNS void
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
        DELETE FROM chat_message_reactions x
        WHERE x.tenant_id = tenant AND x.room_id = room AND x.seq = message.seq
          AND (x.emoji, x.user_id) NOT IN (
            SELECT r.emoji, r."userId" FROM jsonb_to_recordset(message.reactions) AS r(emoji text, "userId" text));
        DELETE FROM chat_message_versions x
        WHERE x.tenant_id = tenant AND x.room_id = room AND x.seq = message.seq
          AND x.version NOT IN (SELECT v.version FROM jsonb_to_recordset(message.versions) AS v(version integer));
    END LOOP;
    IF messages @? '$[*].reactions[*]' THEN
        INSERT INTO chat_message_reactions AS x (tenant_id, room_id, seq, emoji, user_id, position)
        SELECT tenant, room, g.seq, r.value->>'emoji', r.value->>'userId', r.position
        FROM jsonb_to_recordset(messages) AS g(seq bigint, reactions jsonb, "deletedAtMs" bigint)
        CROSS JOIN jsonb_array_elements(g.reactions) WITH ORDINALITY AS r(value, position)
        WHERE g."deletedAtMs" IS NULL
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

-- Writes an audit entry once, whoever retries it. `made` is the members_version that the change made, if it made one.
CREATE FUNCTION chat_write_audit_v1(tenant text, room text, entries jsonb, made bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, target, reason, version)
    SELECT tenant, room, a.id, to_timestamp(a."atMs" / 1000.0), a.actor, a.action, a.target, a.reason, made
    FROM jsonb_to_recordset(entries) AS a(
        id text, "atMs" bigint, actor text, action text, target text, reason text)
    ON CONFLICT (tenant_id, room_id, id) DO NOTHING;
END $$;

-- One batch of a room's outbox (src/db/projection.rs, which has the laws): all of it is written, or nothing.
CREATE FUNCTION chat_project_v1(batch jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := batch->>'tenant';
    room constant text := batch->>'room';
    batch_to constant bigint := (batch->>'to')::bigint;
    messages jsonb := batch->'messages';
    state text;
    stored record;
    marker record;
    conflicts bigint[] := '{}';
    stale bigint[];
    touched bigint[];
    unmentions boolean;
    talked_at timestamptz;
BEGIN
    -- NO KEY: foreign keys to the room may be checked meanwhile.
    SELECT r.last_seq, r.members_version, r.epoch INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN json_build_object('state', 'missing');
    END IF;
    state := CASE
        WHEN stored.last_seq < (batch->>'from')::bigint THEN 'behind'
        WHEN stored.last_seq > batch_to THEN 'ahead'
        ELSE 'done' END;

    IF state <> 'behind' AND messages <> '[]' THEN
        SELECT coalesce(array_agg(g.seq ORDER BY g.seq) FILTER (WHERE c.conflict), '{}'),
            coalesce(array_agg(g.seq) FILTER (WHERE NOT c.conflict AND c.stale), '{}'),
            coalesce(array_agg(g.seq) FILTER (WHERE NOT c.conflict AND c.stale IS NOT TRUE), '{}'),
            bool_or(c.mentions <> '[]' AND (c.mentions <> g.mentions OR g."deletedAtMs" IS NOT NULL))
        INTO conflicts, stale, touched, unmentions
        FROM jsonb_to_recordset(messages) AS g(
            seq bigint, id text, version integer, mentions jsonb, "deletedAtMs" bigint)
        CROSS JOIN LATERAL (
            SELECT m.mentions, m.id IS DISTINCT FROM g.id AS conflict,
                m.version > g.version OR (m.deleted_at IS NOT NULL AND g."deletedAtMs" IS NULL) AS stale
            FROM chat_messages m
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.seq = g.seq LIMIT 1) c;
    END IF;

    IF state = 'done' AND messages <> '[]' THEN
        IF conflicts <> '{}' OR stale <> '{}' THEN
            messages := (
                SELECT coalesce(jsonb_agg(g), '[]') FROM jsonb_array_elements(messages) g
                WHERE ((g->>'seq')::bigint <> ALL (conflicts || stale)) IS NOT FALSE);
        END IF;
        IF unmentions THEN
            PERFORM chat_project_unmention_v1(tenant, room, messages);
        END IF;
        talked_at := chat_project_messages_v1(tenant, room, messages);
        PERFORM chat_project_details_v1(tenant, room, messages, touched);
    END IF;

    IF state = 'done' THEN
        FOR marker IN
            SELECT x.key AS user_id, r.generation, r.seq
            FROM jsonb_each(batch->'reads') x
            CROSS JOIN jsonb_to_record(x.value) AS r(generation bigint, seq bigint)
        LOOP
            UPDATE chat_room_members m SET read_generation = marker.generation, last_read_seq = marker.seq
            WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = marker.user_id
              AND (m.read_generation, m.last_read_seq) < (marker.generation, marker.seq);
        END LOOP;
        IF batch->'audit' <> '[]' THEN
            PERFORM chat_write_audit_v1(tenant, room, batch->'audit', NULL);
        END IF;
        UPDATE chat_rooms r SET last_seq = batch_to, epoch = batch->>'epoch',
            last_message_at = greatest(r.last_message_at, talked_at)
        WHERE r.tenant_id = tenant AND r.id = room;
    END IF;

    RETURN json_build_object('state', state, 'membersVersion', stored.members_version, 'epoch', stored.epoch,
        'lastSeq', CASE state WHEN 'done' THEN batch_to ELSE stored.last_seq END,
        'conflicts', array_to_json(conflicts));
END $$;

-- One change of a room's members, bans and settings (src/db/people.rs), or its deletion: all of it, or nothing.
CREATE FUNCTION chat_apply_v1(change jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := change->>'tenant';
    room constant text := change->>'room';
    version constant bigint := (change->>'version')::bigint;
    settings constant jsonb := nullif(change->'settings', 'null');
    stored bigint;
    gone text;
BEGIN
    SELECT r.members_version INTO stored
    FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN to_json('missing'::text);
    ELSIF stored <> version THEN
        RETURN to_json('stale'::text);
    ELSIF (change->>'delete')::boolean THEN
        DELETE FROM chat_rooms r WHERE r.tenant_id = tenant AND r.id = room;
        RETURN to_json('done'::text);
    END IF;

    FOR gone IN SELECT jsonb_array_elements_text(change->'gone') LOOP
        DELETE FROM chat_room_members m
        WHERE m.tenant_id = tenant AND m.room_id = room AND m.user_id = gone;
    END LOOP;
    IF change->'put' <> '[]' THEN
        INSERT INTO chat_room_members AS m (
            tenant_id, room_id, user_id, role, joined_seq, last_read_seq, notify_level, mute_until, muted_until)
        SELECT tenant, room, p."userId", p.role, p."joinedSeq", p."joinedSeq", p."notifyLevel",
            to_timestamp(p."muteUntilMs" / 1000.0), to_timestamp(p."mutedUntilMs" / 1000.0)
        FROM jsonb_to_recordset(change->'put') AS p(
            "userId" text, role text, "joinedSeq" bigint, "notifyLevel" text, "muteUntilMs" bigint,
            "mutedUntilMs" bigint)
        ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
            role = excluded.role, notify_level = excluded.notify_level, mute_until = excluded.mute_until,
            muted_until = excluded.muted_until;
    END IF;
    IF change->'bans' <> '[]' OR change->'unbanned' <> '[]' THEN
        -- Bans that have ended go with the ones that are lifted.
        DELETE FROM chat_bans b
        WHERE b.tenant_id = tenant AND b.room_id = room
          AND (change->'unbanned' ? b.user_id OR b.until <= now())
          AND NOT EXISTS (SELECT FROM jsonb_array_elements(change->'bans') n WHERE n->>'userId' = b.user_id);
        INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at, until, reason)
        SELECT tenant, room, n."userId", change->'audit'->0->>'actor', date_trunc('milliseconds', now()),
            to_timestamp(n."untilMs" / 1000.0), n.reason
        FROM jsonb_to_recordset(change->'bans') AS n("userId" text, "untilMs" bigint, reason text)
        ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
            banned_by = excluded.banned_by, banned_at = excluded.banned_at, until = excluded.until,
            reason = excluded.reason;
    END IF;
    PERFORM chat_write_audit_v1(tenant, room, change->'audit', version + 1);
    UPDATE chat_rooms r SET members_version = version + 1,
        name = CASE WHEN settings IS NULL THEN r.name ELSE settings->>'name' END,
        topic = CASE WHEN settings IS NULL THEN r.topic ELSE settings->>'topic' END,
        archived_at = CASE
            WHEN settings IS NULL THEN r.archived_at
            WHEN (settings->>'archived')::boolean THEN coalesce(r.archived_at, date_trunc('milliseconds', now())) END,
        history_visibility = coalesce(settings->>'historyVisibility', r.history_visibility),
        room_mention = coalesce(settings->>'roomMention', r.room_mention),
        slow_mode_s = coalesce((settings->>'slowModeS')::integer, r.slow_mode_s)
    WHERE r.tenant_id = tenant AND r.id = room;
    RETURN to_json('done'::text);
END $$;
