//! The port to SQLite, the values of its rows, and the store that all statements belong to.
//! Not here: the statements.

use crate::oplog::Loggable;

/// One value that goes into a statement or comes out of it.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    Null,
    Integer(i64),
    Text(String),
}

/// A statement failed: nothing was decided. The room is dropped from memory, and the next event loads it again. The
/// text is logged, so it never contains stored values.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

impl Loggable for StoreError {
    fn logged(&self) -> serde_json::Value {
        self.0.as_str().into()
    }
}

pub type Row = Vec<SqlValue>;
pub type Result<T> = std::result::Result<T, StoreError>;

/// A SQLite database. Statements without an `await` between them become durable together.
pub trait Sql {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>>;
    /// Runs `work`; when it fails, nothing it wrote remains.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()>;
    /// Bytes that the database takes on the disk.
    fn size_bytes(&self) -> u64;
}

/// Every statement of the room is a method of this type.
pub struct Store<'a>(pub &'a dyn Sql);

pub(crate) fn int(n: u64) -> SqlValue {
    SqlValue::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(crate) fn opt_int(n: Option<u64>) -> SqlValue {
    n.map_or(SqlValue::Null, int)
}

pub(crate) fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

pub(crate) fn corrupt_column(at: usize) -> StoreError {
    StoreError(format!("column {at} is not what was stored"))
}

pub(crate) fn int_at(row: &Row, at: usize) -> Result<u64> {
    int_opt_at(row, at).ok_or_else(|| corrupt_column(at))
}

pub(crate) fn int_opt_at(row: &Row, at: usize) -> Option<u64> {
    match row.get(at) {
        Some(SqlValue::Integer(n)) => u64::try_from(*n).ok(),
        _ => None,
    }
}

pub(crate) fn text_at(row: &Row, at: usize) -> Result<String> {
    text_opt_at(row, at).ok_or_else(|| corrupt_column(at))
}

pub(crate) fn text_opt_at(row: &Row, at: usize) -> Option<String> {
    match row.get(at) {
        Some(SqlValue::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// The JSON value in a column.
pub(crate) fn json_at<T: serde::de::DeserializeOwned>(row: &Row, at: usize) -> Result<T> {
    serde_json::from_str(&text_at(row, at)?).map_err(|_| corrupt_column(at))
}
