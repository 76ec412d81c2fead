//! Large files on the live stack: what they cost in memory, and bodies that are too long, too short or incomplete.
//! Not here: which files are accepted and who may download them (`files`).

use crate::rig::client::{encoded, text};
use crate::rig::stack::fragile;
use crate::rig::{PATIENCE, Stack, Tenant, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LARGE: u64 = 100 << 20;
const PIECE: usize = 64 << 10;
/// WASM memory never shrinks, so what it grew by is its peak.
const WASM_GROWTH_MAX: u64 = 8 << 20;
/// Of the whole process, in which other rooms, JavaScript's garbage and the local R2 live too: a third of the file.
const RUNTIME_GROWTH_MAX: u64 = 33 << 20;

/// Bytes that no compression makes less of.
fn piece(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(word).take(PIECE / 8).flatten().collect()
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An upload by hand.
async fn begin(t: &Tenant, room: &str, user: &str, size: u64) -> TcpStream {
    begin_with(t, room, user, &format!("Content-Length: {size}")).await
}

async fn begin_with(t: &Tenant, room: &str, user: &str, length: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&t.stack.host).await.expect("connected");
    let head = format!(
        "POST /api/chat/rooms/{}/attachments HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nX-File-Name: large.bin\r\n\
         {length}\r\nConnection: close\r\n\r\n",
        encoded(room),
        t.stack.host,
        t.token(user)
    );
    stream.write_all(head.as_bytes()).await.expect("a head");
    stream
}

/// Status, and the body as JSON.
async fn answer(mut stream: TcpStream) -> (u16, Value) {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let all = String::from_utf8_lossy(&all).into_owned();
    let status = all.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = all.find('{').and_then(|at| serde_json::from_str(all[at..=all.rfind('}')?].trim()).ok());
    (status, body.unwrap_or_default())
}

async fn wasm_bytes(t: &Tenant, room: &str) -> u64 {
    let mut client = t.join(room, "alice").await;
    client.send_text(r#"{"type":"test_instance"}"#).await;
    client.next("test_instance").await["wasmBytes"].as_u64().expect("bytes")
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// The most that the runtime held while `work` ran, beyond what it held before.
pub async fn growth(stack: &Stack, work: impl Future<Output = ()>) -> u64 {
    let pid = stack.runtime().expect("a runtime");
    let before = resident(pid);
    let (most, over) = (Arc::new(AtomicU64::new(before)), Arc::new(AtomicBool::new(false)));
    let (seen, ended) = (most.clone(), over.clone());
    let looking = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            seen.fetch_max(resident(pid), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    work.await;
    over.store(true, Ordering::Relaxed);
    looking.join().expect("looked");
    most.load(Ordering::Relaxed) - before
}

async fn upload(t: &Tenant, room: &str, size: u64) -> (Value, String) {
    let mut stream = begin(t, room, "alice", size).await;
    let mut hash = Sha256::new();
    for number in 0..size / PIECE as u64 {
        let piece = piece(number);
        hash.update(&piece);
        stream.write_all(&piece).await.expect("taken");
    }
    let (status, body) = answer(stream).await;
    assert_eq!(status, 200, "{body}");
    (body["attachment"].clone(), hex(hash))
}

async fn download(t: &Tenant, file: &Value) -> (u64, String) {
    let mut stream = TcpStream::connect(&t.stack.host).await.expect("connected");
    let (url, token) = (text(&file["url"]), t.token("alice"));
    let head = format!(
        "GET {url} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        t.stack.host
    );
    stream.write_all(head.as_bytes()).await.expect("asked");
    let (mut hash, mut count, mut buffer) = (Sha256::new(), 0, vec![0; PIECE]);
    let mut head = Vec::new();
    let mut body = false;
    loop {
        let got = stream.read(&mut buffer).await.expect("read");
        if got == 0 {
            return (count, hex(hash));
        }
        let mut bytes = &buffer[..got];
        if !body {
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            assert!(
                String::from_utf8_lossy(&head)
                    .to_lowercase()
                    .contains(&format!("content-length: {}", file["size"]))
            );
            let before = head.len() - got;
            bytes = &buffer[end + 4 - before..got];
            body = true;
        }
        count += bytes.len() as u64;
        hash.update(bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_up_and_down_stay_out_of_memory() {
    let stack = fragile().await;
    let t = Tenant::new(stack.as_ref().expect("a stack"));
    let room = t.group(&["alice"]).await;
    // Code is compiled, buffers are made, here and in what plays R2.
    let (first, _) = upload(&t, &room, LARGE).await;
    download(&t, &first).await;
    let before = wasm_bytes(&t, &room).await;
    let mut sent = (Value::Null, String::new());
    let up = growth(&t.stack, async { sent = upload(&t, &room, LARGE).await }).await;
    let (file, hash) = sent;
    assert_eq!((file["size"].as_u64(), text(&file["sha256"])), (Some(LARGE), hash.clone()));
    let after = wasm_bytes(&t, &room).await;
    let mut got = (0, String::new());
    let down = growth(&t.stack, async { got = download(&t, &file).await }).await;
    assert_eq!(got, (LARGE, hash), "as it went up");
    let wasm = wasm_bytes(&t, &room).await - before;
    println!(
        "100 MiB: WASM memory grew by {} KiB going up, {} KiB in all; the runtime, its R2 among it, by {} MiB and {} MiB",
        (after - before) >> 10,
        wasm >> 10,
        up >> 20,
        down >> 20
    );
    assert!(wasm <= WASM_GROWTH_MAX, "WASM memory grew by {wasm} bytes");
    assert!(up.max(down) <= RUNTIME_GROWTH_MAX, "the runtime grew by {up} and {down} bytes");
}

/// The objects that R2 holds on disk.
fn objects(stack: &Stack) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![stack.persist_dir.join("v3/r2")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "sqlite")
                && path.file_stem().is_some_and(|n| n != "metadata")
            {
                let db =
                    rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
                let db = db.expect("R2's database");
                let Ok(mut statement) = db.prepare("SELECT key FROM _mf_objects") else { continue };
                let keys = statement.query_map([], |row| row.get::<_, String>(0)).expect("keys");
                found.extend(keys.map(|key| key.expect("a key")));
            }
        }
    }
    found
}

/// The pieces of objects on disk.
fn blobs_with(stack: &Stack, word: &[u8]) -> usize {
    let (mut folders, mut count) = (vec![stack.persist_dir.join("v3/r2")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(word.len()).any(|window| window == word))
            {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test]
async fn a_body_that_is_too_long_or_breaks_off_leaves_nothing() {
    let t = Tenant::shared();
    let room = t.group(&["alice"]).await;
    let mine = |stack: &Stack| objects(stack).into_iter().filter(|key| key.contains(&room)).count();
    // The proxy of `wrangler dev` hands on no answer before it has taken the body.
    let mut stream = begin(&t, &room, "alice", LARGE + PIECE as u64).await;
    for number in 0..=LARGE / PIECE as u64 {
        if stream.write_all(&piece(number)).await.is_err() {
            break;
        }
    }
    let refused = answer(stream).await;
    assert_eq!((refused.0, &refused.1["error"]["code"]), (413, &json!("too_large")), "{}", refused.1);

    let mut stream = begin(&t, &room, "alice", 1 << 20).await;
    stream.write_all(&piece(1)).await.expect("a part");
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(stream);
    let mut stream = begin_with(&t, &room, "alice", "Transfer-Encoding: chunked").await;
    stream.write_all(b"3\r\nabc\r\n0\r\n\r\n").await.expect("a body");
    let refused = answer(stream).await;
    let error = &refused.1["error"];
    assert_eq!(
        (refused.0, &error["code"], &error["field"]),
        (400, &json!("bad_request"), &json!("Content-Length"))
    );
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(mine(&t.stack), 0, "{:?}", objects(&t.stack));
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_bucket_too() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let word = format!("unheard-of-{}", t.id);
    let bearer = format!("Bearer {}", t.token("alice"));
    let headers = [("Authorization", bearer.as_str()), ("X-File-Name", "a.txt")];
    let path = format!("/rooms/{}/attachments", encoded(&room));
    let file = t.raw("POST", &path, &headers, Some(word.as_bytes())).await.ok()["attachment"].clone();
    let key = text(&file["id"]).rsplit('.').next().expect("an upload").to_owned();
    let body = json!({"attachments": [{"id": file["id"]}], "clientId": "c1"});
    let message =
        t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok()["message"].clone();
    assert!(
        objects(&t.stack).iter().any(|known| known.ends_with(&key)),
        "the object is where it is looked for"
    );
    assert!(blobs_with(&t.stack, word.as_bytes()) > 0);
    let path = format!("/rooms/{room}/messages/{}", text(&message["id"]));
    t.rest("alice", "DELETE", &path, None).await.ok();
    let url = text(&file["url"]);
    let url = url.strip_prefix("/api/chat").expect("a path");
    t.raw("GET", url, &headers[..1], None).await.refusal(404, "attachment_not_found");
    eventually("the object is gone", Duration::from_secs(20), || async {
        let there = objects(&t.stack).iter().any(|known| known.ends_with(&key));
        (!there && blobs_with(&t.stack, word.as_bytes()) == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_messages_race_for_one_upload() {
    let t = Tenant::shared();
    let room = t.group(&["alice"]).await;
    let bearer = format!("Bearer {}", t.token("alice"));
    let path = format!("/rooms/{}/attachments", encoded(&room));
    for round in 0..5 {
        let made = t.raw("POST", &path, &[("Authorization", &bearer)], Some(b"x")).await.ok();
        let id = made["attachment"]["id"].clone();
        let say = |n: usize| {
            let body = json!({"attachments": [{"id": id}], "clientId": format!("c{round}-{n}")});
            let (t, room) = (t.clone(), room.clone());
            async move { t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(body)).await }
        };
        let answers = futures_util::future::join_all((0..2).map(say)).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "one of them has it: {answers:?}");
    }
}

/// Of what a lost log forgot R2 itself has to tell: the room lists what is there, and removes what no message has.
#[tokio::test]
async fn what_a_lost_log_forgot_is_found_in_the_bucket_and_removed() {
    let stack = Stack::start(&[]);
    let t = Tenant::new(&stack);
    let (room, other) = (t.group(&["alice"]).await, t.group(&["alice"]).await);
    let bearer = format!("Bearer {}", t.token("alice"));
    let mut urls = Vec::new();
    for (room, body) in [(&room, "sent"), (&room, "forgotten"), (&other, "of another room")] {
        let path = format!("/rooms/{}/attachments", encoded(room));
        let made = t.raw("POST", &path, &[("Authorization", &bearer)], Some(body.as_bytes())).await.ok();
        urls.push(text(&made["attachment"]["url"]));
        if body == "sent" {
            let body = json!({"attachments": [{"id": made["attachment"]["id"]}], "clientId": "c1"});
            t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
        }
    }
    let held = |stack: &Stack| -> Vec<bool> {
        let there = objects(stack);
        let upload = |url: &String| url.rsplit('.').next().expect("an upload").to_owned();
        urls.iter().map(|url| there.iter().any(|key| key.ends_with(&upload(url)))).collect()
    };
    t.drained(&room, PATIENCE).await;
    assert_eq!(held(&stack), [true; 3]);

    let stopped = stack.stop();
    stopped.lose_room(&room);
    let stack = stopped.start();
    let t = Tenant { stack: stack.clone(), ..t };
    let log = t.get("alice", &format!("/rooms/{room}/messages")).await;
    assert_eq!(log["lastSeq"], 1, "made anew from Postgres");
    // It looks after an hour, when nothing can be under way any more; the hour is over while it is stopped.
    let stopped = stack.stop();
    stopped.in_room(&room, "UPDATE uploads SET due = 1 WHERE id = ''");
    let stack = stopped.start();
    let t = Tenant { stack: stack.clone(), ..t };
    t.get("alice", &format!("/rooms/{room}/messages")).await;
    eventually("what was forgotten is gone", Duration::from_secs(30), || async {
        (held(&stack) == [true, false, true]).then_some(())
    })
    .await;
    let sent = urls[0].strip_prefix("/api/chat").expect("a path");
    assert_eq!(t.raw("GET", sent, &[("Authorization", &bearer)], None).await.body, "sent");
}
