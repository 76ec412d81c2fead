//! Every type that is written and read as JSON is known for what it is: a stored format with golden files, a part of
//! one, or no stored format. Not here: reading the golden files (`golden_stored`).

use super::source::Source;
use super::{Finding, root};

/// Types without a golden file of their own, and why. Those of a stored format name the format.
const OTHERS: [(&str, &str); 85] = [
    ("SocketState", "socket_state"),
    ("Identity", "socket_state"),
    ("Role", "socket_state"),
    ("Rates", "socket_state"),
    ("Window", "socket_state"),
    ("LogState", "log_state"),
    ("RebuildState", "rebuild_state"),
    ("RoomInfo", "room_info"),
    ("RoomSnapshot", "room_info"),
    ("SnapshotMember", "room_info"),
    ("SnapshotBan", "room_info"),
    ("SnapshotChange", "room_info"),
    ("Notify", "room_info"),
    ("ShownPerson", "room_info"),
    ("Account", "room_info"),
    ("ReadsRow", "reads_row"),
    ("PinsRow", "pins_row"),
    ("PinRow", "pins_row"),
    ("AlertRow", "alert_row"),
    ("OutboxProblem", "alert_row"),
    ("OutboxState", "alert_row"),
    ("PendingDeletion", "pending_deletion"),
    ("Message", "message"),
    ("Attachment", "attachment"),
    ("ReactionBody", "reaction_body"),
    ("ChangeBody", "change_body"),
    ("MemberBody", "member_body"),
    ("PinsBody", "pins_body"),
    ("VersionRow", "version_row"),
    ("AuditRow", "audit_row"),
    ("ReportedMessage", "audit_row"),
    ("RoomRequest", "room_request"),
    ("Membership", "room_request"),
    ("RoomOp", "room_request"),
    ("UpgradeRequest", "room_request"),
    ("RoomCall", "room_request"),
    ("PageQuery", "room_request"),
    ("AdminChange", "room_request"),
    ("Patch", "room_request"),
    ("OutboxReport", "outbox_report"),
    ("Notice", "notice"),
    ("Notices", "notices"),
    ("NoticeEvent", "notices"),
    ("Absent", "notices"),
    ("QueueMessage", "notices"),
    ("PushRetry", "push_retry"),
    ("Notified", "inbox_rooms"),
    ("Pending", "inbox_rooms"),
    ("NotifyReason", "inbox_turn"),
    // A ticket lives 30 s and holds an `Identity`.
    ("Kept", "socket_state"),
    // Input and answers of statements, whose other side is SQL; the tests of `db` run them.
    ("Access", NOT_STORED),
    ("RoomCopy", NOT_STORED),
    ("Restored", NOT_STORED),
    ("MessageRow", NOT_STORED),
    ("ReactionRow", NOT_STORED),
    ("ReactionChange", NOT_STORED),
    ("Marker", NOT_STORED),
    ("MessagePage", NOT_STORED),
    ("Projection", NOT_STORED),
    ("ChangeSet", NOT_STORED),
    ("MemberPut", NOT_STORED),
    ("NotifyPut", NOT_STORED),
    ("Settings", NOT_STORED),
    ("BanPut", NOT_STORED),
    ("InboxRequest", "inbox_request"),
    ("InboxUpgrade", "inbox_request"),
    ("Draft", "inbox_draft"),
    ("Poke", "inbox_request"),
    ("PersonPoke", "inbox_request"),
    ("Confirmed", "inbox_presence"),
    ("Presence", "inbox_presence"),
    ("Owner", "inbox_owner"),
    ("RoomView", "inbox_rooms"),
    ("Logged", "inbox_turn"),
    ("GoneReason", "inbox_turn"),
    // Answers and settings: golden frames and the contract's schema hold them.
    ("Listed", NOT_STORED),
    // Of a grant, which lives 5 minutes.
    ("Payload", NOT_STORED),
    ("ReportState", NOT_STORED),
    ("ServiceState", NOT_STORED),
    ("Limits", NOT_STORED),
    ("RoomKind", NOT_STORED),
    // Cursors of pages: a client that brings an old one is refused and begins anew.
    ("AuditCursor", NOT_STORED),
    ("Place", NOT_STORED),
    ("DirectoryPlace", NOT_STORED),
    ("RoomCursor", NOT_STORED),
];
const NOT_STORED: &str = "";

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src") && source.is("rs")) {
        for (line, name) in serde_types(&source.code) {
            let known = OTHERS.iter().find(|(known, _)| *known == name);
            let message = match known {
                None => Some(format!(
                    "`{name}` is written and read: a stored format? (tests/native/tidy/stored.rs)"
                )),
                Some((_, format)) if *format == NOT_STORED || has_golden_file(format) => None,
                Some((_, format)) => Some(format!("`{name}` has no tests/golden/stored/{format}.json")),
            };
            findings.extend(message.map(|message| Finding::new(source, line, message)));
        }
        for (at, line) in source.comments.lines().enumerate() {
            let Some((_, path)) = line.split_once("Stored format: ") else { continue };
            if !root().join(path.trim()).exists() {
                findings.push(Finding::new(source, at + 1, format!("there is no {}", path.trim())));
            }
        }
    }
    findings
}

fn has_golden_file(format: &str) -> bool {
    root().join(format!("tests/golden/stored/{format}.json")).exists()
}

/// Types that derive both `Serialize` and `Deserialize`, with their lines.
fn serde_types(code: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = code.lines().collect();
    let derives =
        |line: &str| line.contains("derive(") && line.contains("Serialize") && line.contains("Deserialize");
    // `Deserialize` contains no `Serialize`: a type needs both words.
    let both = |line: &str| derives(line) && line.replace("Deserialize", "").contains("Serialize");
    let name = |at: usize| {
        let declaration =
            lines[at..].iter().find(|line| line.contains("struct ") || line.contains("enum "))?;
        let words = declaration.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.skip_while(|word| !matches!(*word, "struct" | "enum")).nth(1).map(str::to_owned)
    };
    let found = (0..lines.len()).filter(|at| both(lines[*at]));
    // Newtypes of a macro are text.
    found.filter_map(|at| Some((at + 1, name(at)?))).filter(|(_, name)| !name.is_empty()).collect()
}

#[test]
fn a_type_that_is_written_and_read_is_found() {
    let code = "#[derive(Clone, Serialize, Deserialize)]\n#[serde(x)]\npub struct A {\n}\n#[derive(Deserialize)]\nstruct B;";
    assert_eq!(serde_types(code), [(1, "A".to_owned())]);
}
