//! Files over REST: upload into the bucket, download from it with ranges and conditions.
//! Not here: who may have which file (`room`), a file's type and name (`protocol::file`), the bucket itself (`shell`).

use super::context::{RoomContext, Unauthenticated, count_at_edge};
use super::http::{Body, FileReply, Reply, Request, header, refuse_quota};
use super::ports::{Bucket, Ports, Put};
use super::room_request::{Membership, RoomOp};
use crate::db;
use crate::error::{Code, Refusal};
use crate::ids::{INTEGER_MAX, iso};
use crate::limits::{DOWNLOAD_URL_MS, FILE_HEAD_BYTES, FILE_PIECE_BYTES, UPLOAD_MAX_MS};
use crate::protocol::file;
use crate::protocol::message::Attachment;
use crate::room::{RoomCall, file_prefix, split_id};
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Method};
use serde_json::json;
use sha2::{Digest, Sha256};

/// `POST /rooms/:id/attachments`: the room reserves the upload, Postgres counts it, the body goes to the bucket, and the
/// room records that the file is stored.
pub async fn upload<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let size = content_length(&request.headers)?;
    let bucket = cx.ports.bucket()?;
    let upload = format!("{:032x}", cx.ports.random());
    let membership = cx.membership().await?;
    let key = format!("{}{upload}", file_prefix(&cx.caller.tenant, &cx.room));
    let call = async |call: RoomCall| cx.send(membership.clone(), RoomOp::Call(call)).await;
    let reserved = call(RoomCall::Reserve { upload: upload.clone(), size }).await?;
    if !matches!(reserved, Reply::Json { status: 200, .. }) {
        return Ok(reserved);
    }
    // Without a membership Postgres is away: the file is taken uncounted.
    let counted = match &membership {
        Some(_) => count(&cx, &upload, size).await,
        None => Ok(()),
    };
    let stored = match counted {
        Ok(()) => store(cx.ports, bucket, &key, size, request).await,
        Err(refusal) => Err(refusal),
    };
    let reply = match stored {
        Ok(file) => call(RoomCall::Uploaded { upload: upload.clone(), file }).await,
        Err(refusal) => Err(refusal),
    };
    if !matches!(reply, Ok(Reply::Json { status: 200, .. })) {
        // If this call is lost too, the room removes the upload by itself a little later.
        let _ = call(RoomCall::UploadFailed { upload }).await;
    }
    reply
}

/// Counts the file among the uploader's bytes, until the room has removed it. The room knows the upload already, so it
/// also releases one whose request is lost. Without an answer the upload is refused: its count may still be made, and the
/// removal of a refused upload comes later than that (`UPLOAD_SETTLES_MS`).
async fn count<P: Ports>(cx: &RoomContext<'_, P>, upload: &str, size: u64) -> Result<(), Refusal> {
    let owner = (&cx.caller.tenant, &cx.caller.user, &cx.room);
    let bytes_max = cx.ports.limits().file_bytes_per_person;
    let counted = db::count_file(cx.ports.fail_fast_db(), owner, (upload, size), bytes_max).await;
    counted.map_err(|error| refuse_quota(error, cx.ports.now()))
}

/// The file's size, which the bucket and the limit need before the first byte.
fn content_length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let refusal = || Refusal::bad_field("Content-Length", "the file's size");
    let size = header(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
    size.filter(|size| *size <= INTEGER_MAX).ok_or_else(refusal)
}

/// Streams the body into the bucket, and reads the file's hash, type and size on the way.
async fn store<P: Ports, B: Body>(
    ports: &P,
    bucket: &P::Bucket,
    key: &str,
    size: u64,
    request: Request<B>,
) -> Result<Attachment, Refusal> {
    let Request { headers, mut body, .. } = request;
    let deadline = ports.now().saturating_add(UPLOAD_MAX_MS);
    let mut put = bucket.put(key, size).await?;
    let (mut hash, mut head, mut piece, mut received) = (Sha256::new(), Vec::new(), Vec::new(), 0u64);
    let wrong_length = || Refusal::new(Code::BadRequest, "the body isn't as long as Content-Length says");
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        received = received.saturating_add(bytes.len() as u64);
        if received > size {
            return Err(wrong_length());
        }
        if ports.now() > deadline {
            return Err(Refusal::new(Code::BadRequest, "the upload took too long"));
        }
        hash.update(&bytes);
        let missing = FILE_HEAD_BYTES.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        piece.extend_from_slice(&bytes);
        if piece.len() >= FILE_PIECE_BYTES {
            put.write(&piece).await?;
            piece.clear();
        }
    }
    if received < size {
        return Err(wrong_length());
    }
    if !piece.is_empty() {
        put.write(&piece).await?;
    }
    put.finish().await?;
    let mime_type = file::sniff(&head, header(&headers, "content-type").unwrap_or_default());
    let sides = file::dimensions(&head, &mime_type);
    Ok(Attachment {
        id: None,
        url: String::new(),
        name: file::safe_name(header(&headers, "x-file-name").unwrap_or_default()),
        mime_type,
        size,
        sha256: Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
        width: sides.map(|(width, _)| width),
        height: sides.map(|(_, height)| height),
    })
}

/// `GET /rooms/:id/attachments/:attachment/url`: a URL that downloads the file without a token, for a while.
pub async fn sign_download<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let id = cx.params.get("attachment").to_owned();
    let upload = split_id(&id).filter(|(room, _)| *room == cx.room).map(|(_, upload)| upload.to_owned());
    let upload = upload.ok_or_else(no_such_attachment)?;
    let membership = cx.membership().await?;
    let file = match ask_file(&cx, membership, upload).await? {
        Ok(file) => file,
        Err(refused) => return Ok(refused),
    };
    let expires_ms = cx.ports.now().saturating_add(DOWNLOAD_URL_MS);
    let grant = cx.ports.config().sign_download(&cx.caller, &id, expires_ms)?;
    // The grant is base64 and a dot: nothing in it needs an escape.
    Ok(Reply::ok(json!({"url": format!("{}?grant={grant}", file.url), "expiresAt": iso(expires_ms)})))
}

/// `GET` and `HEAD /attachments/:id`, with a token or with a grant of `sign_download`. A file that the caller may not
/// have, one that was removed and one that never existed get the same answer.
pub async fn download<P: Ports, B>(
    cx: Unauthenticated<'_, '_, P>,
    request: &Request<B>,
) -> Result<Reply, Refusal> {
    let grant = cx.query.text("grant").map(str::to_owned);
    let is_granted = grant.is_some();
    let cx = match grant {
        Some(grant) => {
            let config = cx.ports.config();
            let caller = config.verify_download(cx.params.get("attachment"), &grant, cx.ports.now())?;
            count_at_edge(cx.ports, &caller, cx.route).await?;
            cx.with_caller(caller)
        }
        None => cx.require_caller().await?,
    };
    cx.ports.bucket()?;
    let (room, upload) = split_id(cx.params.get("attachment")).ok_or_else(no_such_attachment)?;
    let upload = upload.to_owned();
    let key = format!("{}{upload}", file_prefix(&cx.caller.tenant, &room));
    let cx = cx.with_room(room);
    // Postgres confirmed the membership when the URL was made; since then the room knows of every change. A video is
    // fetched in many ranges, and none of them asks Postgres.
    let membership = if is_granted { Ok(None) } else { cx.membership().await };
    let membership = membership.map_err(|refusal| match refusal.code {
        Code::RoomNotFound => no_such_attachment(),
        _ => refusal,
    })?;
    let file = match ask_file(&cx, membership, upload).await? {
        Ok(file) => file,
        Err(refused) => return Ok(refused),
    };
    let mut reply = file_reply(&file, key, &request.headers);
    if is_granted {
        // Whoever has the URL may show it, in a page of another site too. No page that it links to learns the URL.
        for (name, value) in &mut reply.headers {
            if *name == "cross-origin-resource-policy" {
                *value = "cross-origin".to_owned();
            }
        }
        reply.headers.push(("referrer-policy", "no-referrer".to_owned()));
    }
    if request.method == Method::HEAD {
        reply.from = None;
    }
    Ok(Reply::File(Box::new(reply)))
}

fn no_such_attachment() -> Refusal {
    Refusal::new(Code::AttachmentNotFound, "there is no such attachment")
}

/// Asks the room for a file that the caller may have.
///
/// # Gives   `Err`: the room's refusal, to be passed on.
/// # Errors  `attachment_not_found`.
async fn ask_file<P: Ports>(
    cx: &RoomContext<'_, P>,
    membership: Option<Membership>,
    upload: String,
) -> Result<Result<Attachment, Reply>, Refusal> {
    match cx.send(membership, RoomOp::Call(RoomCall::File { upload })).await {
        Ok(Reply::Json { status: 200, body, .. }) => {
            serde_json::from_str(&body).map(Ok).map_err(|_| Refusal::fault())
        }
        Ok(Reply::Json { status: 404, .. }) => Err(no_such_attachment()),
        Err(refusal) if refusal.code == Code::RoomNotFound => Err(no_such_attachment()),
        Ok(other) => Ok(Err(other)),
        Err(refusal) => Err(refusal),
    }
}

/// The whole file, a part of it, or neither (RFC 9110, sections 13 and 14).
fn file_reply(file: &Attachment, key: String, request_headers: &HeaderMap) -> FileReply {
    let etag = format!("\"{}\"", file.sha256.as_deref().unwrap_or_default());
    let mut headers = vec![
        ("etag", etag.clone()),
        // A file never changes, but the caller's permission can: each use is checked again.
        ("cache-control", "private, no-cache".to_owned()),
        ("content-security-policy", "sandbox; default-src 'none'".to_owned()),
        ("cross-origin-resource-policy", "same-site".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
    ];
    if header(request_headers, IF_NONE_MATCH.as_str()).is_some_and(|tags| matches_etag(tags, &etag)) {
        return FileReply { status: 304, headers, from: None };
    }
    let range = header(request_headers, RANGE.as_str()).filter(|_| allows_range(request_headers, &etag));
    let part = range.map_or(Part::Whole, |range| part_of(range, file.size));
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
    FileReply { status, headers, from: (count > 0).then_some((key, first, count)) }
}

/// `If-None-Match` is a list of tags; weak ones match as well.
fn matches_etag(list: &str, etag: &str) -> bool {
    let mut tags = list.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag == etag)
}

/// With `If-Range`, a part is sent only of the file that the client knows.
fn allows_range(headers: &HeaderMap, etag: &str) -> bool {
    header(headers, IF_RANGE.as_str()).is_none_or(|known| known.trim() == etag)
}

#[derive(Debug, PartialEq)]
enum Part {
    Whole,
    Some { first: u64, count: u64 },
    Nothing,
}

/// The part of a file of `size` bytes that `Range` asks for. An invalid range, and several ranges at once, get the
/// whole file (RFC 9110, section 14.2).
fn part_of(range: &str, size: u64) -> Part {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    // A number past 2^64 is past the end of any file.
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
    fn a_range_is_a_part_of_the_file_or_nothing_or_ignored() {
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
