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

/// `{"type":"test_instance"}` → which making of the object this is, and the rows it has written.
pub fn answered(text: &str, send: impl FnOnce(String), made: u64, sql: &ObjectSql) -> bool {
    if text != r#"{"type":"test_instance"}"# {
        return false;
    }
    let rows = sql.rows_written();
    send(format!(r#"[{{"type":"test_instance","instance":{made},"rowsWritten":{rows},"by":"{MARKER}"}}]"#));
    true
}

/// `{"type":"test_panic"}` panics inside the machine's handling.
#[allow(clippy::panic)] // That is what it is for.
pub fn panic_if_asked(input: &Input) {
    if let Input::Frame { text: r#"{"type":"test_panic"}"#, .. } = input {
        panic!("{MARKER}: asked to");
    }
}
