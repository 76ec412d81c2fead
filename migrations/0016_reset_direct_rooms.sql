-- Direct rooms from before DM-2 (docs/PROTOCOL.md): both people are members, and nobody has more power than the other.
-- What somebody did with such power ends: roles, archiving, slow mode, mutes and bans. The version goes up, so that each
-- room learns of it.

WITH changed AS (
    SELECT r.tenant_id, r.id FROM chat_rooms r
    WHERE r.type = 'direct' AND (r.archived_at IS NOT NULL OR r.slow_mode_s > 0
        OR EXISTS (SELECT FROM chat_room_members m
            WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id AND (m.role <> 'member' OR m.muted_until IS NOT NULL))
        OR EXISTS (SELECT FROM chat_bans b WHERE b.tenant_id = r.tenant_id AND b.room_id = r.id))
    ORDER BY r.tenant_id, r.id
    FOR NO KEY UPDATE OF r
), members AS (
    UPDATE chat_room_members m SET role = 'member', muted_until = NULL
    FROM changed c WHERE m.tenant_id = c.tenant_id AND m.room_id = c.id
      AND (m.role <> 'member' OR m.muted_until IS NOT NULL)
), bans AS (
    DELETE FROM chat_bans b USING changed c WHERE b.tenant_id = c.tenant_id AND b.room_id = c.id
)
UPDATE chat_rooms r SET archived_at = NULL, slow_mode_s = 0, members_version = r.members_version + 1
FROM changed c WHERE r.tenant_id = c.tenant_id AND r.id = c.id;
