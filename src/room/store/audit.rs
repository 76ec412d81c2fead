//! The table `audit`: audit notes until Postgres has them.

use super::sql::{Result, Store, corrupt_column, int, json_at, text};
use crate::db::AuditRow;
use crate::limits::{AUDIT_BATCH_BYTES_MAX, AUDIT_BATCH_MAX};

impl Store<'_> {
    /// Keeps a note for the audit log until Postgres has it; the same id again is the same note.
    pub fn note_audit(&self, row: &AuditRow) -> Result<()> {
        let body = serde_json::to_string(row).map_err(|_| corrupt_column(1))?;
        let sql = "INSERT OR IGNORE INTO audit (id, body) VALUES (?, ?)";
        self.0.exec(sql, &[text(&row.id), text(&body)]).map(drop)
    }

    /// Notes that Postgres does not have, at most as many as one batch takes.
    pub fn audit_notes(&self) -> Result<Vec<AuditRow>> {
        self.audit_notes_after("")
    }

    /// Notes whose ids are greater, ascending: as many as one batch takes, and at least one if there is one.
    pub fn audit_notes_after(&self, id: &str) -> Result<Vec<AuditRow>> {
        let sql = "SELECT body FROM audit WHERE id > ? ORDER BY id LIMIT ?";
        let rows = self.0.exec(sql, &[text(id), int(AUDIT_BATCH_MAX)])?;
        let (mut notes, mut bytes) = (Vec::new(), 0usize);
        for row in &rows {
            let note: AuditRow = json_at(row, 0)?;
            bytes = bytes.saturating_add(note.report.as_ref().map_or(0, |report| report.text.len()));
            if bytes > AUDIT_BATCH_BYTES_MAX && !notes.is_empty() {
                break;
            }
            notes.push(note);
        }
        Ok(notes)
    }

    pub fn forget_audit(&self, rows: &[AuditRow]) -> Result<()> {
        rows.iter()
            .try_for_each(|row| self.0.exec("DELETE FROM audit WHERE id = ?", &[text(&row.id)]).map(drop))
    }
}
