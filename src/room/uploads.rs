//! The table of uploads in the room's SQLite, and every statement over it.
//! Not here: what an upload may become (`files`).

use super::store::{Result, Row, SqlValue, Store, int, int_opt_at, text_at, text_opt_at};
use crate::ids::{Seq, UnixMs};

/// `file`: the attachment's JSON, once it is in the bucket and until it is in a message. `message`: the seq of that one.
/// `due`: when the object is to be removed; NULL: it stays.
pub const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS uploads (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, file TEXT, message INTEGER, due INTEGER) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS uploads_due ON uploads (due) WHERE due IS NOT NULL",
];

/// The row that stands for objects without one: those of uploads that a lost log knew and no message names.
pub const STRAYS: &str = "";

#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    pub user_id: String,
    pub file: Option<String>,
    pub message: Option<Seq>,
    pub due: Option<UnixMs>,
}

impl Store<'_> {
    /// Takes note of an object before there is one, so that none can be without its row.
    pub fn reserve_upload(&self, id: &str, user: &str, due: UnixMs) -> Result<()> {
        let sql = "INSERT INTO uploads (id, user_id, due) VALUES (?, ?, ?)";
        self.0.exec(sql, &[text(id), text(user), int(due)]).map(drop)
    }

    /// The upload is in the bucket.
    pub fn mark_upload_stored(&self, id: &str, file: &str, due: UnixMs) -> Result<()> {
        let sql = "UPDATE uploads SET file = ?, due = ? WHERE id = ?";
        self.0.exec(sql, &[text(file), int(due), text(id)]).map(drop)
    }

    /// The upload is in a message, whose body says everything of it.
    pub fn mark_upload_sent(&self, id: &str, message: Seq) -> Result<()> {
        let sql = "UPDATE uploads SET file = NULL, message = ?, due = NULL WHERE id = ?";
        self.0.exec(sql, &[int(message), text(id)]).map(drop)
    }

    /// As a message that was taken over from Postgres has it.
    pub fn import_upload(&self, id: &str, user: &str, message: Seq) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO uploads (id, user_id, message) VALUES (?, ?, ?)";
        self.0.exec(sql, &[text(id), text(user), int(message)]).map(drop)
    }

    /// Objects may be there that no row tells of: at `due` they are looked for.
    pub fn expect_strays(&self, due: UnixMs) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO uploads (id, user_id, due) VALUES (?, '', ?)";
        self.0.exec(sql, &[text(STRAYS), int(due)]).map(drop)
    }

    pub fn schedule_upload_removal(&self, id: &str, due: UnixMs) -> Result<()> {
        self.0.exec("UPDATE uploads SET due = ? WHERE id = ?", &[int(due), text(id)]).map(drop)
    }

    pub fn forget_upload(&self, id: &str) -> Result<()> {
        self.0.exec("DELETE FROM uploads WHERE id = ?", &[text(id)]).map(drop)
    }

    pub fn upload(&self, id: &str) -> Result<Option<Upload>> {
        let sql = "SELECT user_id, file, message, due FROM uploads WHERE id = ?";
        let upload = |row: &Row| {
            let (message, due) = (int_opt_at(row, 2), int_opt_at(row, 3));
            Ok(Upload { user_id: text_at(row, 0)?, file: text_opt_at(row, 1), message, due })
        };
        self.0.exec(sql, &[text(id)])?.first().map(upload).transpose()
    }

    /// When this person's uploads that are in no message are due, those after `now`.
    pub fn unsent_dues(&self, user: &str, now: UnixMs) -> Result<Vec<UnixMs>> {
        let sql = "SELECT due FROM uploads WHERE due > ? AND user_id = ? ORDER BY due";
        let rows = self.0.exec(sql, &[int(now), text(user)])?;
        Ok(rows.iter().filter_map(|row| int_opt_at(row, 0)).collect())
    }

    /// Uploads whose objects are to be removed by now.
    pub fn due_uploads(&self, now: UnixMs, count: u64) -> Result<Vec<String>> {
        let sql = "SELECT id FROM uploads WHERE due <= ? ORDER BY due LIMIT ?";
        self.0.exec(sql, &[int(now), int(count)])?.iter().map(|row| text_at(row, 0)).collect()
    }

    /// When the next object is to be removed.
    pub fn next_due(&self) -> Result<Option<UnixMs>> {
        let rows = self.0.exec("SELECT min(due) FROM uploads WHERE due IS NOT NULL", &[])?;
        Ok(rows.first().and_then(|row| int_opt_at(row, 0)))
    }
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}
