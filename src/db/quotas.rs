//! The quotas that are counted apart from what they limit: the bytes of a person's files, and a person's reports of a day.
//! Not here: the quotas of rooms (`rooms`, `people`), and what follows when Postgres gives no answer (`api`).

use super::port::{DbError, Postgres};
use crate::ids::{RoomId, TenantId, UserId};
use serde_json::json;

/// The file counts among its uploader's bytes until `release_files`. A retry counts nothing.
///
/// # Errors  one with a `quota`: nothing was counted.
pub async fn count_file(
    db: &impl Postgres,
    (tenant, user, room): (&TenantId, &UserId, &RoomId),
    (file, bytes): (&str, u64),
    bytes_max: u64,
) -> Result<(), DbError> {
    let input = json!({
        "tenant": tenant, "user": user, "room": room, "file": file, "bytes": bytes, "bytesMax": bytes_max,
    });
    db.query("SELECT chat_count_file_v1($1)", input).await.map(drop)
}

/// These files of the room count no more. Files that do not count are left out.
pub async fn release_files(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    files: &[String],
) -> Result<(), DbError> {
    let input = json!({"tenant": tenant, "room": room, "released": files});
    db.query("SELECT chat_release_files_v1($1)", input).await.map(drop)
}

/// Counts one more report of this person today.
///
/// # Errors  one with a `quota`: nothing was counted.
pub async fn count_report(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    per_day: u64,
) -> Result<(), DbError> {
    let input = json!({"tenant": tenant, "user": user, "reportsPerDay": per_day});
    db.query("SELECT chat_count_report_v1($1)", input).await.map(drop)
}
