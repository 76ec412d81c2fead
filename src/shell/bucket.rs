//! R2 behind the port `api::Bucket`: objects are written in chunks, delivered as streams, and deleted.
//! Not here: which objects and for whom (`api`, `room`).

use super::json;
use crate::api::{Bucket, FileReply, Put, Reply};
use crate::error::{Code, Refusal};
use crate::limits::FILE_PIECE_BYTES;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::WritableStreamDefaultWriter;
use worker::worker_sys::{FixedLengthStream, R2Bucket};
use worker::{Env, Headers, Range, Response, Result};

const BINDING: &str = "FILES";

/// The binding, if the deployment has it.
pub struct R2(worker::Bucket);

fn unreachable_bucket<E>(_: E) -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, "the bucket of files can't be reached, try again")
}

impl R2 {
    pub fn of(env: &Env) -> Option<Self> {
        env.bucket(BINDING).ok().map(Self)
    }

    pub fn missing() -> Refusal {
        Refusal::new(
            Code::UpstreamUnavailable,
            "this deployment keeps no files: the binding FILES is missing",
        )
    }

    /// True when none of these objects exists any more.
    pub async fn remove(&self, keys: &[String]) -> bool {
        self.0.delete_multiple(keys.iter().map(String::as_str).collect()).await.is_ok()
    }

    /// The keys that begin with the prefix, without it; all pages.
    pub async fn list(&self, prefix: &str) -> Option<Vec<String>> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let mut page = self.0.list().prefix(prefix);
            if let Some(cursor) = cursor {
                page = page.cursor(cursor);
            }
            let page = page.execute().await.ok()?;
            let names = page.objects().into_iter().map(|object| object.key());
            found.extend(names.filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)));
            cursor = page.truncated().then(|| page.cursor()).flatten();
            if cursor.is_none() {
                return Some(found);
            }
        }
    }

    /// The response that the reply describes.
    pub async fn deliver(&self, reply: FileReply) -> Result<Response> {
        let FileReply { status, headers, from } = reply;
        let body = match from {
            None => worker::ResponseBody::Empty,
            Some((key, offset, length)) => {
                let found = self.0.get(key).range(Range::OffsetWithLength { offset, length }).execute().await;
                let object = match found {
                    Ok(object) => object,
                    Err(error) => return json(&Reply::refused(&unreachable_bucket(error))),
                };
                let stream =
                    object.as_ref().and_then(|object| object.body()).map(|body| body.response_body());
                let Some(stream) = stream.transpose()? else {
                    let missing = Refusal::new(Code::AttachmentNotFound, "there is no such attachment");
                    return json(&Reply::refused(&missing));
                };
                stream
            }
        };
        let response_headers = Headers::new();
        for (name, value) in headers {
            response_headers.set(name, &value)?;
        }
        Ok(Response::from_body(body)?.with_status(status).with_headers(response_headers))
    }
}

impl Bucket for R2 {
    type Put = R2Put;

    /// R2 accepts a stream only with its length.
    async fn put(&self, key: &str, size: u64) -> std::result::Result<R2Put, Refusal> {
        let stream = match u32::try_from(size) {
            Ok(size) => FixedLengthStream::new(size),
            Err(_) => FixedLengthStream::new_big_int(size.into()),
        };
        let stream = stream.map_err(unreachable_bucket)?;
        let bucket: &R2Bucket = self.0.as_ref().unchecked_ref();
        let stored = bucket
            .put(key.to_owned(), stream.readable().into(), JsValue::UNDEFINED)
            .map_err(unreachable_bucket)?;
        let writer = stream.writable().get_writer().map_err(unreachable_bucket)?;
        let buffer = Uint8Array::new_with_length(u32::try_from(FILE_PIECE_BYTES).unwrap_or(u32::MAX));
        Ok(R2Put { writer, buffer, stored: Some(JsFuture::from(stored)) })
    }
}

pub struct R2Put {
    writer: WritableStreamDefaultWriter,
    /// One for all chunks, as in `body`: R2 has consumed it when a write is over.
    buffer: Uint8Array,
    /// `None` once it is finished.
    stored: Option<JsFuture>,
}

impl Put for R2Put {
    async fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Refusal> {
        for chunk in bytes.chunks(FILE_PIECE_BYTES) {
            let part = self.buffer.subarray(0, u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            part.copy_from(chunk);
            JsFuture::from(self.writer.write_with_chunk(&part)).await.map_err(unreachable_bucket)?;
        }
        Ok(())
    }

    async fn finish(mut self) -> std::result::Result<(), Refusal> {
        JsFuture::from(self.writer.close()).await.map_err(unreachable_bucket)?;
        match self.stored.take() {
            Some(stored) => stored.await.map(drop).map_err(unreachable_bucket),
            None => Ok(()),
        }
    }
}

impl Drop for R2Put {
    /// An upload that was not finished leaves no object: R2 keeps one only once its stream has ended.
    fn drop(&mut self) {
        if let Some(stored) = self.stored.take() {
            let aborted = self.writer.abort();
            spawn_local(async move {
                let _ = JsFuture::from(aborted).await;
                let _ = stored.await;
            });
        }
    }
}
