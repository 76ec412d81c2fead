//! The object's SQLite behind the room's port. Not here: statements (`room::store`).

use crate::room::store::{Result, Row, Sql, SqlValue, StoreError};
use std::cell::Cell;
use wasm_bindgen::closure::ScopedClosure;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

pub struct ObjectSql {
    sql: SqlStorage,
    storage: JsValue,
    /// What is billed (PLATFORM.md), since this object was made.
    rows_written: Cell<u64>,
    /// Until when each writing statement fails, because a test wants it.
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
            return Err(StoreError("a test wants it to fail".into()));
        }
        let params: Vec<SqlStorageValue> = params.iter().map(bound).collect();
        let cursor = self.sql.exec(sql, params).map_err(failed)?;
        let rows = cursor.raw().map(|row| row.map_err(failed).and_then(row_of)).collect();
        self.rows_written.set(self.rows_written.get().saturating_add(cursor.rows_written() as u64));
        rows
    }

    /// The platform's `transactionSync`, which workers-rs doesn't offer.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut outcome = Ok(());
        let mut run = || -> std::result::Result<JsValue, JsValue> {
            outcome = work();
            // Throwing is what rolls back.
            if outcome.is_err() { Err(JsValue::from_str("rolled back")) } else { Ok(JsValue::UNDEFINED) }
        };
        let run = ScopedClosure::<dyn FnMut() -> std::result::Result<JsValue, JsValue>>::borrow_mut_assert_unwind_safe(&mut run);
        let thrown = self.transaction(run.as_js_value());
        drop(run);
        outcome?;
        thrown.map_err(|e| StoreError(format!("{e:?}")))
    }
}

fn bound(value: &SqlValue) -> SqlStorageValue {
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
        other => Err(StoreError(format!("a value the room never stores: {other:?}"))),
    };
    row.into_iter().map(value).collect()
}

fn failed(error: worker::Error) -> StoreError {
    StoreError(error.to_string())
}
