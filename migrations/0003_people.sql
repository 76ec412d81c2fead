-- Changes of who is in a room and of its settings: mutes, bans, and the audit log.
--
-- A change, its audit entries and the new members_version are one statement (src/db/people.rs), under the room's lock.

-- Until when somebody may not talk. For good is the end of the year 9999: 'infinity' has no milliseconds.
ALTER TABLE chat_room_members ADD COLUMN muted_until timestamptz;

CREATE TABLE chat_bans (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    banned_by text COLLATE "C" NOT NULL,
    banned_at timestamptz NOT NULL,
    -- NULL: for good. One that is over stands here until the next change of the room.
    until timestamptz,
    reason text CHECK (char_length(reason) <= 500),
    PRIMARY KEY (tenant_id, room_id, user_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE chat_audit (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    -- Given by who decided it, and the same in its retries: nothing is written down twice.
    id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 300),
    at timestamptz NOT NULL,
    -- No foreign key to the members: people leave, what they did stays.
    actor text COLLATE "C" NOT NULL,
    action text NOT NULL CHECK (action IN ('mute', 'unmute', 'ban', 'unban', 'slow_mode', 'edit', 'delete', 'report',
        'role', 'add', 'remove', 'settings')),
    -- A user's or a message's id; NULL: the room.
    target text COLLATE "C",
    reason text,
    -- The members_version that the change made; NULL: it changed neither members nor settings.
    version bigint,
    PRIMARY KEY (tenant_id, room_id, id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE
);

-- Pages of it, newest first.
CREATE INDEX chat_audit_by_time ON chat_audit (tenant_id, room_id, at, id);

-- Who made the changes that a room hasn't heard of.
CREATE INDEX chat_audit_by_version ON chat_audit (tenant_id, room_id, version) WHERE version IS NOT NULL;
