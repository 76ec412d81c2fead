//! The table `uploads`: one row per object in the bucket. Not here: what may become of an upload (`files`).

use super::sql::{Result, Row, Store, int, int_opt_at, text, text_at, text_opt_at};
use crate::ids::{Seq, UnixMs};

/// The id of the row that schedules a listing of the bucket, which finds objects without a row.
const LISTING: &str = "";
/// The user of a row whose object a listing found: nobody knows who uploaded it.
const NOBODY: &str = "";

#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Who uploaded it; `None` for an object that a listing found.
    pub user_id: Option<String>,
    pub file: Option<String>,
    pub message: Option<Seq>,
    pub due: Option<UnixMs>,
}

/// What the bucket must be asked for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueRemovals {
    Nothing,
    /// A listing comes first: objects may be there that no row knows.
    Listing,
    Objects(Vec<String>),
}

impl Store<'_> {
    /// Notes an object before it exists, so that no object is without a row.
    pub fn reserve_upload(&self, id: &str, user: &str, due: UnixMs) -> Result<()> {
        let sql = "INSERT INTO uploads (id, user_id, due) VALUES (?, ?, ?)";
        self.0.exec(sql, &[text(id), text(user), int(due)]).map(drop)
    }

    /// The upload is in the bucket.
    pub fn mark_upload_stored(&self, id: &str, file: &str, due: UnixMs) -> Result<()> {
        let sql = "UPDATE uploads SET file = ?, due = ? WHERE id = ?";
        self.0.exec(sql, &[text(file), int(due), text(id)]).map(drop)
    }

    /// The upload is in a message, whose body has everything about it.
    pub fn mark_upload_sent(&self, id: &str, message: Seq) -> Result<()> {
        let sql = "UPDATE uploads SET file = NULL, message = ?, due = NULL WHERE id = ?";
        self.0.exec(sql, &[int(message), text(id)]).map(drop)
    }

    /// The uploads of a message that a rebuild took from Postgres.
    pub fn import_uploads(&self, ids: &[String], user: &str, message: Seq) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO uploads (id, user_id, message) VALUES (?, ?, ?)";
        ids.iter().try_for_each(|id| self.0.exec(sql, &[text(id), text(user), int(message)]).map(drop))
    }

    /// At `due` the bucket is listed: it may hold objects that no row knows.
    pub fn schedule_listing(&self, due: UnixMs) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO uploads (id, user_id, due) VALUES (?, ?, ?)";
        self.0.exec(sql, &[text(LISTING), text(NOBODY), int(due)]).map(drop)
    }

    /// The bucket was listed: each of these objects that has no row gets one and is due at once.
    pub fn take_listing(&self, ids: &[String], now: UnixMs) -> Result<()> {
        self.0.atomically(&mut || {
            for id in ids {
                if self.upload(id)?.is_none() {
                    self.reserve_upload(id, NOBODY, now)?;
                }
            }
            self.forget_upload(LISTING)
        })
    }

    pub fn schedule_upload_removal(&self, id: &str, due: UnixMs) -> Result<()> {
        self.0.exec("UPDATE uploads SET due = ? WHERE id = ?", &[int(due), text(id)]).map(drop)
    }

    /// The objects of these uploads are gone.
    pub fn forget_uploads(&self, ids: &[String]) -> Result<()> {
        self.0.atomically(&mut || ids.iter().try_for_each(|id| self.forget_upload(id)))
    }

    fn forget_upload(&self, id: &str) -> Result<()> {
        self.0.exec("DELETE FROM uploads WHERE id = ?", &[text(id)]).map(drop)
    }

    pub fn upload(&self, id: &str) -> Result<Option<Upload>> {
        let sql = "SELECT user_id, file, message, due FROM uploads WHERE id = ?";
        let upload = |row: &Row| {
            let user_id = Some(text_at(row, 0)?).filter(|user| user != NOBODY);
            let (message, due) = (int_opt_at(row, 2), int_opt_at(row, 3));
            Ok(Upload { user_id, file: text_opt_at(row, 1), message, due })
        };
        self.0.exec(sql, &[text(id)])?.first().map(upload).transpose()
    }

    /// When this person's uploads that are in no message are due, those after `now`.
    pub fn unsent_dues(&self, user: &str, now: UnixMs) -> Result<Vec<UnixMs>> {
        let sql = "SELECT due FROM uploads WHERE due > ? AND user_id = ? ORDER BY due";
        let rows = self.0.exec(sql, &[int(now), text(user)])?;
        Ok(rows.iter().filter_map(|row| int_opt_at(row, 0)).collect())
    }

    /// What is due by now, at most `count` objects.
    pub fn due_removals(&self, now: UnixMs, count: u64) -> Result<DueRemovals> {
        let sql = "SELECT id FROM uploads WHERE due <= ? ORDER BY due LIMIT ?";
        let rows = self.0.exec(sql, &[int(now), int(count)])?;
        let ids = rows.iter().map(|row| text_at(row, 0)).collect::<Result<Vec<_>>>()?;
        Ok(match ids.iter().any(|id| id == LISTING) {
            true => DueRemovals::Listing,
            false if ids.is_empty() => DueRemovals::Nothing,
            false => DueRemovals::Objects(ids),
        })
    }

    /// When the next object is due.
    pub fn next_due(&self) -> Result<Option<UnixMs>> {
        let rows = self.0.exec("SELECT min(due) FROM uploads WHERE due IS NOT NULL", &[])?;
        Ok(rows.first().and_then(|row| int_opt_at(row, 0)))
    }
}
