//! What every part needs to handle an input. Not here: who asks (`Request` for clients' operations).

use super::store::Store;
use crate::ids::UnixMs;

/// The storage and the time of one input.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) now: UnixMs,
}
