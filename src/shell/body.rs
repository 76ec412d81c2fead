//! A request's body, read piece by piece when a route wants it. Not here: what is done with it (`api`).

use crate::api::Body;
use crate::error::{Code, Refusal};
use crate::limits::FILE_PIECE_BYTES;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode};
use worker::Request;

/// All pieces go through one buffer: with one of its own for each, 100 MB are 100 MB of garbage before V8 looks (measured).
pub struct RequestBody {
    request: Request,
    reader: Option<ReadableStreamByobReader>,
    /// Ours but while a read is under way.
    buffer: Uint8Array,
}

impl RequestBody {
    pub fn new(request: Request) -> Self {
        // Made by the first read: most requests have no body.
        Self { request, reader: None, buffer: Uint8Array::new_with_length(0) }
    }

    fn declared(&self) -> Option<usize> {
        self.request.headers().get("content-length").ok().flatten()?.parse().ok()
    }

    fn begin(&mut self) -> Option<()> {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let stream = self.request.inner().body()?;
        self.reader = Some(stream.get_reader_with_options(&options).unchecked_into());
        let size = self.declared().unwrap_or(FILE_PIECE_BYTES).clamp(1, FILE_PIECE_BYTES);
        self.buffer = Uint8Array::new_with_length(u32::try_from(size).unwrap_or(u32::MAX));
        Some(())
    }

    async fn piece(&mut self) -> Result<Option<Vec<u8>>, JsValue> {
        if self.reader.is_none() && self.begin().is_none() {
            return Ok(None);
        }
        let Some(reader) = &self.reader else { return Ok(None) };
        // The whole buffer again, whatever part of it the last piece was.
        let whole = Uint8Array::new(&self.buffer.buffer());
        let read =
            JsFuture::from(reader.read_with_array_buffer_view(whole.unchecked_ref::<Object>())).await?;
        if Reflect::get(&read, &JsValue::from_str("done"))?.is_truthy() {
            return Ok(None);
        }
        let piece: Uint8Array = Reflect::get(&read, &JsValue::from_str("value"))?.unchecked_into();
        let bytes = piece.to_vec();
        self.buffer = piece;
        Ok(Some(bytes))
    }
}

impl Body for RequestBody {
    async fn read(mut self, max: usize) -> Result<Vec<u8>, Refusal> {
        let too_large = || Refusal::new(Code::TooLarge, format!("a body of at most {max} bytes"));
        if self.declared().is_some_and(|length| length > max) {
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
        self.piece().await.map_err(broken).transpose()
    }
}
