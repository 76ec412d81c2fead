//! An uploaded file: a safe name, its type and dimensions from its first bytes, and the headers that decide whether a
//! browser may show it. What the uploader declares is not trusted.
//! Not here: routes (`api`), and storage (`shell`, R2).

use crate::limits::ATTACHMENT_TEXT_CHARS_MAX;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The name of a file that was uploaded without one.
const UNNAMED: &str = "file";
/// A longer extension is treated as part of the name.
const EXTENSION_CHARS_MAX: usize = 16;
/// The characters that RFC 8187 allows in `filename*`.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A name that can be shown and saved: the last segment of a path, without control and invisible characters.
///
/// # Takes  the header `X-File-Name`: UTF-8, percent-encoded.
pub fn safe_name(header: &str) -> String {
    let decoded = percent_decode_str(header).decode_utf8_lossy();
    let last = decoded.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
    let name = kept.trim().trim_matches('.').trim();
    if name.is_empty() { UNNAMED.to_owned() } else { shorten(name) }
}

/// Characters that reverse the direction of text (`gpj.exe` would read `exe.jpg`), have no width, or end a line.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// At most `ATTACHMENT_TEXT_CHARS_MAX` code points, and still with its extension.
fn shorten(name: &str) -> String {
    if name.chars().count() <= ATTACHMENT_TEXT_CHARS_MAX {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension_chars = extension.chars().count();
    if extension.is_empty() || extension_chars > EXTENSION_CHARS_MAX {
        return name.chars().take(ATTACHMENT_TEXT_CHARS_MAX).collect();
    }
    let stem = name.chars().take(ATTACHMENT_TEXT_CHARS_MAX.saturating_sub(extension_chars).saturating_sub(1));
    format!("{}.{extension}", stem.collect::<String>())
}

/// The MIME type of a file from its first bytes. An unknown type is `text/plain` or `application/octet-stream`.
///
/// # Takes  `declared`: the header `Content-Type`. It only decides whether a WebM or MP4 container is audio or video.
pub fn sniff(first: &[u8], declared: &str) -> String {
    let found = infer::get(first).map(|kind| kind.mime_type());
    if is_svg(first) {
        return "image/svg+xml".to_owned();
    }
    let declared = declared.split(';').next().unwrap_or_default().trim();
    match found {
        Some("video/webm") if declared.eq_ignore_ascii_case("audio/webm") => "audio/webm".to_owned(),
        Some("video/mp4") if declared.eq_ignore_ascii_case("audio/mp4") => "audio/mp4".to_owned(),
        Some(found) => found.to_owned(),
        None if is_text(first) => "text/plain".to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

/// SVG can contain scripts. It may begin with an XML declaration and comments.
fn is_svg(first: &[u8]) -> bool {
    let head = String::from_utf8_lossy(first.get(..1024).unwrap_or(first)).to_ascii_lowercase();
    let head = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    head.starts_with('<') && head.contains("<svg")
}

fn is_text(first: &[u8]) -> bool {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        // The bytes end within a character.
        Err(error) if error.error_len().is_none() => {
            let whole = first.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let written = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    !text.is_empty() && text.chars().all(written)
}

/// Width and height of a PNG, GIF, WebP or JPEG, if its first bytes contain them.
pub fn dimensions(first: &[u8], mime_type: &str) -> Option<(u32, u32)> {
    if !matches!(mime_type, "image/png" | "image/gif" | "image/webp" | "image/jpeg") {
        return None;
    }
    let size = imagesize::blob_size(first).ok()?;
    let side = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
    Some((side(size.width)?, side(size.height)?))
}

/// Whether a browser may show the file inline: pictures, audio and video that can contain no script.
fn is_shown_inline(mime_type: &str) -> bool {
    matches!(
        mime_type,
        "image/png"
            | "image/jpeg"
            | "image/gif"
            | "image/webp"
            | "image/avif"
            | "audio/mpeg"
            | "audio/ogg"
            | "audio/opus"
            | "audio/webm"
            | "audio/mp4"
            | "audio/m4a"
            | "audio/aac"
            | "audio/x-wav"
            | "audio/x-flac"
            | "video/mp4"
            | "video/webm"
            | "video/x-m4v"
            | "video/quicktime"
    )
}

/// The header `Content-Disposition`, with the name in ASCII for old clients and in full (RFC 6266).
pub fn disposition(name: &str, mime_type: &str) -> String {
    let how = if is_shown_inline(mime_type) { "inline" } else { "attachment" };
    let plain =
        |c: char| if c.is_ascii() && !c.is_ascii_control() && !r#""\%"#.contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED))
}

/// The header `Content-Type` of a download.
pub fn content_type(mime_type: &str) -> String {
    if mime_type == "text/plain" { "text/plain; charset=utf-8".to_owned() } else { mime_type.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_names_are_replaced() {
        for (header, name) in [
            ("cat.png", "cat.png"),
            ("..%2F..%2Fx", "x"),
            ("..%5C..%5Cboot.ini", "boot.ini"),
            ("a%0Ab%00c.txt", "abc.txt"),
            ("%E2%80%AEgpj.exe", "gpj.exe"),
            ("%E2%81%A6a%E2%81%A9.txt", "a.txt"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            (".htaccess", "htaccess"),
            ("%22q%22.txt", "\"q\".txt"),
            ("%FF.bin", "\u{fffd}.bin"),
            ("%C3%A4%F0%9F%98%80.jpg", "ä😀.jpg"),
        ] {
            assert_eq!(safe_name(header), name, "{header}");
        }
        let long = safe_name(&format!("{}.tar", "ä".repeat(400)));
        assert_eq!((long.chars().count(), long.ends_with("ä.tar")), (255, true));
        assert_eq!(safe_name(&"x".repeat(400)).chars().count(), 255);
    }

    #[test]
    fn the_type_comes_from_the_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x03\x08\x06\0\0\0";
        for (bytes, declared, kind) in [
            (&png[..], "text/html", "image/png"),
            (b"<html><script>1</script>", "image/png", "text/html"),
            (b"\n <!DOCTYPE html><p>", "image/png", "text/html"),
            (b"<svg onload=alert(1)>", "image/png", "image/svg+xml"),
            (b"<?xml version='1.0'?><!-- x --><svg>", "image/png", "image/svg+xml"),
            (b"%PDF-1.7 ...", "image/png", "application/pdf"),
            (b"just words \xc3", "application/pdf", "text/plain"),
            (b"a\0b", "text/plain", "application/octet-stream"),
            (b"\xff\xfe\xfd", "image/png", "application/octet-stream"),
            (b"", "image/png", "application/octet-stream"),
        ] {
            assert_eq!(sniff(bytes, declared), kind, "{bytes:?}");
        }
        let mut webm = b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm".to_vec();
        webm.extend([0; 300]);
        assert_eq!(sniff(&webm, "audio/webm;codecs=opus"), "audio/webm");
        assert_eq!(sniff(&webm, "text/html"), "video/webm");
        assert_eq!(dimensions(png, "image/png"), Some((258, 3)));
        assert_eq!(dimensions(png, "text/html"), None);
    }

    #[test]
    fn dimensions_are_read_from_the_first_bytes() {
        let gif = b"GIF89a\x02\x01\x03\x00\x80\x00\x00";
        assert_eq!(dimensions(gif, "image/gif"), Some((258, 3)));
        let mut jpeg = b"\xff\xd8\xff\xe1\xff\xff".to_vec();
        jpeg.extend(vec![0; 0xfffd]);
        jpeg.extend(b"\xff\xc2\x00\x11\x08\x00\x03\x01\x02\x03");
        assert_eq!(dimensions(&jpeg, "image/jpeg"), Some((258, 3)), "behind 64 KiB of metadata");
        assert_eq!(dimensions(&jpeg[..1000], "image/jpeg"), None, "past the inspected bytes");
        let webp = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x01\x01\0\x02\0\0";
        assert_eq!(dimensions(webp, "image/webp"), Some((258, 3)));
    }

    #[test]
    fn only_types_without_scripts_are_shown_inline() {
        assert!(disposition("a.png", "image/png").starts_with("inline; "));
        for active in
            ["text/html", "image/svg+xml", "text/xml", "application/pdf", "text/plain", "image/x-new"]
        {
            assert!(disposition("a", active).starts_with("attachment; "), "{active}");
        }
        assert_eq!(
            disposition("ä \"q\"%\\;\r.txt", "text/plain"),
            r#"attachment; filename="_ _q___;_.txt"; filename*=UTF-8''%C3%A4%20%22q%22%25%5C%3B%0D.txt"#
        );
    }
}
