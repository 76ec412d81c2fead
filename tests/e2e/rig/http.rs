//! A minimal HTTP/1.1 client that can also send what others refuse to send: odd methods, upgrades that are to be
//! refused, bodies that nobody reads. One connection per request.

use serde_json::Value;
use testkit::schema;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body of a request that was to succeed.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "no X-Request-Id: {self:?}");
        self.json()
    }

    /// Asserts the contract's error envelope with this status and code, and gives the error.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "expected {code}: {self:?}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "no X-Request-Id: {self:?}");
        let body = self.json();
        assert_eq!(body.as_object().map(|o| o.len()), Some(1), "the error alone: {self:?}");
        let error = body["error"].clone();
        assert_eq!(error["code"], code, "{self:?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        assert!(error["retryable"].is_boolean(), "{self:?}");
        error
    }
}

/// Sends one request to `host` (`127.0.0.1:8787`) and reads its answer, which must be one that openapi.json tells of;
/// `Err` when the connection broke before that.
pub async fn request(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> std::io::Result<Answer> {
    let answer = exchange(host, method, path, headers, body).await?;
    // What a proxy says of a Worker that is gone bears no id; what the tests themselves put in isn't in the contract.
    if answer.header("x-request-id").is_some() && !OUTSIDE.iter().any(|prefix| path.starts_with(prefix)) {
        let kind = answer.header("content-type").unwrap_or_default();
        if method == "HEAD" {
            assert!(answer.body.is_empty(), "a body after HEAD: {answer:?}");
        } else {
            let checked = schema().check_answer((method, path), answer.status, kind, &answer.body);
            checked.unwrap_or_else(|wrong| panic!("{wrong}"));
        }
    }
    Ok(answer)
}

const OUTSIDE: [&str; 2] = ["/api/chat/dev/", "/api/chat/test/"];

async fn exchange(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(host).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        head.push_str("Connection: close\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    // Whoever refuses a body before reading it may close its half; the answer counts.
    let _ = stream.write_all(body.unwrap_or_default()).await;
    let mut received = Vec::new();
    loop {
        let count = stream.read_buf(&mut received).await?;
        if let Some(answer) = parse(&received, method == "HEAD", count == 0) {
            return Ok(answer);
        }
        if count == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no whole answer"));
        }
    }
}

fn parse(received: &[u8], bare: bool, ended: bool) -> Option<Answer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]);
    let rest = &received[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: String::new(), bytes: Vec::new() };
    let body = if bare || [101, 204, 304].contains(&status) {
        Vec::new()
    } else if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        unchunked(rest)?
    } else if let Some(length) = answer.header("content-length").and_then(|text| text.parse().ok()) {
        rest.get(..length)?.to_vec()
    } else {
        ended.then(|| rest.to_vec())?
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    answer.bytes = body;
    Some(answer)
}

/// `None` until the last chunk is there.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        rest = rest.get(line + 4 + size..)?;
    }
}
