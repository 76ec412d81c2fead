//! Triggers for the end-to-end tests. Compiled in by the feature `test-hooks` alone, which no deploy can have.

use super::sqlite::ObjectSql;
use crate::room::Input;
use std::cell::Cell;

/// Stands in every test build and in no other; the test suite looks for it in both.
const MARKER: &str = "chinwag-test-hook";

thread_local! {
    static LOADS: Cell<u64> = const { Cell::new(0) };
}

/// A room came into being: hibernation and eviction make a new one.
pub fn made() -> u64 {
    LOADS.set(LOADS.get() + 1);
    LOADS.get()
}

/// How long `test_store_fails` lasts: some tries of a drain that waits between them.
const STORE_FAILS_MS: u64 = 2_000;

/// `{"type":"test_instance"}` → which making of the object this is, the rows it has written, the isolate's WASM memory.
/// `{"type":"test_store_fails"}` → each statement that writes fails for a while.
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
#[allow(clippy::panic)] // That is what it is for.
pub fn panic_if_asked(input: &Input) {
    if let Input::Frame { text: r#"{"type":"test_panic"}"#, .. } = input {
        panic!("{MARKER}: asked to");
    }
}
