//! A WebSocket client with as little work as possible (no validation, few copies), so that the load is never slower
//! than the server. It trusts its server; use it for the bench alone.

use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// A room that opens from Postgres takes milliseconds; the rest is for a machine that compiles at the same time.
const UPGRADE_MAX: Duration = Duration::from_secs(20);
/// Frames must be masked, but with what is up to the client.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub struct Socket {
    pub stream: mio::net::TcpStream,
    /// The beginning of a frame whose end has not come yet.
    waiting: Vec<u8>,
}

impl Socket {
    /// Upgrades, and waits for the answer.
    pub fn connect(port: u16, path: &str, protocols: Option<&str>) -> Result<Self> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(UPGRADE_MAX))?;
        let protocols =
            protocols.map(|list| format!("Sec-WebSocket-Protocol: {list}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{protocols}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        let end = loop {
            let count = stream.read(&mut part).context("the upgrade's answer")?;
            ensure!(
                count > 0,
                "the server closed instead of upgrading: {}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend_from_slice(&part[..count]);
            if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        ensure!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
        stream.set_nonblocking(true)?;
        Ok(Self { stream: mio::net::TcpStream::from_std(stream), waiting: answer.split_off(end) })
    }

    /// Reads all there is and calls `each` with each whole text frame. `scratch` is anybody's and holds nothing.
    pub fn read(&mut self, scratch: &mut [u8], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => bail!("the server closed a socket"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if self.waiting.is_empty() {
                let used = frames(&scratch[..count], &mut each)?;
                self.waiting.extend_from_slice(&scratch[used..count]);
            } else {
                self.waiting.extend_from_slice(&scratch[..count]);
                let used = frames(&self.waiting, &mut each)?;
                self.waiting.drain(..used);
            }
        }
    }

    /// Sends what `frame` made. So little is ever under way that it goes at once.
    pub fn send(&mut self, frames: &[u8]) -> Result<()> {
        let sent = self.stream.write(frames)?;
        ensure!(sent == frames.len(), "the server reads no more");
        Ok(())
    }
}

/// Calls `each` with every whole text frame and says how many bytes those were.
fn frames(bytes: &[u8], each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
    let mut used = 0;
    loop {
        let rest = &bytes[used..];
        let (header, length) = match rest {
            [_, 126, a, b, ..] => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            [_, 127, a, b, c, d, e, f, g, h, ..] => {
                (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            [_, length @ 0..126, ..] => (2, u64::from(*length)),
            [_, length @ 128..=255, ..] => bail!("a masked frame from the server ({length:#x})"),
            _ => return Ok(used),
        };
        let end = header + usize::try_from(length)?;
        let Some(payload) = rest.get(header..end) else { return Ok(used) };
        match rest[0] {
            0x81 => each(payload)?,
            0x88 => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code)).unwrap_or_default();
                bail!(
                    "the server closed a socket: {code} {}",
                    String::from_utf8_lossy(payload.get(2..).unwrap_or_default())
                );
            }
            first => bail!("an unexpected frame ({first:#x})"),
        }
        used += end;
    }
}

/// Appends a client's text frame to `out`.
pub fn frame(out: &mut Vec<u8>, text: &str) {
    out.push(0x81);
    match text.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length => {
            // A bench's message is never near 64 KiB.
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_server(text: &str) -> Vec<u8> {
        let mut out = vec![0x81];
        match text.len() {
            length @ 0..126 => out.push(length as u8),
            length @ 126..65_536 => {
                out.push(126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(text.as_bytes());
        out
    }

    #[test]
    fn reads_frames_of_every_length_wherever_they_are_cut() {
        let texts = ["short".to_owned(), "m".repeat(300), "l".repeat(70_000), String::new()];
        let bytes: Vec<u8> = texts.iter().flat_map(|text| from_server(text)).collect();
        for cut in [0, 1, 6, 7, 8, 9, 10, 400, bytes.len() - 1, bytes.len()] {
            let mut received = Vec::new();
            let mut each = |text: &[u8]| {
                received.push(text.to_vec());
                Ok(())
            };
            let used = frames(&bytes[..cut], &mut each).unwrap();
            assert_eq!(frames(&bytes[used..], &mut each).unwrap() + used, bytes.len());
            let texts_read: Vec<_> = received.iter().map(|text| String::from_utf8_lossy(text)).collect();
            assert_eq!(texts_read, texts, "cut at {cut}");
        }
    }

    #[test]
    fn a_close_is_an_error_that_names_its_code() {
        let close = [&[0x88, 6][..], &4420u16.to_be_bytes(), b"slow"].concat();
        let error = frames(&close, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("4420 slow"), "{error}");
    }

    #[test]
    fn masks_what_it_sends() {
        for text in ["hi".to_owned(), "x".repeat(200)] {
            let mut out = Vec::new();
            frame(&mut out, &text);
            let header = if text.len() < 126 { 2 } else { 4 };
            assert_eq!(out[1] & 0x80, 0x80);
            let unmasked = out[header + 4..].iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            assert_eq!(unmasked.collect::<Vec<_>>(), text.as_bytes());
        }
    }
}
