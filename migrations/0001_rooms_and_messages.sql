-- Rooms, who is in them, and the projection of each room's log.
--
-- The room's own log (SQLite in its Durable Object) is the truth for messages, reactions and read markers;
-- the tables here follow it. Rooms and memberships are made here first.
--
-- Built-in types only: user-defined ones break tokio-postgres over Hyperdrive. Text is compared by bytes
-- (COLLATE "C"), so that an order, and a cursor into it, is the same on every server.

CREATE TABLE chat_rooms (
    tenant_id text COLLATE "C" NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
    id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
    type text NOT NULL CHECK (type IN ('direct', 'group')),
    name text,
    topic text,
    -- Made of the two people, injectively: the same pair finds its room again.
    dm_key text COLLATE "C",
    history_visibility text NOT NULL DEFAULT 'all' CHECK (history_visibility IN ('all', 'since_join')),
    room_mention text NOT NULL DEFAULT 'all' CHECK (room_mention IN ('all', 'admins')),
    slow_mode_s integer NOT NULL DEFAULT 0 CHECK (slow_mode_s BETWEEN 0 AND 21600),
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    archived_at timestamptz,
    -- Of the newest message that shows in the room, deleted or not.
    last_message_at timestamptz,
    -- Up to where the log has been projected, and which log that was.
    last_seq bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    epoch text,
    -- Goes up with every change of members or settings, so that a room notices that its copy is old.
    members_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, dm_key),
    CHECK ((type = 'direct') = (dm_key IS NOT NULL))
);

CREATE TABLE chat_room_members (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    role text NOT NULL CHECK (role IN ('member', 'moderator', 'admin', 'owner')),
    joined_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    -- The room's head when they came: with since_join they see what is after it.
    joined_seq bigint NOT NULL DEFAULT 0 CHECK (joined_seq >= 0),
    last_read_seq bigint NOT NULL DEFAULT 0 CHECK (last_read_seq >= 0),
    notify_level text NOT NULL DEFAULT 'all' CHECK (notify_level IN ('all', 'mentions', 'none')),
    mute_until timestamptz,
    PRIMARY KEY (tenant_id, room_id, user_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE
);

-- My rooms.
CREATE INDEX chat_room_members_by_user ON chat_room_members (tenant_id, user_id);

CREATE TABLE chat_messages (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
    -- No foreign key to the members: people leave, what they said stays.
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    content text NOT NULL,
    content_type text NOT NULL CHECK (content_type <> ''),
    attachments jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(attachments) = 'array'),
    client_id text,
    -- No foreign keys within the table: a message that was set aside must not drag its replies along.
    thread_id text COLLATE "C",
    reply_to_id text COLLATE "C",
    also_to_room boolean NOT NULL DEFAULT false,
    mentions jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(mentions) = 'array'),
    mentions_room boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    reply_count integer NOT NULL DEFAULT 0 CHECK (reply_count >= 0),
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    deleted_at timestamptz,
    deleted_by text COLLATE "C",
    PRIMARY KEY (tenant_id, room_id, seq),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE,
    -- Deleted content is gone, whoever writes.
    CHECK (deleted_at IS NULL OR (content = '' AND attachments = '[]' AND mentions = '[]'))
);

-- Exact counts of mentions without reading everything unread; most messages mention nobody and cost nothing here.
CREATE INDEX chat_messages_mentioning ON chat_messages (tenant_id, room_id, seq)
    WHERE (mentions <> '[]' OR mentions_room) AND deleted_at IS NULL;

CREATE TABLE chat_message_reactions (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    emoji text COLLATE "C" NOT NULL CHECK (octet_length(emoji) BETWEEN 1 AND 64),
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    -- Place among the message's reactions, as the room shows them.
    position integer NOT NULL,
    -- When the projection first saw it; the log knows the moment itself.
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, room_id, seq, emoji, user_id),
    FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages (tenant_id, room_id, seq) ON DELETE CASCADE
);
