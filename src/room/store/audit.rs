//! The table `audit`: audit notes until Postgres has them.

use super::sql::{Result, Store, corrupt_column, int, json_at, text};
use crate::db::AuditRow;
use crate::limits::AUDIT_BATCH_MAX;

impl Store<'_> {
    /// Keeps a note for the audit log until Postgres has it; the same id again is the same note.
    pub fn note_audit(&self, row: &AuditRow) -> Result<()> {
        let body = serde_json::to_string(row).map_err(|_| corrupt_column(1))?;
        let sql = "INSERT OR IGNORE INTO audit (id, body) VALUES (?, ?)";
        self.0.exec(sql, &[text(&row.id), text(&body)]).map(drop)
    }

    /// Notes that Postgres does not have, at most as many as one batch takes.
    pub fn audit_notes(&self) -> Result<Vec<AuditRow>> {
        let rows = self.0.exec("SELECT body FROM audit LIMIT ?", &[int(AUDIT_BATCH_MAX)])?;
        rows.iter().map(|row| json_at(row, 0)).collect()
    }

    pub fn forget_audit(&self, rows: &[AuditRow]) -> Result<()> {
        rows.iter()
            .try_for_each(|row| self.0.exec("DELETE FROM audit WHERE id = ?", &[text(&row.id)]).map(drop))
    }
}
