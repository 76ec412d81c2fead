-- What a message said before it was edited, threads (when the last reply came, who follows), and markers set back on purpose.

ALTER TABLE chat_messages
    -- The seq of a reply's root: what is unread is looked up by it.
    ADD COLUMN thread_seq bigint CHECK (thread_seq > 0),
    ADD COLUMN last_reply_at timestamptz;

-- A message's id ends in 40 bits of its seq.
UPDATE chat_messages SET thread_seq = ('x' || right(replace(thread_id, '-', ''), 10))::bit(40)::bigint
WHERE thread_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$';

CREATE TABLE chat_message_versions (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    content text NOT NULL,
    written_by text COLLATE "C" NOT NULL CHECK (char_length(written_by) BETWEEN 1 AND 128),
    written_at timestamptz NOT NULL,
    -- Of the next version.
    replaced_by text COLLATE "C" NOT NULL CHECK (char_length(replaced_by) BETWEEN 1 AND 128),
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, room_id, seq, version),
    FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages (tenant_id, room_id, seq) ON DELETE CASCADE
);

-- For whom a thread's replies are unread: who wrote its root or a reply, or was mentioned in one.
CREATE TABLE chat_thread_followers (
    tenant_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    -- The root's. No foreign key to it: a root that was set aside must not drag its followers along.
    thread_seq bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    PRIMARY KEY (tenant_id, room_id, thread_seq, user_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms (tenant_id, id) ON DELETE CASCADE
);

WITH replies AS (
    SELECT tenant_id, room_id, thread_seq, seq FROM chat_messages WHERE thread_seq IS NOT NULL
), said AS (
    SELECT tenant_id, room_id, thread_seq, seq FROM replies
    UNION SELECT tenant_id, room_id, thread_seq, thread_seq FROM replies
)
INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
SELECT DISTINCT s.tenant_id, s.room_id, s.thread_seq, f.user_id
FROM said s
JOIN chat_messages c USING (tenant_id, room_id, seq)
CROSS JOIN LATERAL (
    SELECT c.user_id UNION SELECT jsonb_array_elements_text(c.mentions)) f (user_id)
WHERE char_length(f.user_id) BETWEEN 1 AND 128;

ALTER TABLE chat_room_members
    -- Goes up when the marker is set back: an older one that is further on must not win.
    ADD COLUMN read_generation bigint NOT NULL DEFAULT 0 CHECK (read_generation >= 0);
