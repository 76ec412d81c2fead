//! Triggers for the end-to-end tests. Only the feature `test-hooks` compiles them in, which no deploy can have.

use super::sqlite::ObjectSql;
use crate::room::Input;
use std::cell::Cell;

/// In every test build and in no other; the test suite searches both for it.
const MARKER: &str = "chinwag-test-hook";

thread_local! {
    static LOADS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the rooms that were loaded: hibernation and eviction make a new one.
pub fn made() -> u64 {
    LOADS.set(LOADS.get() + 1);
    LOADS.get()
}

/// How long `test_store_fails` lasts: several tries of a drain with its backoff.
const STORE_FAILS_MS: u64 = 2_000;

/// `{"type":"test_instance"}` returns the number of this instance of the object, the rows it has written, and the
/// isolate's WASM memory. `{"type":"test_store_fails"}` makes each statement that writes fail for a while.
pub fn answered(text: &str, send: impl FnOnce(String), made: u64, sql: &ObjectSql) -> bool {
    match text {
        r#"{"type":"test_instance"}"# => {
            let (rows, bytes) = (sql.rows_written(), core::arch::wasm32::memory_size(0) * 65_536);
            send(format!(
                r#"[{{"type":"test_instance","instance":{made},"rowsWritten":{rows},"wasmBytes":{bytes},"by":"{MARKER}"}}]"#
            ));
        }
        r#"{"type":"test_store_fails"}"# => {
            sql.fail_until(super::clock::now() + STORE_FAILS_MS);
            send(format!(r#"[{{"type":"test_store_fails","by":"{MARKER}"}}]"#));
        }
        _ => return false,
    }
    true
}

/// `{"type":"test_panic"}` panics inside the machine's handling.
#[allow(clippy::panic)] // This is its purpose.
pub fn panic_if_asked(input: &Input) {
    if let Input::Frame { text: r#"{"type":"test_panic"}"#, .. } = input {
        panic!("{MARKER}: asked to");
    }
}
