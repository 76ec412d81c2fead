//! Files on the live stack: uploaded to the bucket, sent in a message, downloaded by those who may, and deleted.
//! Not here: the room's rules for files (`tests/native/room/files.rs`).

use crate::rig::client::{encoded, text};
use crate::rig::{Answer, Tenant};
use serde_json::{Value, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x03\x08\x06\0\0\0";

impl Tenant {
    pub async fn uploads(&self, room: &str, user: &str, name: &str, kind: &str, body: &[u8]) -> Answer {
        let authorization = format!("Bearer {}", self.token(user));
        let headers =
            [("Authorization", authorization.as_str()), ("X-File-Name", name), ("Content-Type", kind)];
        self.raw("POST", &format!("/rooms/{}/attachments", encoded(room)), &headers, Some(body)).await
    }

    async fn upload(&self, room: &str, user: &str, name: &str, body: &[u8]) -> Value {
        self.uploads(room, user, name, "application/octet-stream", body).await.ok()["attachment"].clone()
    }

    async fn download(&self, user: &str, file: &Value, more: &[(&str, &str)]) -> Answer {
        let authorization = format!("Bearer {}", self.token(user));
        let mut headers = vec![("Authorization", authorization.as_str())];
        headers.extend(more);
        let url = text(&file["url"]);
        self.raw("GET", url.strip_prefix("/api/chat").expect("a path"), &headers, None).await
    }
}

#[tokio::test]
async fn a_file_goes_up_into_a_message_and_down_again() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let file = t.uploads(&room, "alice", "c%C3%A4t.png", "text/html", PNG).await.ok()["attachment"].clone();
    assert_eq!(
        (&file["name"], &file["mimeType"], &file["size"], &file["width"], &file["height"]),
        (&json!("cät.png"), &json!("image/png"), &json!(PNG.len()), &json!(258), &json!(3)),
        "{file}"
    );
    t.download("bob", &file, &[]).await.refusal(404, "attachment_not_found");
    assert_eq!(
        t.download("alice", &file, &[]).await.bytes,
        PNG,
        "its uploader may have it before it is sent"
    );

    alice.send(json!({"type": "message", "clientId": "c1", "attachments": [{"id": file["id"]}]})).await;
    let heard = bob.next("new_message").await;
    assert_eq!(heard["message"]["attachments"], json!([file]));
    let got = t.download("bob", &file, &[]).await;
    assert_eq!((got.status, got.bytes.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", r#"inline; filename="c_t.png"; filename*=UTF-8''c%C3%A4t.png"#),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("cache-control", "private, no-cache"),
        ("content-length", "29"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}: {got:?}");
    }
}

/// The headers that describe a downloaded file.
fn headers_of(answer: &Answer) -> (Option<&str>, bool) {
    let attached = answer.header("content-disposition").is_some_and(|d| d.starts_with("attachment; "));
    (answer.header("content-type"), attached)
}

#[tokio::test]
async fn parts_of_a_file_and_what_is_known_already() {
    let t = Tenant::shared();
    let room = t.group(&["alice"]).await;
    let file = t.upload(&room, "alice", "digits", b"0123456789").await;
    let get = async |headers: &[(&str, &str)]| t.download("alice", &file, headers).await;
    let whole = get(&[]).await;
    let etag = whole.header("etag").expect("an etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", text(&file["sha256"])));
    assert_eq!(text(&file["sha256"]), "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
    for (range, body, range_header) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-999", "56789", "bytes 5-9/10"),
    ] {
        let part = get(&[("Range", range)]).await;
        assert_eq!((part.status, part.body.as_str()), (206, body), "{range}");
        assert_eq!(part.header("content-range"), Some(range_header));
        assert_eq!(part.header("content-length"), Some(&*body.len().to_string()), "{range}");
        assert_eq!(headers_of(&part), (Some("text/plain; charset=utf-8"), true));
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let none = get(&[("Range", range)]).await;
        assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */10")), "{none:?}");
        assert_eq!(none.body, "");
    }
    for range in ["bytes=4-2", "bytes=0-1,3-4", "bytes=x-", "lines=1-2"] {
        let whole = get(&[("Range", range)]).await;
        assert_eq!((whole.status, whole.body.as_str()), (200, "0123456789"), "{range}");
    }
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".into()] {
        let same = get(&[("If-None-Match", &known)]).await;
        assert_eq!(
            (same.status, same.body.as_str(), same.header("etag")),
            (304, "", Some(&*etag)),
            "{known}"
        );
    }
    assert_eq!(get(&[("If-None-Match", "\"x\"")]).await.status, 200);
    assert_eq!(get(&[("If-Range", "\"x\""), ("Range", "bytes=2-4")]).await.body, "0123456789");
    assert_eq!(get(&[("If-Range", &etag), ("Range", "bytes=2-4")]).await.body, "234");

    let bearer = format!("Bearer {}", t.token("alice"));
    let path = text(&file["url"]);
    let path = path.strip_prefix("/api/chat").expect("a path");
    let head = t.raw("HEAD", path, &[("Authorization", &bearer)], None).await;
    assert_eq!(
        (head.status, head.header("content-length"), head.header("etag")),
        (200, Some("10"), Some(&*etag))
    );
}

#[tokio::test]
async fn a_file_is_what_its_bytes_say_and_only_harmless_ones_are_shown() {
    let t = Tenant::shared();
    let room = t.group(&["alice"]).await;
    let html: &[u8] = b"<!DOCTYPE html><script>alert(1)</script>";
    let svg: &[u8] = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for (name, declared, body, kind, attached) in [
        ("a.png", "image/png", html, "text/html", true),
        ("a.png", "image/png", svg, "image/svg+xml", true),
        ("a.html", "text/html", PNG, "image/png", false),
        ("a.svg", "image/svg+xml", PNG, "image/png", false),
        ("a.js", "image/png", b"alert(1)", "text/plain; charset=utf-8", true),
        ("a.png", "image/png", b"%PDF-1.7", "application/pdf", true),
        ("a.png", "image/png", b"\0\x01\x02", "application/octet-stream", true),
        ("a.png", "image/png", b"", "application/octet-stream", true),
    ] {
        let file = t.uploads(&room, "alice", name, declared, body).await.ok()["attachment"].clone();
        let got = t.download("alice", &file, &[]).await;
        assert_eq!((got.status, got.bytes.as_slice()), (200, body), "{name} {kind}");
        assert_eq!(headers_of(&got), (Some(kind), attached), "{name} {declared}");
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(got.header("content-security-policy"), Some("sandbox; default-src 'none'"));
    }
}

#[tokio::test]
async fn names_are_harmless() {
    let t = Tenant::shared();
    let room = t.group(&["alice"]).await;
    for (sent, name, disposition) in [
        ("..%2F..%2Fx", "x", r#"attachment; filename="x"; filename*=UTF-8''x"#),
        ("C:%5Cdir%5Cboot.ini", "boot.ini", r#"attachment; filename="boot.ini"; filename*=UTF-8''boot.ini"#),
        ("a%0D%0Ab.txt", "ab.txt", r#"attachment; filename="ab.txt"; filename*=UTF-8''ab.txt"#),
        ("x%E2%80%AEgnp.exe", "xgnp.exe", r#"attachment; filename="xgnp.exe"; filename*=UTF-8''xgnp.exe"#),
        (
            "%22;%20filename=evil.html",
            "\"; filename=evil.html",
            r#"attachment; filename="_; filename=evil.html"; filename*=UTF-8''%22%3B%20filename%3Devil.html"#,
        ),
        ("%E2%82%AC.txt", "€.txt", r#"attachment; filename="_.txt"; filename*=UTF-8''%E2%82%AC.txt"#),
        ("..", "file", r#"attachment; filename="file"; filename*=UTF-8''file"#),
    ] {
        let file = t.upload(&room, "alice", sent, b"x").await;
        assert_eq!(file["name"], name, "{sent}");
        let got = t.download("alice", &file, &[]).await;
        assert_eq!(got.header("content-disposition"), Some(disposition), "{sent}");
    }
}

#[tokio::test]
async fn a_file_is_for_those_who_see_its_message() {
    let t = Tenant::shared();
    let other = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    other.group(&["alice", "bob"]).await;
    let file = t.upload(&room, "alice", "a.txt", b"ours").await;
    let range_header = json!({"attachments": [{"id": file["id"]}], "clientId": "c1"});
    for (who, field) in [("bob", "attachments"), ("alice", "")] {
        let answer =
            t.rest(who, "POST", &format!("/rooms/{room}/messages"), Some(range_header.clone())).await;
        match field {
            "" => assert_eq!(answer.ok()["message"]["attachments"], json!([file])),
            field => assert_eq!(answer.refusal(422, "invalid")["field"], field),
        }
    }
    assert_eq!(t.download("bob", &file, &[]).await.body, "ours");
    t.download("mallory", &file, &[]).await.refusal(404, "attachment_not_found");
    other.download("alice", &file, &[]).await.refusal(404, "attachment_not_found");
    t.uploads(&room, "mallory", "a", "a/b", b"x").await.refusal(404, "room_not_found");
    t.uploads("no-such-room", "alice", "a", "a/b", b"x").await.refusal(404, "room_not_found");
    t.raw("GET", "/attachments/x.y", &[], None).await.refusal(401, "unauthenticated");
    for id in ["x", "x.y", "...", "%00.x", &format!("{room}."), &format!("{room}.0123")] {
        let unknown = json!({"url": format!("/api/chat/attachments/{id}")});
        t.download("alice", &unknown, &[]).await.refusal(404, "attachment_not_found");
    }
    let sql = t.stack.sql().await;
    let removed = "DELETE FROM chat_room_members WHERE tenant_id = $1 AND room_id = $2 AND user_id = 'bob'";
    assert_eq!(sql.execute(removed, &[&t.id, &room]).await.expect("removed"), 1);
    t.download("bob", &file, &[]).await.refusal(404, "attachment_not_found");
    assert_eq!(t.download("alice", &file, &[]).await.body, "ours");
}

#[tokio::test]
async fn a_signed_url_downloads_ranges_without_a_token_until_the_message_is_deleted() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let file = t.upload(&room, "alice", "digits", b"0123456789").await;
    let sign = async |user: &str| {
        let path = format!("/rooms/{}/attachments/{}/url", encoded(&room), text(&file["id"]));
        t.rest(user, "GET", &path, None).await
    };
    sign("bob").await.refusal(404, "attachment_not_found");
    let body = json!({"attachments": [{"id": file["id"]}]});
    let sent = t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
    let signed = sign("bob").await.ok();
    let url = text(&signed["url"]);
    let url = url.strip_prefix("/api/chat").expect("a path");
    let get = async |method: &str, headers: &[(&str, &str)]| t.raw(method, url, headers, None).await;
    let whole = get("GET", &[]).await;
    assert_eq!((whole.status, whole.bytes.as_slice()), (200, b"0123456789".as_slice()));
    assert_eq!(whole.header("cross-origin-resource-policy"), Some("cross-origin"));
    let etag = whole.header("etag").expect("an etag").to_owned();
    let part = get("GET", &[("Range", "bytes=2-4")]).await;
    assert_eq!(
        (part.status, part.body.as_str(), part.header("content-range")),
        (206, "234", Some("bytes 2-4/10"))
    );
    assert_eq!(get("GET", &[("Range", "bytes=10-")]).await.status, 416);
    assert_eq!(get("GET", &[("Range", "bytes=2-4"), ("If-Range", &etag)]).await.body, "234");
    assert_eq!(get("GET", &[("Range", "bytes=2-4"), ("If-Range", "\"x\"")]).await.body, "0123456789");
    assert_eq!(get("HEAD", &[]).await.header("content-length"), Some("10"));
    let forged = url.replace("grant=", "grant=A");
    t.raw("GET", &forged, &[], None).await.refusal(401, "unauthenticated");
    let path = format!("/rooms/{room}/messages/{}", text(&sent["message"]["id"]));
    t.rest("alice", "DELETE", &path, None).await.ok();
    get("GET", &[]).await.refusal(404, "attachment_not_found");
}
