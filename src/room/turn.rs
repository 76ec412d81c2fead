//! What travels together through the handling of one input: the store and the time.
//! Not here: anything that outlives the input.

use super::store::Store;
use crate::ids::UnixMs;

/// The store and the time of one input.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub store: &'a Store<'a>,
    pub now: UnixMs,
}
