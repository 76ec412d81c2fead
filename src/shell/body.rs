//! A request's body, read in chunks when a route asks for it. Not here: what is done with it (`api`).

use crate::api::Body;
use crate::error::{Code, Refusal};
use crate::limits::FILE_PIECE_BYTES;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode};
use worker::Request;

/// All chunks go through one buffer. With a buffer for each chunk, 100 MB become 100 MB of garbage before V8 collects
/// any (measured).
pub struct RequestBody {
    request: Request,
    reader: Option<ReadableStreamByobReader>,
    /// Lent to the stream while a read is under way.
    buffer: Uint8Array,
}

impl RequestBody {
    pub fn new(request: Request) -> Self {
        // Allocated by the first read: most requests have no body.
        Self { request, reader: None, buffer: Uint8Array::new_with_length(0) }
    }

    fn declared_length(&self) -> Option<usize> {
        self.request.headers().get("content-length").ok().flatten()?.parse().ok()
    }

    fn open_reader(&mut self) -> Option<()> {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let stream = self.request.inner().body()?;
        self.reader = Some(stream.get_reader_with_options(&options).unchecked_into());
        let size = self.declared_length().unwrap_or(FILE_PIECE_BYTES).clamp(1, FILE_PIECE_BYTES);
        self.buffer = Uint8Array::new_with_length(u32::try_from(size).unwrap_or(u32::MAX));
        Some(())
    }

    async fn read_chunk(&mut self) -> Result<Option<Vec<u8>>, JsValue> {
        if self.reader.is_none() && self.open_reader().is_none() {
            return Ok(None);
        }
        let Some(reader) = &self.reader else { return Ok(None) };
        // The whole buffer again, however little of it the last chunk filled.
        let whole = Uint8Array::new(&self.buffer.buffer());
        let read =
            JsFuture::from(reader.read_with_array_buffer_view(whole.unchecked_ref::<Object>())).await?;
        if Reflect::get(&read, &JsValue::from_str("done"))?.is_truthy() {
            return Ok(None);
        }
        let chunk: Uint8Array = Reflect::get(&read, &JsValue::from_str("value"))?.unchecked_into();
        let bytes = chunk.to_vec();
        self.buffer = chunk;
        Ok(Some(bytes))
    }
}

impl Body for RequestBody {
    async fn read(mut self, max: usize) -> Result<Vec<u8>, Refusal> {
        let too_large = || Refusal::new(Code::TooLarge, format!("a body of at most {max} bytes"));
        if self.declared_length().is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(bytes) = self.next().await {
            body.extend_from_slice(&bytes?);
            if body.len() > max {
                return Err(too_large());
            }
        }
        Ok(body)
    }

    async fn next(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        let broken = |_| Refusal::new(Code::BadRequest, "the body broke off");
        self.read_chunk().await.map_err(broken).transpose()
    }
}
