//! Received events, answers and reports in the few words of a transcript.
//! Not here: whether every field of a frame is right (the golden files).

use chinwag::db::{DbError, Marker, Notices, Projected, Projection, ReactionChange};
use chinwag::error::Refusal;
use chinwag::ids::UserId;
use chinwag::oplog::Entry;
use chinwag::room::OutboxReport;
use serde_json::{Value, json};
use testkit::POISON;
use testkit::schema;

/// A server event in few words; it is by the contract's schema.
pub fn event(e: &Value) -> String {
    schema().check_event(e).unwrap_or_else(|wrong| panic!("{wrong}"));
    let text = |name: &str| e[name].as_str().unwrap_or("?").to_owned();
    let client = e["clientId"].as_str().map(|id| format!(" #{}", short(id))).unwrap_or_default();
    match e["type"].as_str().unwrap_or("?") {
        "hello" => {
            let role = if e["role"] == "member" { String::new() } else { format!(" as {}", text("role")) };
            let read = markers(&e["readMarkers"]);
            format!("hello seq={}{role}{read}", e["seq"])
        }
        "online_users" => format!("online {}", list(&e["users"])),
        "resync" => format!("resync {} seq={} {}", text("reason"), e["seq"], text("epoch")),
        "synced" => format!("synced {}", e["seq"]),
        "new_message" => {
            assert_eq!(e["seq"], e["message"]["seq"]);
            format!("new_message {}", message(&e["message"]))
        }
        "reaction_update" => {
            let sign = if e["delta"]["action"] == "add" { '+' } else { '-' };
            let (emoji, user) = (&e["delta"]["emoji"], &e["delta"]["userId"]);
            let delta = format!("{sign}{} {}", emoji.as_str().unwrap(), user.as_str().unwrap());
            let people = if e["reactions"].is_object() {
                format!(" {}", reactions(&e["reactions"]))
            } else {
                String::new()
            };
            format!("reaction_update {} on {} {delta} ={}{people}", e["seq"], on(e), e["count"])
        }
        "message_updated" => {
            let version = &e["message"]["version"];
            format!("message_updated {} is {} v{version}", e["seq"], message(&e["message"]))
        }
        "message_deleted" => format!("message_deleted {} of {} by {}", e["seq"], on(e), text("deletedBy")),
        "thread_update" => {
            let root = seq_of(e["threadId"].as_str().unwrap());
            let last =
                e["lastReplyAt"].as_str().map(|at| format!(" last {}", &at[14..19])).unwrap_or_default();
            format!("thread_update {} of {root} has {}{last}", e["seq"], e["replyCount"])
        }
        "pins_updated" => pins_updated(e),
        "hidden" => format!("hidden {}", e["seq"]),
        "typing" => typing(e),
        kind @ ("user_joined" | "user_left") => format!("{kind} {}", text("userId")),
        "mute_updated" => format!("mute_updated {}", e["mute"]),
        "read_receipt" => format!("read_receipt {} {}", text("userId"), e["seq"]),
        "ack" => {
            let what = if e["noop"] == true { "noop".into() } else { format!("seq={}", e["seq"]) };
            let again = if e["duplicate"] == true { " duplicate" } else { "" };
            let version = if e["op"] == "edit" { format!(" v{}", e["version"]) } else { String::new() };
            format!("ack {} {what}{version}{again}", text("clientId"))
        }
        "error" => {
            let reference = e["ref"].as_str().map(|kind| format!(" of {}", short(kind))).unwrap_or_default();
            format!("error {}{reference}{client}", refusal(e))
        }
        "pong" => format!("pong {} seq={}", e["t"], e["seq"]),
        "auth_ok" => format!("auth_ok {}", e["exp"]),
        kind @ ("member_added" | "member_removed" | "member_updated") => {
            format!("{kind} {} {} as {} by {}", e["seq"], text("userId"), text("role"), text("by"))
        }
        "room_updated" => format!("room_updated {} {}", e["seq"], room(&e["room"])),
        other => panic!("no such event: {other}"),
    }
}

fn typing(e: &Value) -> String {
    let what = if e["isTyping"] == true { "typing" } else { "typing off" };
    let thread = e["threadId"].as_str().map(|id| format!(" in {}", seq_of(id))).unwrap_or_default();
    let named = e["typingUsers"].as_array().unwrap().len() as u64;
    let count = e["typingCount"].as_u64().unwrap();
    let all = if count == named { String::new() } else { format!(" of {count}") };
    format!("{what} {}{thread} [{}]{all}", e["userId"].as_str().unwrap(), list(&e["typingUsers"]))
}

fn pins_updated(e: &Value) -> String {
    let ids = e["messageIds"].as_array().unwrap();
    let seqs: Vec<_> = ids.iter().map(|id| seq_of(id.as_str().unwrap()).to_string()).collect();
    format!("pins_updated {} [{}] by {}", e["seq"], seqs.join(" "), e["by"].as_str().unwrap())
}

fn pins(answer: &Value) -> String {
    let seqs: Vec<_> = answer["messages"].as_array().unwrap().iter().map(message).collect();
    let more = if answer["hasMore"] == true { " …" } else { "" };
    format!("pins [{}]{more}", seqs.join(", "))
}

/// What of a room isn't as it was made.
fn room(r: &Value) -> String {
    let usual = json!({"name": "Lunch", "topic": null, "archived": false, "historyVisibility": "all",
                       "roomMention": "all", "slowModeS": 0});
    let usual = usual.as_object().unwrap().iter();
    let rendered = usual.filter(|(name, value)| r[name.as_str()] != **value);
    rendered.map(|(name, _)| format!("{name}={}", r[name])).collect::<Vec<_>>().join(" ")
}

/// The parts of an error that a client acts on.
fn refusal(e: &Value) -> String {
    let field = e["field"].as_str().map(|field| format!(" {field}")).unwrap_or_default();
    let retry = e["retryAfterMs"].as_u64().map(|ms| format!(" in {ms} ms")).unwrap_or_default();
    format!("{}{field}{retry}", e["code"].as_str().unwrap())
}

fn message(m: &Value) -> String {
    let mut rendered = format!("{} {}", m["seq"], quoted(m["content"].as_str().unwrap()));
    if m["deletedAt"].is_string() {
        rendered = format!("{} tombstone", m["seq"]);
    }
    if let Some(count @ 1..) = m["replyCount"].as_u64() {
        rendered += &format!(" replies={count}");
    }
    if let Some(editor) = m["editedBy"].as_str() {
        rendered += &format!(" edited by {editor}");
    }
    for (emoji, count) in m["reactionCounts"].as_object().unwrap() {
        let named = m["reactions"][emoji].as_array().unwrap().len() as u64;
        assert!(count.as_u64().unwrap() == named || named == 20, "REACT-3: {m}");
    }
    if m["reactions"].as_object().is_some_and(|r| !r.is_empty()) {
        rendered += &format!(" {}", reactions(&m["reactions"]));
    }
    for (field, name) in [("threadId", "thread"), ("replyToId", "reply")] {
        if let Some(id) = m[field].as_str() {
            rendered += &format!(" {name}={}", seq_of(id));
        }
    }
    for (field, name) in [("alsoToRoom", "+room"), ("mentionsRoom", "@room")] {
        if m[field] == true {
            rendered += &format!(" {name}");
        }
    }
    for user in m["mentions"].as_array().into_iter().flatten() {
        rendered += &format!(" @{}", user.as_str().unwrap());
    }
    let files = m["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let uploads: Vec<_> = files.iter().filter_map(|file| file["id"].as_str()).map(upload).collect();
    if !uploads.is_empty() {
        rendered += &format!(" files={}", uploads.join(","));
    } else if !files.is_empty() {
        rendered += &format!(" files={}", files.len());
    }
    rendered
}

fn reactors(answer: &Value) -> String {
    let more = if answer["nextCursor"].is_string() { " …" } else { "" };
    let users = list(&answer["userIds"]);
    if answer["count"].is_u64() {
        return format!("readers {users}, {} in all", answer["count"]);
    }
    format!("reactors {}{more}", if users.is_empty() { "nobody" } else { &users })
}

fn reactions(by_emoji: &Value) -> String {
    let rendered = |(emoji, users): (&String, &Value)| format!("{emoji} {}", list(users));
    format!("{{{}}}", by_emoji.as_object().unwrap().iter().map(rendered).collect::<Vec<_>>().join(", "))
}

fn markers(markers: &Value) -> String {
    let marker = |(user, seq): (&String, &Value)| format!("{user}:{seq}");
    let rendered: Vec<_> = markers.as_object().unwrap().iter().map(marker).collect();
    if rendered.is_empty() { String::new() } else { format!(" read {}", rendered.join(" ")) }
}

/// The answer to a call about one message.
fn about_message(answer: &Value) -> String {
    match (answer["seq"].as_u64(), answer["lastSeq"].as_u64()) {
        (_, Some(head)) => format!("found {} of {head}", on(answer)),
        (Some(seq), None) => format!("deleted {} at {seq}", on(answer)),
        (None, None) => format!("ok {}", on(answer)),
    }
}

/// The answer to a REST call.
pub fn reply(reply: &Result<String, Refusal>) -> String {
    match reply {
        Err(refused) => {
            format!("{} {}", refused.code.status(), refusal(&Value::Object(refused.members())))
        }
        Ok(text) => {
            let answer: Value = serde_json::from_str(text).unwrap();
            if answer["hasMore"].is_boolean() {
                pins(&answer)
            } else if let Some(messages) = answer["messages"].as_array() {
                let seqs: Vec<_> = messages.iter().map(|m| m["seq"].to_string()).collect();
                let more = |name: &str, sign| if answer[name] == true { sign } else { "" };
                let (before, after) = (more("hasMoreBefore", "… "), more("hasMoreAfter", " …"));
                format!("page {before}{}{after} of {}", seqs.join(" "), answer["lastSeq"])
            } else if let Some(replies) = answer["replies"].as_array() {
                let seqs: Vec<_> = replies.iter().map(|m| m["seq"].to_string()).collect();
                let before = if answer["hasMoreBefore"] == true { "… " } else { "" };
                format!("thread of {}: {before}{}", message(&answer["root"]), seqs.join(" "))
            } else if let Some(versions) = answer["versions"].as_array() {
                let rendered = |v: &Value| {
                    format!("{} {} by {}", v["version"], v["content"], v["editedBy"].as_str().unwrap_or("?"))
                };
                let before = if answer["hasMoreBefore"] == true { "… " } else { "" };
                format!("versions {before}[{}]", versions.iter().map(rendered).collect::<Vec<_>>().join(", "))
            } else if answer["lastReadSeq"].is_u64() {
                format!("read {}", answer["lastReadSeq"])
            } else if answer["userIds"].is_array() {
                reactors(&answer)
            } else if answer["reactions"].is_object() {
                format!("reactions on {} {}", on(&answer), reactions(&answer["reactions"]))
            } else if answer["messageId"].is_string() {
                about_message(&answer)
            } else if answer["message"].is_object() {
                let again = if answer["duplicate"] == true { " duplicate" } else { "" };
                format!("message {}{again}", message(&answer["message"]))
            } else if answer["attachment"].is_object() {
                format!("upload {}", upload(answer["attachment"]["id"].as_str().unwrap()))
            } else if let Some(id) = answer["id"].as_str() {
                format!("file {}", upload(id))
            } else if answer["noted"] == true {
                "noted".into()
            } else if !answer["setAside"].is_array() {
                let times = answer.to_string();
                let member =
                    |m: &Value| format!("{} {}", m["userId"].as_str().unwrap(), m["role"].as_str().unwrap());
                match answer["members"].as_array() {
                    Some(members) => {
                        format!("ok {}", members.iter().map(member).collect::<Vec<_>>().join(", "))
                    }
                    None if answer["room"].is_object() => format!("ok {}", room(&answer["room"])),
                    None if answer["member"].is_object() => format!("ok {}", member(&answer["member"])),
                    None => format!("ok {times}"),
                }
            } else {
                let aside: Vec<_> =
                    answer["setAside"].as_array().unwrap().iter().map(|a| a["seq"].to_string()).collect();
                format!(
                    "outbox {} {}/{} lag {} for {} ms, aside [{}]",
                    answer["state"].as_str().unwrap(),
                    answer["projected"],
                    answer["head"],
                    answer["lag"],
                    answer["oldestMs"],
                    aside.join(" ")
                )
            }
        }
    }
}

/// A line of the operator's log: the event and what belongs to it.
pub fn entry(entry: &Entry) -> String {
    let line: Value = serde_json::from_str(&entry.to_string()).unwrap();
    let members = line.as_object().unwrap().iter();
    let rendered = members.filter(|(name, _)| !["level", "event", "tenant", "room"].contains(&name.as_str()));
    let rendered = rendered.map(|(name, value)| format!(" {name}={}", value.to_string().trim_matches('"')));
    format!("{}{}", line["event"].as_str().unwrap(), rendered.collect::<String>())
}

/// What a room tells its tenant's list.
pub fn report(report: &OutboxReport, taken: bool) -> String {
    let away = if taken { "" } else { ", to nobody" };
    match &report.problem {
        None => format!("well again{away}"),
        Some(t) => {
            let age = report.at.saturating_sub(t.oldest_at_ms);
            let age = if t.oldest_at_ms == 0 { String::new() } else { format!(" for {age} ms") };
            format!("{} lag {}{age}, {} aside{away}", t.state, t.lag, t.quarantined)
        }
    }
}

/// Who is notified of what.
pub fn notices(notices: &[Notices], taken: bool) -> String {
    let away = if taken { "" } else { ", to nobody" };
    let each = notices.iter().flat_map(|notices| notices.events.iter().flat_map(|event| notices.of(event)));
    let rendered = each.map(|notice| {
        let edit = if notice.event == notice.seq { String::new() } else { format!(" by {}", notice.event) };
        format!("{}{edit} for {}", notice.seq, notice.users.join(" "))
    });
    format!("{}{away}", rendered.collect::<Vec<_>>().join(", "))
}

/// A batch on its way to Postgres, and what became of it.
pub fn batch(batch: &Projection, outcome: &Option<Result<Projected, DbError>>) -> String {
    let mut seqs: Vec<_> = batch.messages.iter().map(|m| m.seq.to_string()).collect();
    if let [first, .., last] = batch.messages.as_slice()
        && batch.messages.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq)
    {
        seqs = vec![format!("{}–{}", first.seq, last.seq)];
    }
    let generation = |marker: &Marker| match marker.generation {
        0 => String::new(),
        generation => format!("({generation})"),
    };
    let read = |(user, marker): (&UserId, &Marker)| format!(" {user}:{}{}", marker.seq, generation(marker));
    let reads: Vec<_> = batch.reads.iter().map(read).collect();
    let outcome = match outcome {
        None => "hangs".into(),
        Some(Ok(Projected::Done { conflicts, .. })) if conflicts.is_empty() => "done".into(),
        Some(Ok(Projected::Done { conflicts, .. })) => format!("done, conflicts {conflicts:?}"),
        Some(Ok(Projected::Behind { last_seq, .. })) => format!("behind {last_seq}"),
        Some(Ok(Projected::Ahead { last_seq, .. })) => format!("ahead {last_seq}"),
        Some(Ok(Projected::Missing)) => "missing".into(),
        Some(Err(error)) => error.sqlstate.clone().unwrap_or_else(|| "no answer".into()),
    };
    let change = |change: &ReactionChange| {
        let sign = if change.is_set { '+' } else { '-' };
        format!(" {sign}{} {} on {}", change.emoji, change.user_id, change.seq)
    };
    let changes: String = batch.reactions.iter().map(change).collect();
    let rows = format!("{}{changes}", seqs.join(" "));
    format!("({}, {}] {}{}: {outcome}", batch.from, batch.to, rows.trim_start(), reads.concat())
}

fn quoted(text: &str) -> String {
    let count = text.chars().count();
    if count > 40 && !text.contains(POISON) { format!("({count} characters)") } else { format!("{text:?}") }
}

fn short(text: &str) -> String {
    let count = text.chars().count();
    if count > 40 { format!("({count} characters)") } else { text.escape_debug().to_string() }
}

fn list(users: &Value) -> String {
    users.as_array().unwrap().iter().map(|user| user.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn on(e: &Value) -> u64 {
    seq_of(e["messageId"].as_str().unwrap())
}

/// An upload's id stands in a transcript without its room.
fn upload(id: &str) -> &str {
    chinwag::room::split_id(id).unwrap().1
}

/// A message's id stands in a transcript as its seq.
fn seq_of(id: &str) -> u64 {
    chinwag::ids::MessageId::parse(id).unwrap().seq()
}
