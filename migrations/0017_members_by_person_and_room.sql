-- no-transaction
-- A person's memberships in the order of rooms, so that a page of what is unread begins where the one before it ended
-- (100,000 rooms: bench/results/callers.md). It replaces the index without the room, so a membership costs no entry
-- more.
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_room_members_of_person
    ON chat_room_members (tenant_id, user_id, room_id);

DROP INDEX CONCURRENTLY IF EXISTS chat_room_members_by_user;
