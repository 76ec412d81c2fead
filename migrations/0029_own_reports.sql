-- no-transaction
-- What a person has reported, newest first, for `GET /people/me/reports`.
--
-- xtask/src/migrate.rs runs each paragraph by itself, and all of them again if one fails.

CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_reports_by_reporter ON chat_reports (tenant_id, reporter, at, id);
