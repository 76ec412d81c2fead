//! The table `versions`: what edited messages contained before. Not here: when a version is kept (`mutations`).

use super::sql::{Result, Store, corrupt_column, int, json_at, opt_int, text};
use crate::db::VersionRow;
use crate::ids::{Seq, UnixMs};

impl Store<'_> {
    pub fn keep_version(&self, seq: Seq, edit: Option<Seq>, version: &VersionRow) -> Result<()> {
        let body = serde_json::to_string(version).map_err(|_| corrupt_column(3))?;
        const KEEP: &str = "INSERT OR REPLACE INTO versions (seq, version, edit, body) VALUES (?, ?, ?, ?)";
        self.0.exec(KEEP, &[int(seq), int(version.version), opt_int(edit), text(&body)]).map(drop)
    }

    /// Deletes the versions in [from, to]. Their content is overwritten first (see `mutations`).
    pub(super) fn drop_versions(&self, seq: Seq, from: u64, to: u64) -> Result<()> {
        const BLANK: &str = "UPDATE versions SET body = printf('%.*c', length(CAST(body AS BLOB)), ' ')
            WHERE seq = ? AND version BETWEEN ? AND ?";
        let params = [int(seq), int(from), int(to)];
        self.0.exec(BLANK, &params)?;
        self.0.exec("DELETE FROM versions WHERE seq = ? AND version BETWEEN ? AND ?", &params).map(drop)
    }

    /// The earlier versions of this message, oldest first.
    pub fn versions(&self, seq: Seq) -> Result<Vec<VersionRow>> {
        let rows = self.0.exec("SELECT body FROM versions WHERE seq = ? ORDER BY version", &[int(seq)])?;
        rows.iter().map(|row| json_at(row, 0)).collect()
    }

    /// Who wrote the present content of an edited message, and when.
    pub fn last_edit(&self, seq: Seq) -> Result<Option<(String, UnixMs)>> {
        const LAST: &str = "SELECT body FROM versions WHERE seq = ? ORDER BY version DESC LIMIT 1";
        let Some(row) = self.0.exec(LAST, &[int(seq)])?.pop() else { return Ok(None) };
        let kept: VersionRow = json_at(&row, 0)?;
        Ok(Some((kept.replaced_by, kept.replaced_at_ms)))
    }
}
