//! The object's SQLite behind the room's port. Not here: statements (`room::store`).

use crate::room::store::{Result, Row, Sql, SqlValue, StoreError};
use std::cell::Cell;
use wasm_bindgen::closure::ScopedClosure;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

pub struct ObjectSql {
    sql: SqlStorage,
    storage: JsValue,
    /// Since this object was created; they are billed (docs/PLATFORM.md, "What it costs").
    rows_written: Cell<u64>,
    /// Until when each writing statement fails, as a test has asked for.
    #[cfg(feature = "test-hooks")]
    fails_until: Cell<u64>,
}

impl ObjectSql {
    pub fn new(state: &State) -> Self {
        let storage = state.storage();
        let raw = JsValue::from(storage.as_raw());
        Self {
            sql: storage.sql(),
            storage: raw,
            rows_written: Cell::new(0),
            #[cfg(feature = "test-hooks")]
            fails_until: Cell::new(0),
        }
    }

    fn transaction(&self, run: &JsValue) -> std::result::Result<(), JsValue> {
        let method = js_sys::Reflect::get(&self.storage, &JsValue::from_str("transactionSync"))?;
        method.dyn_into::<js_sys::Function>()?.call1(&self.storage, run).map(drop)
    }

    #[cfg(feature = "test-hooks")]
    pub fn rows_written(&self) -> u64 {
        self.rows_written.get()
    }

    #[cfg(feature = "test-hooks")]
    pub fn fail_until(&self, at: u64) {
        self.fails_until.set(at);
    }
}

impl Sql for ObjectSql {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>> {
        #[cfg(feature = "test-hooks")]
        if !sql.trim_start().starts_with("SELECT") && super::clock::now() < self.fails_until.get() {
            return Err(StoreError("a test has asked for it".into()));
        }
        let params: Vec<SqlStorageValue> = params.iter().map(to_param).collect();
        let cursor = self.sql.exec(sql, params).map_err(store_error)?;
        let rows = cursor.raw().map(|row| row.map_err(store_error).and_then(row_of)).collect();
        self.rows_written.set(self.rows_written.get().saturating_add(cursor.rows_written() as u64));
        rows
    }

    /// `databaseSize`, which workers-rs cuts to 32 bits.
    fn size_bytes(&self) -> u64 {
        let sql = js_sys::Reflect::get(&self.storage, &JsValue::from_str("sql"));
        let size = sql.and_then(|sql| js_sys::Reflect::get(&sql, &JsValue::from_str("databaseSize")));
        size.ok().and_then(|size| size.as_f64()).map_or(0, |size| size as u64)
    }

    /// The platform's `transactionSync`, which workers-rs does not offer.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut outcome = Ok(());
        let mut run = || -> std::result::Result<JsValue, JsValue> {
            outcome = work();
            // An exception rolls the transaction back.
            if outcome.is_err() { Err(JsValue::from_str("rolled back")) } else { Ok(JsValue::UNDEFINED) }
        };
        let run = ScopedClosure::<dyn FnMut() -> std::result::Result<JsValue, JsValue>>::borrow_mut_assert_unwind_safe(&mut run);
        let thrown = self.transaction(run.as_js_value());
        drop(run);
        outcome?;
        thrown.map_err(|e| StoreError(format!("{e:?}")))
    }
}

fn to_param(value: &SqlValue) -> SqlStorageValue {
    match value {
        SqlValue::Null => SqlStorageValue::Null,
        SqlValue::Integer(n) => SqlStorageValue::Integer(*n),
        SqlValue::Text(text) => SqlStorageValue::String(text.clone()),
    }
}

fn row_of(row: Vec<SqlStorageValue>) -> Result<Row> {
    let value = |value| match value {
        SqlStorageValue::Null => Ok(SqlValue::Null),
        SqlStorageValue::Integer(n) => Ok(SqlValue::Integer(n)),
        SqlStorageValue::String(text) => Ok(SqlValue::Text(text)),
        other => Err(StoreError(format!("a type that the room never stores: {other:?}"))),
    };
    row.into_iter().map(value).collect()
}

fn store_error(error: worker::Error) -> StoreError {
    StoreError(error.to_string())
}
