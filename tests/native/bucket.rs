//! A bucket of files in memory. It keeps an object once it is complete. Not here: R2 (`tests/e2e/files.rs`).

use chinwag::api::{Bucket, Put};
use chinwag::error::Refusal;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Clone, Default)]
pub struct Objects(pub Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

pub struct Object {
    to: Objects,
    key: String,
    size: u64,
    bytes: Vec<u8>,
}

impl Bucket for Objects {
    type Put = Object;

    async fn put(&self, key: &str, size: u64) -> Result<Object, Refusal> {
        Ok(Object { to: self.clone(), key: key.into(), size, bytes: Vec::new() })
    }
}

impl Put for Object {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    async fn finish(self) -> Result<(), Refusal> {
        assert_eq!(self.bytes.len() as u64, self.size, "a bucket takes exactly what was announced");
        self.to.0.borrow_mut().insert(self.key, self.bytes);
        Ok(())
    }
}
