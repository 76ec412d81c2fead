-- Primary keys that are newer than the other indexes of their tables.
--
-- Postgres chooses an index by cost. When it expects at most one row, all indexes that begin with the tenant cost the
-- same, and of equal ones it takes the one that was created last (measured on 15 and 18). It expects one row whenever a
-- table has no statistics: for a lookup by room up to 40,000 messages, and for a plan that was made while the table was
-- small, for as long as that plan is kept. With chat_messages_of_room_by_time such a lookup reads all entries of the
-- room, with chat_rooms_tenant_id_dm_key_key all rooms of the tenant. This holds for the checks of foreign keys as
-- well, whose statements are not ours to write. So the primary keys are created again, after the other indexes.
--
-- A later migration that adds an index to one of these tables has to do the same; tests/native/db_unanalysed.rs fails
-- if it does not. The tables are locked meanwhile (0.9 s with 200,000 messages and reactions). Rooms keep working and
-- catch up afterwards.

-- In the order in which the projection takes its locks.
DO $$ BEGIN
    LOCK TABLE chat_rooms, chat_room_members, chat_messages, chat_message_reactions, chat_message_versions,
        chat_thread_followers, chat_bans, chat_audit, chat_mentions IN ACCESS EXCLUSIVE MODE;
END $$;

ALTER TABLE chat_room_members DROP CONSTRAINT chat_room_members_tenant_id_room_id_fkey;
ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_tenant_id_room_id_fkey;
ALTER TABLE chat_message_reactions DROP CONSTRAINT chat_message_reactions_tenant_id_room_id_seq_fkey;
ALTER TABLE chat_message_versions DROP CONSTRAINT chat_message_versions_tenant_id_room_id_seq_fkey;
ALTER TABLE chat_thread_followers DROP CONSTRAINT chat_thread_followers_tenant_id_room_id_fkey;
ALTER TABLE chat_bans DROP CONSTRAINT chat_bans_tenant_id_room_id_fkey;
ALTER TABLE chat_audit DROP CONSTRAINT chat_audit_tenant_id_room_id_fkey;
ALTER TABLE chat_mentions DROP CONSTRAINT chat_mentions_tenant_id_room_id_seq_fkey;

ALTER TABLE chat_rooms DROP CONSTRAINT chat_rooms_pkey, ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE chat_room_members DROP CONSTRAINT chat_room_members_pkey, ADD PRIMARY KEY (tenant_id, room_id, user_id);
ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_pkey, ADD PRIMARY KEY (tenant_id, room_id, seq);
-- It counts mentions where the primary key would read everything that is unread.
DROP INDEX chat_messages_mentioning;
CREATE INDEX chat_messages_mentioning ON chat_messages (tenant_id, room_id, seq)
    WHERE (mentions <> '[]' OR mentions_room) AND deleted_at IS NULL;

ALTER TABLE chat_room_members ADD FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms ON DELETE CASCADE;
ALTER TABLE chat_messages ADD FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms ON DELETE CASCADE;
ALTER TABLE chat_message_reactions
    ADD FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages ON DELETE CASCADE;
ALTER TABLE chat_message_versions
    ADD FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages ON DELETE CASCADE;
ALTER TABLE chat_thread_followers ADD FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms ON DELETE CASCADE;
ALTER TABLE chat_bans ADD FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms ON DELETE CASCADE;
ALTER TABLE chat_audit ADD FOREIGN KEY (tenant_id, room_id) REFERENCES chat_rooms ON DELETE CASCADE;
ALTER TABLE chat_mentions ADD FOREIGN KEY (tenant_id, room_id, seq) REFERENCES chat_messages ON DELETE CASCADE;
