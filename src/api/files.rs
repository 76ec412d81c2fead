//! Files over REST: a body on its way into the bucket, and a file on its way out.
//! Not here: who may have which (`room`), what a file is (`protocol::file`), the bucket itself (`shell`).

use super::{Body, Ports, Reply, Request, RoomOp, RoomRequest, room_access};
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::{INTEGER_MAX, RoomId};
use crate::limits::{FILE_HEAD_BYTES, FILE_PIECE_BYTES, UPLOAD_MAX_MS};
use crate::protocol::file;
use crate::protocol::message::Attachment;
use crate::room::{RoomCall, file_prefix, split_id};
use http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};
use std::future::Future;

/// Where files are kept.
pub trait Bucket {
    type Put: Put;

    /// Begins an object of exactly this many bytes.
    ///
    /// # Errors  `upstream_unavailable`, also when this deployment has no bucket.
    fn put(&self, key: &str, size: u64) -> impl Future<Output = Result<Self::Put, Refusal>>;
}

/// An object on its way. Dropped before `finish`, it never was.
pub trait Put {
    /// Returns when the bucket can take more.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Refusal>>;
    /// The object is there afterwards.
    fn finish(self) -> impl Future<Output = Result<(), Refusal>>;
}

/// An answer that the shell takes out of the bucket, or one of headers alone.
#[derive(Debug, PartialEq)]
pub struct FileReply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// The object, and of it the first byte and how many; `None`: no body.
    pub from: Option<(String, u64, u64)>,
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `POST /rooms/:id/attachments`: the room takes note of it, then the body goes through, then the room hears that it is there.
pub async fn upload<P: Ports, B: Body>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let size = declared_size(&request.headers)?;
    let bucket = ports.bucket()?;
    let upload = format!("{:032x}", ports.random());
    let membership = room_access::membership(ports, &caller, &room).await?;
    let key = format!("{}{upload}", file_prefix(&caller.tenant, &room));
    let tell = async |call: RoomCall| {
        let ask = RoomRequest {
            caller: caller.clone(),
            room: room.clone(),
            membership: membership.clone(),
            op: RoomOp::Call(call),
        };
        ports.call_room(&ask).await
    };
    let reserved = tell(RoomCall::Reserve { upload: upload.clone(), size }).await?;
    if !matches!(reserved, Reply::Json { status: 200, .. }) {
        return Ok(reserved);
    }
    let stored = store(ports, bucket, (&key, size), request).await;
    let answered = match stored {
        Ok(file) => tell(RoomCall::Uploaded { upload: upload.clone(), file }).await,
        Err(refusal) => Err(refusal),
    };
    if !matches!(answered, Ok(Reply::Json { status: 200, .. })) {
        // If this is lost too, the room cleans up by itself a little later.
        let _ = tell(RoomCall::UploadFailed { upload }).await;
    }
    answered
}

/// A bucket wants to know beforehand, and so does the limit.
fn declared_size(headers: &HeaderMap) -> Result<u64, Refusal> {
    const LENGTH: &str = "Content-Length";
    let length =
        text(headers, "content-length").ok_or_else(|| Refusal::bad_field(LENGTH, "the file's size"))?;
    let size = length.parse::<u64>().ok().filter(|size| *size <= INTEGER_MAX);
    size.ok_or_else(|| Refusal::bad_field(LENGTH, "the file's size"))
}

/// Takes the body through to the bucket, piece by piece, and looks at it on the way.
async fn store<P: Ports, B: Body>(
    ports: &P,
    bucket: &P::Bucket,
    (key, size): (&str, u64),
    request: Request<B>,
) -> Result<Attachment, Refusal> {
    let Request { headers, mut body, .. } = request;
    let until = ports.now().saturating_add(UPLOAD_MAX_MS);
    let mut put = bucket.put(key, size).await?;
    let (mut hash, mut head, mut piece, mut taken) = (Sha256::new(), Vec::new(), Vec::new(), 0u64);
    let broken = || Refusal::new(Code::BadRequest, "the body isn't as long as Content-Length says");
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        taken = taken.saturating_add(bytes.len() as u64);
        if taken > size {
            return Err(broken());
        }
        if ports.now() > until {
            return Err(Refusal::new(Code::BadRequest, "the upload took too long"));
        }
        hash.update(&bytes);
        let wanted = FILE_HEAD_BYTES.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        piece.extend_from_slice(&bytes);
        if piece.len() >= FILE_PIECE_BYTES {
            put.write(&piece).await?;
            piece.clear();
        }
    }
    if taken < size {
        return Err(broken());
    }
    if !piece.is_empty() {
        put.write(&piece).await?;
    }
    put.finish().await?;
    let mime_type = file::sniff(&head, text(&headers, "content-type").unwrap_or_default());
    let sides = file::dimensions(&head, &mime_type);
    Ok(Attachment {
        id: None,
        url: String::new(),
        name: file::safe_name(text(&headers, "x-file-name").unwrap_or_default()),
        mime_type,
        size,
        sha256: Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
        width: sides.map(|(width, _)| width),
        height: sides.map(|(_, height)| height),
    })
}

/// `GET` and `HEAD /attachments/:id`. Who may not have it, may have it no more, or asks for one that never was, hears the same.
pub async fn download<P: Ports>(
    ports: &P,
    caller: Identity,
    id: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Reply, Refusal> {
    let none = || Refusal::new(Code::AttachmentNotFound, "there is no such attachment");
    ports.bucket()?;
    let (room, upload) = split_id(id).ok_or_else(none)?;
    let key = format!("{}{upload}", file_prefix(&caller.tenant, &room));
    let asked = room_access::call(ports, caller, room, RoomCall::File { upload: upload.to_owned() }).await;
    let body = match asked {
        Ok(Reply::Json { status: 200, body, .. }) => body,
        Ok(Reply::Json { status: 404, .. }) => return Err(none()),
        Err(refusal) if refusal.code == Code::RoomNotFound => return Err(none()),
        other => return other,
    };
    let file: Attachment = serde_json::from_str(&body).map_err(|_| Refusal::fault())?;
    Ok(Reply::File(Box::new(delivery(&file, key, method == Method::HEAD, headers))))
}

/// How a file is handed over: whole, a part of it, or not again.
fn delivery(file: &Attachment, key: String, bare: bool, asked: &HeaderMap) -> FileReply {
    let etag = format!("\"{}\"", file.sha256.as_deref().unwrap_or_default());
    let mut headers = vec![
        ("etag", etag.clone()),
        // Its name is its content's and it never changes, but each use of it is to be allowed anew.
        ("cache-control", "private, no-cache".to_owned()),
        ("content-security-policy", "sandbox; default-src 'none'".to_owned()),
        ("cross-origin-resource-policy", "same-site".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
    ];
    if text(asked, header::IF_NONE_MATCH.as_str()).is_some_and(|known| is_one_of(known, &etag)) {
        return FileReply { status: 304, headers, from: None };
    }
    let part = match text(asked, header::RANGE.as_str()).filter(|_| is_current(asked, &etag)) {
        Some(range) => part_of(range, file.size),
        None => Part::Whole,
    };
    let (status, first, count) = match part {
        Part::Whole => (200, 0, file.size),
        Part::Some { first, count } => {
            let last = first.saturating_add(count).saturating_sub(1);
            headers.push(("content-range", format!("bytes {first}-{last}/{}", file.size)));
            (206, first, count)
        }
        Part::Nothing => {
            headers.push(("content-range", format!("bytes */{}", file.size)));
            return FileReply { status: 416, headers, from: None };
        }
    };
    headers.push(("content-type", file::content_type(&file.mime_type)));
    headers.push(("content-disposition", file::disposition(&file.name, &file.mime_type)));
    headers.push(("content-length", count.to_string()));
    FileReply { status, headers, from: (!bare && count > 0).then_some((key, first, count)) }
}

/// `If-None-Match`: a list of tags, weak ones count as well.
fn is_one_of(list: &str, etag: &str) -> bool {
    let mut tags = list.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag == etag)
}

/// `If-Range`: a part is wanted only of the file that the client knows.
fn is_current(asked: &HeaderMap, etag: &str) -> bool {
    text(asked, header::IF_RANGE.as_str()).is_none_or(|known| known.trim() == etag)
}

#[derive(Debug, PartialEq)]
enum Part {
    Whole,
    Some { first: u64, count: u64 },
    Nothing,
}

/// What of a file of `size` bytes is asked for. What isn't understood, and several parts at once, are the whole (RFC 9110 §14.2).
fn part_of(range: &str, size: u64) -> Part {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    // More than any file has is all there is.
    let number = |text: &str| {
        let digits = text.trim();
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().unwrap_or(u64::MAX))
    };
    let end = size.saturating_sub(1);
    let (first, last) = match (number(first), number(last)) {
        (None, Some(count)) if first.trim().is_empty() => (size.saturating_sub(count), end),
        (Some(first), None) if last.trim().is_empty() => (first, end),
        (Some(first), Some(last)) if first <= last => (first, last.min(end)),
        _ => return Part::Whole,
    };
    if first >= size || first > last {
        return Part::Nothing;
    }
    Part::Some { first, count: last.saturating_sub(first).saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_file_or_none_or_not_understood() {
        let some = |first, count| Part::Some { first, count };
        for (range, part) in [
            ("bytes=0-0", some(0, 1)),
            ("bytes=0-9", some(0, 10)),
            ("bytes=2-", some(2, 8)),
            ("bytes=-3", some(7, 3)),
            ("bytes=-99", some(0, 10)),
            ("bytes=9-99", some(9, 1)),
            ("bytes=5-99999999999999999999999", some(5, 5)),
            ("bytes=10-", Part::Nothing),
            ("bytes=10-12", Part::Nothing),
            ("bytes=99999999999999999999999-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=3-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part_of(range, 10), part, "{range}");
        }
        assert_eq!(part_of("bytes=0-", 0), Part::Nothing, "an empty file has no parts");
        assert_eq!(part_of("bytes=-5", 0), Part::Nothing);
    }
}
