//! Audit notes until Postgres has them. Not here: what is noted (`moderation`, `edit_delete`).

use super::store::{Result, Store};
use crate::db::AuditRow;

#[derive(Debug)]
pub struct AuditNotes {
    /// The store has notes that Postgres does not have.
    waiting: bool,
}

impl AuditNotes {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self { waiting: !store.audit_notes()?.is_empty() })
    }

    /// The note is stored and goes with the next batch.
    pub fn add(&mut self, store: &Store, row: &AuditRow) -> Result<()> {
        store.note_audit(row)?;
        self.waiting = true;
        Ok(())
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The notes for the next batch.
    pub fn batch(&self, store: &Store) -> Result<Vec<AuditRow>> {
        if self.waiting { store.audit_notes() } else { Ok(Vec::new()) }
    }

    /// Postgres has these notes.
    pub fn projected(&mut self, store: &Store, rows: &[AuditRow]) -> Result<()> {
        if !rows.is_empty() {
            store.forget_audit(rows)?;
            self.waiting = !store.audit_notes()?.is_empty();
        }
        Ok(())
    }

    /// The notes were deleted with the room.
    pub fn clear(&mut self) {
        self.waiting = false;
    }
}
