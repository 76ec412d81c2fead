//! The tenant's list of reports on a real Postgres: how a batch writes it, pages of it, and resolving.
//! Not here: what a room sends (`room/reports.rs`).

use crate::db::{batch, direct, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, AuditCursor, AuditRow, ReportState, ReportedMessage};
use chinwag::protocol::room::AuditAction;
use serde_json::{Value, json};

const NOON: u64 = 1_795_424_400_000;

fn report(id: &str, at_ms: u64, text: &str) -> AuditRow {
    AuditRow {
        id: format!("report.{id}.alice"),
        at_ms,
        actor: "alice".into(),
        action: AuditAction::Report,
        target: Some(id.into()),
        reason: Some("rude".into()),
        report: Some(ReportedMessage { id: format!("id-{id}"), author: "bob".into(), text: text.into() }),
    }
}

async fn page(pg: &NativePostgres, state: Option<ReportState>, cursor: Option<&str>, limit: u64) -> db::Page {
    let cursor = cursor.map(|cursor| AuditCursor::parse(cursor).expect("a cursor"));
    db::list_reports(pg, &tenant("acme"), state, cursor.as_ref(), limit).await.expect("a page")
}

fn ids(page: &db::Page) -> Vec<&str> {
    page.items.iter().map(|report| report["id"].as_str().expect("an id")).collect()
}

async fn audited(pg: &NativePostgres, r: &str) -> usize {
    db::list_audit(pg, &tenant("acme"), &room(r), None, 100).await.expect("a page").items.len()
}

#[tokio::test]
async fn a_report_is_written_once_and_outlives_message_and_room() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    direct(&pg, "acme", "d1", "alice", "bob").await;
    let mut first = batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "bob", "rude")]);
    first.audit = vec![report("r1-1", NOON, "rude")];
    for _ in 0..2 {
        done(&pg, &first).await;
    }
    let mut private = batch("acme", "d1", 0, 1, vec![message_row("d1", 1, "bob", "ruder")]);
    private.audit = vec![report("d1-1", NOON + 1, "ruder")];
    // The note of an older Worker, which sends no text.
    private.audit.push(AuditRow {
        id: "report.d1-1.bob".into(),
        report: None,
        ..report("d1-1", NOON + 2, "")
    });
    done(&pg, &private).await;
    assert_eq!((audited(&pg, "r1").await, audited(&pg, "d1").await), (1, 0), "no reporter in a direct room");
    let all = page(&pg, None, None, 10).await;
    assert_eq!(ids(&all), ["report.d1-1.bob", "id-d1-1", "id-r1-1"]);
    assert_eq!((&all.items[0]["text"], &all.items[0]["author"]), (&json!("ruder"), &json!("bob")));
    let shown = json!({
        "id": "id-r1-1", "at": "2026-11-23T09:00:00.000Z", "roomId": "r1", "messageId": "r1-1", "reporter": "alice",
        "author": "bob", "text": "rude", "reason": "rude", "state": "open",
    });
    assert_eq!(all.items[2], shown);
    let delete = db::ChangeSet { delete: true, ..crate::db_people::set(1) };
    assert_eq!(db::apply(&pg, &delete).await.map(|change| change.state), Ok(db::Applied::Done));
    let (acme, r1) = (tenant("acme"), room("r1"));
    db::write_reports(&pg, &acme, &r1, &[report("r1-9", NOON + 9, "last words")]).await.expect("written");
    assert_eq!(page(&pg, None, None, 10).await.items.len(), 4);
    assert!(page(&pg, Some(ReportState::Banned), None, 10).await.items.is_empty());
    let other = db::list_reports(&pg, &tenant("other"), None, None, 10).await.expect("a page");
    assert_eq!(other.items, [] as [Value; 0]);
}

/// REPORT-4.
#[tokio::test]
async fn report_4_reporters_see_what_became_of_their_reports() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let (acme, r1) = (tenant("acme"), room("r1"));
    let reports: Vec<_> = (0..3).map(|n| report(&format!("r1-{n}"), NOON + n, "rude")).collect();
    db::write_reports(&pg, &acme, &r1, &reports).await.expect("written");
    let (key, mallory) = ((&acme, "id-r1-1"), user("mallory"));
    db::resolve_report(&pg, key, ReportState::Deleted, &mallory, Some("a note")).await.expect("resolved");
    let (alice, bob) = (user("alice"), user("bob"));
    let first = db::list_own_reports(&pg, (&acme, &alice), None, 2).await.expect("a page");
    assert_eq!(ids(&first), ["id-r1-2", "id-r1-1"]);
    let mut resolved = first.items[1].clone();
    assert!(resolved["resolvedAt"].take().is_string());
    assert_eq!(
        resolved,
        json!({"id": "id-r1-1", "at": "2026-11-23T09:00:00.001Z", "roomId": "r1", "messageId": "r1-1", "reason": "rude",
               "state": "deleted", "resolvedAt": null}),
        "neither who resolved it nor the note"
    );
    let cursor = AuditCursor::parse(&first.next_cursor.expect("more")).expect("a cursor");
    let second = db::list_own_reports(&pg, (&acme, &alice), Some(&cursor), 2).await.expect("a page");
    assert_eq!((ids(&second), &second.next_cursor), (vec!["id-r1-0"], &None));
    assert!(db::list_own_reports(&pg, (&acme, &bob), None, 2).await.expect("a page").items.is_empty());
}

#[tokio::test]
async fn pages_of_reports_join_and_end_at_a_megabyte() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let long = "x".repeat(400 * 1024);
    let reports: Vec<_> =
        (0..9).map(|n| report(&format!("m{n}"), NOON + n / 2, if n < 3 { &long } else { "short" })).collect();
    db::write_reports(&pg, &tenant("acme"), &room("r1"), &reports).await.expect("written");
    let (mut seen, mut cursor, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let page = page(&pg, Some(ReportState::Open), cursor.as_deref(), 4).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        sizes.push(page.items.len());
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 1], "two long texts fit into a megabyte, and three don't");
    let mut expected: Vec<_> = (0..9).map(|n| (NOON + n / 2, format!("id-m{n}"))).collect();
    expected.sort_unstable();
    expected.reverse();
    assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_report_is_resolved_once() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let (acme, mo, eve) = (tenant("acme"), user("mo"), user("eve"));
    db::write_reports(&pg, &acme, &room("r1"), &[report("m1", NOON, "rude")]).await.expect("written");
    let key = (&acme, "id-m1");
    let resolved = db::resolve_report(&pg, key, ReportState::Deleted, &mo, Some("enough")).await;
    let resolved = resolved.expect("an answer").expect("a report");
    assert_eq!(resolved.state, ReportState::Deleted);
    assert_eq!((&resolved.shown["resolvedBy"], &resolved.shown["note"]), (&json!("mo"), &json!("enough")));
    let late = db::resolve_report(&pg, key, ReportState::Dismissed, &eve, None).await.expect("an answer");
    assert_eq!(late.expect("a report").shown, resolved.shown, "the first one counts");
    let again = db::get_report(&pg, &acme, "id-m1").await.expect("an answer").expect("a report");
    assert_eq!((again.room, again.message, again.author), (room("r1"), "m1".into(), "bob".into()));
    assert!(db::get_report(&pg, &acme, "id-m2").await.expect("an answer").is_none());
    assert!(db::get_report(&pg, &tenant("other"), "id-m1").await.expect("an answer").is_none());
    assert_eq!(ids(&page(&pg, Some(ReportState::Deleted), None, 10).await), ["id-m1"]);
}
