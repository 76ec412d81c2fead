//! Search on a real Postgres: what is found, what not, and its pages. Not here: plans and times (`db_plans`), and
//! parsing a search (`src/api/search_query.rs`).

use super::{deleted, ids, send_rows, sql};
use crate::db::{DAY_MS, batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::db::{self, Filter, Found, Has, Place, ReactionRow, Term};
use chinwag::limits::{PAGE_BYTES_MAX, SEARCH_ENTRIES_MAX};
use serde_json::{Value, json};
use tokio_postgres::types::Json;

fn filter(words: &[&str]) -> Filter {
    let term = |text: &&str| match text.strip_prefix('=') {
        Some(text) => Term { text: text.into(), whole: true },
        None => Term { text: (*text).into(), whole: false },
    };
    Filter { terms: words.iter().map(term).collect(), ..Filter::default() }
}

/// All pages of a search, two hits each.
async fn search(pg: &NativePostgres, who: &str, filter: &Filter) -> Vec<Found> {
    search_by(pg, who, filter, 2).await
}

async fn search_by(pg: &NativePostgres, who: &str, filter: &Filter, limit: u64) -> Vec<Found> {
    let (acme, someone) = (tenant("acme"), user(who));
    let scope = db::search_scope(pg, &acme, &someone, filter).await.expect("scope");
    let (mut all, mut place) = (Vec::new(), Place::newest());
    loop {
        let hits = db::search(pg, (&acme, &someone), (filter, &scope), &place, limit).await.expect("search");
        assert!(hits.found.len() as u64 <= limit);
        all.extend(hits.found);
        match hits.next {
            Some(next) => place = Place::parse(&next.text()).expect("cursor"),
            None => return all,
        }
    }
}

async fn found(pg: &NativePostgres, who: &str, words: &[&str]) -> Vec<u64> {
    search(pg, who, &filter(words)).await.iter().map(|found| found.message.seq).collect()
}

const TEXTS: [&str; 12] = [
    "Lunch at noon?",
    "I had lunch, thanks",
    "the launch is at 100% now",
    "OK",
    "book_keeping (it's done)",
    "明日の会議は漢字で書いてください",
    "C:\\temp\\file_1.txt",
    "ÄRGER mit Übermut",
    "look: https://example.com/lunch?x=1",
    "don't panic 🎉",
    "noon at lunch",
    "회의록을 보내 주세요",
];

async fn room_of_words(pg: &NativePostgres) {
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    send_rows(
        pg,
        "r1",
        TEXTS.iter().enumerate().map(|(n, text)| message_row("r1", n as u64 + 1, "bob", text)).collect(),
    )
    .await;
}

/// What is found whichever way words are looked for.
async fn words_are_found(pg: &NativePostgres) {
    let cases: &[(&[&str], &[u64])] = &[
        (&["lunch"], &[11, 9, 2, 1]),
        (&["LUN"], &[11, 9, 2, 1]),
        (&["lunch", "noon"], &[11, 1]),
        (&["=at noon"], &[1]),
        (&["=lunch at"], &[1]),
        (&["ok"], &[4]),
        (&["会議"], &[6]),
        (&["字で"], &[6]),
        (&["議会"], &[]),
        (&["회의"], &[12]),
        (&["ärger", "über"], &[8]),
        (&["don't"], &[10]),
        (&["🎉"], &[10]),
        (&["100%"], &[3]),
        (&["%"], &[3]),
        (&["book_"], &[5]),
        (&["C:\\temp"], &[7]),
        (&["nothing"], &[]),
        (&["' & | ! ( <-> :*"], &[]),
        (&["(it's"], &[5]),
    ];
    for (words, expected) in cases {
        assert_eq!(&found(pg, "alice", words).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn search_1_words_parts_of_words_and_scripts_without_blanks_are_found() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    room_of_words(pg).await;
    words_are_found(pg).await;
    assert_eq!(found(pg, "alice", &["unch"]).await, [11, 9, 3, 2, 1], "parts of words");
    assert_eq!(found(pg, "alice", &["keep"]).await, [5]);
}

#[tokio::test]
async fn search_2_an_index_finds_what_a_walk_finds() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    room_of_words(pg).await;
    // Noise enough that no walk gets to the words, in one room and in many.
    sql(pg, "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
             SELECT 'acme', 'r1', 100 + n, 'noise-' || n, 'bob', 'so what', 'text', '2026-12-01'::timestamptz + n * interval '1 s'
             FROM generate_series(1, 30000) n;
             UPDATE chat_rooms SET last_seq = 40000; ANALYZE")
    .await;
    words_are_found(pg).await;
    assert_eq!(found(pg, "alice", &["unch"]).await, [11, 9, 3, 2, 1]);
    assert_eq!(search_by(pg, "alice", &filter(&["so", "what"]), 100).await.len(), 30_000);
    sql(
        pg,
        "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by)
             SELECT 'acme', 'x' || n, 'group', 'X', 'alice' FROM generate_series(1, 400) n;
             INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
             SELECT 'acme', 'x' || n, 'alice', 'owner' FROM generate_series(1, 400) n; ANALYZE",
    )
    .await;
    words_are_found(pg).await;
    assert_eq!(found(pg, "alice", &["unch"]).await, [11, 9, 3, 2, 1]);
}

/// Pairs of a stored text and a search that are the same once their normal form, width and case are left aside.
const FOLDED: [(&str, &str); 14] = [
    ("caf\u{e9} au lait", "cafe\u{301}"),
    ("na\u{69}\u{308}vet\u{65}\u{301}", "NA\u{cf}VET\u{c9}"),
    ("\u{1103}\u{1161}\u{1105}\u{1175} 건너", "다리"),
    ("か\u{3099}くせい", "がくせい"),
    ("ﾃﾞｰﾀの", "データ"),
    ("ＦＵＬＬ ｗｉｄｔｈ １００％", "full width 100%"),
    ("half width", "ｈａｌｆ"),
    ("the ﬁle of the oﬃce", "office"),
    ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"),
    ("οδός", "ΟΔΌΣ"),
    ("zero\u{200b}width soft\u{ad}hyphen", "softhyphen"),
    ("I \u{2764}\u{fe0f} it", "\u{2764}"),
    ("ÅNGSTRÖM by the unit", "\u{212b}ngstro\u{308}m"),
    ("area: 7 x\u{b2}", "X2"),
];

#[tokio::test]
async fn search_8_text_is_found_whatever_its_normal_form_width_and_case() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    sql(pg, "UPDATE chat_rooms SET name = 'Büro der Ｆirma'").await;
    let rows = (1..).zip(FOLDED).map(|(n, (stored, _))| message_row("r1", n, "bob", stored));
    send_rows(pg, "r1", rows.collect()).await;
    let all = async || {
        for (seq, (stored, searched)) in (1..).zip(FOLDED) {
            assert_eq!(found(pg, "alice", &[searched]).await, [seq], "{searched} in {stored}");
            let whole = format!("={searched}");
            assert_eq!(found(pg, "alice", &[&whole]).await, [seq], "{searched}, quoted, in {stored}");
        }
        let inside = Filter { inside: Some("BU\u{308}RO DER FIRMA".into()), ..filter(&["lait"]) };
        assert_eq!(search(pg, "alice", &inside).await.len(), 1, "a room's name");
    };
    all().await;
    // By an index as well.
    sql(pg, "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
             SELECT 'acme', 'r1', 100 + n, 'noise-' || n, 'bob', 'so what', 'text', '2026-12-01'::timestamptz + n * interval '1 s'
             FROM generate_series(1, 30000) n;
             UPDATE chat_rooms SET last_seq = 40000; ANALYZE")
    .await;
    all().await;
}

/// As among 10^8 messages, where the statistics expect nothing in less than 10,000 of them.
#[tokio::test]
async fn search_9_what_is_rare_is_found_in_a_large_tenant() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    room_of_words(pg).await;
    sql(pg, "ALTER TABLE chat_messages SET (autovacuum_enabled = off);
             INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
             SELECT 'acme', 'r1', 100 + n, 'noise-' || n, 'bob', 'so what xyx yxy ' || CASE WHEN n % 4 = 0 THEN 'frequent' ELSE '' END,
                'text', '2026-12-01'::timestamptz + n * interval '1 s'
             FROM generate_series(1, 30000) n;
             UPDATE chat_rooms SET last_seq = 40000; ANALYZE;
             UPDATE pg_class SET reltuples = 1e8 WHERE relname = 'chat_messages'")
    .await;
    let (acme, alice) = (tenant("acme"), user("alice"));
    let first_page = async |words: &[&str]| {
        let filter = filter(words);
        let scope = db::search_scope(pg, &acme, &alice, &filter).await.expect("scope");
        let hits = db::search(pg, (&acme, &alice), (&filter, &scope), &Place::newest(), 20).await;
        let hits = hits.expect("search");
        (hits.found.iter().map(|found| found.message.seq).collect::<Vec<_>>(), hits.next.is_some())
    };
    assert_eq!(first_page(&["lunch"]).await, (vec![11, 9, 2, 1], false));
    assert_eq!(first_page(&["unch", "100%"]).await, (vec![3], false));
    assert_eq!(first_page(&["panic"]).await, (vec![10], false));
    // What the index brings more of than it may is walked for.
    let (seqs, more) = first_page(&["frequent"]).await;
    assert_eq!((seqs.len(), seqs[0], more), (20, 30_100, true));
    // Nor is an index read for a word that is nowhere, but all of whose pieces are frequent.
    assert_eq!(first_page(&["xyxy"]).await, (vec![], true));
    let reads = "SELECT to_json(a.has_read) FROM chat_search_index_v2(jsonb_build_object('tenant', 'acme', 'foundMax', 3000,
            'entriesMax', $1::jsonb, 'indexMs', 1000, 'parts', '[\"%xyxy%\"]'::jsonb,
            'place', '{\"atUs\": 9e15, \"seq\": 0, \"room\": \"\"}'::jsonb)) a";
    for (entries_max, has_read) in [(SEARCH_ENTRIES_MAX, false), (u64::MAX >> 11, true)] {
        let read = one_json(&pg.client, reads, &Json(json!(entries_max))).await.expect("an answer");
        assert_eq!(read, json!(has_read), "{entries_max}");
    }
    // The same if nothing at all is known of the words.
    sql(pg, "DELETE FROM pg_statistic WHERE starelid::regclass::text LIKE 'chat_messages%'").await;
    assert_eq!(first_page(&["lunch"]).await, (vec![11, 9, 2, 1], false));
    assert_eq!(first_page(&["frequent"]).await.0.len(), 20);
}

/// A look at how words begin is quicker than taking each text apart, and must let all through that has such a word.
#[tokio::test]
async fn search_2_however_a_word_begins_it_is_found() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    sql(
        pg,
        "SELECT setseed(0.25);
         INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
         SELECT 'acme', 'r1', n, 'random-' || n, 'bob', (
             SELECT string_agg(substr('aBe019xzéЖ😀’中.-_ /', 1 + floor(random() * 19)::int, 1), '')
             FROM generate_series(1, 2 + n % 12) h WHERE n > 0), 'text', '2026-12-01'::timestamptz + n * interval '1 s'
         FROM generate_series(1, 5000) n;
         UPDATE chat_rooms SET last_seq = 5000; ANALYZE",
    )
    .await;
    for word in ["a", "B", "e", "0", "9", "x", "é", "ж", "ab", "ba", "e9", "1e", "x0", "éa", "Жz", "xé", "’a"]
    {
        let query = "SELECT array(SELECT seq FROM chat_messages
            WHERE chat_words(chat_fold_v1(content)) @@ to_tsquery('simple', '''' || chat_fold_v1($1) || ''':*')
              AND chat_fold_v1(content) LIKE '%' || chat_fold_v1($1) || '%'
            ORDER BY seq DESC)";
        let taken_apart: Vec<i64> = pg.client.query_one(query, &[&word]).await.expect("by words").get(0);
        assert!(!taken_apart.is_empty(), "{word} is nowhere");
        let hits = search_by(pg, "alice", &filter(&[word]), 1_000).await;
        let seqs: Vec<i64> = hits.iter().map(|found| found.message.seq.cast_signed()).collect();
        assert_eq!(seqs, taken_apart, "{word}");
    }
}

/// As where the extensions aren't installed, and whoever migrates may install none.
#[tokio::test]
async fn search_3_without_the_extensions_words_are_found_by_how_they_begin() {
    let rig = Database::bare().await;
    let pg = &rig.connect().await;
    sql(pg, "CREATE ROLE chinwag_test_lowly; GRANT CREATE ON SCHEMA public TO chinwag_test_lowly; SET ROLE chinwag_test_lowly")
        .await;
    crate::postgres::migrate(&pg.client).await;
    let parts: Option<String> = pg
        .client
        .query_one("SELECT to_regclass('chat_messages_folded_parts')::text", &[])
        .await
        .expect("look")
        .get(0);
    assert_eq!(parts, None, "the role could install the extension: nothing is shown here");
    room_of_words(pg).await;
    words_are_found(pg).await;
    assert_eq!(found(pg, "alice", &["unch"]).await, [] as [u64; 0], "no parts of words");
    sql(pg, "RESET ROLE; DROP OWNED BY chinwag_test_lowly CASCADE; DROP ROLE chinwag_test_lowly").await;
}

#[tokio::test]
async fn search_4_operators_narrow_a_search_down() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r2", "alice", &["bob", "carol"]).await;
    let with = |seq: u64, by: &str, text: &str, attachments: Value| {
        let mut message = message_row("r1", seq, by, text);
        message.attachments = attachments.as_array().cloned().unwrap_or_default();
        message
    };
    let file = |mime: &str| json!([{"url": "https://x/y", "name": "y", "mimeType": mime, "size": 1}]);
    let mut liked = message_row("r1", 4, "carol", "word four");
    liked.reactions.get_or_insert_default().push(ReactionRow { emoji: "👍".into(), user_id: "bob".into() });
    let mut root = message_row("r1", 5, "carol", "word five");
    root.reply_count = 2;
    send_rows(
        pg,
        "r1",
        vec![
            with(1, "bob", "word one", json!([])),
            with(2, "bob", "word two", file("text/plain")),
            with(3, "carol", "word three http://a.b", file("image/png")),
            liked,
            root,
        ],
    )
    .await;
    send_rows(pg, "r2", vec![message_row("r2", 7, "bob", "word seven")]).await;
    let word = || filter(&["word"]);
    let seqs = async |filter: Filter| -> Vec<u64> {
        search(pg, "alice", &filter).await.iter().map(|found| found.message.seq).collect()
    };
    assert_eq!(seqs(word()).await, [7, 5, 4, 3, 2, 1]);
    assert_eq!(seqs(Filter { from: Some(user("bob")), ..word() }).await, [7, 2, 1]);
    assert_eq!(seqs(Filter { inside: Some("the R2".into()), ..word() }).await, [7], "by name");
    assert_eq!(
        seqs(Filter { inside: Some("r1".into()), ..Filter::default() }).await,
        [5, 4, 3, 2, 1],
        "by id, no word"
    );
    assert_eq!(seqs(Filter { inside: Some("nowhere".into()), ..word() }).await, [] as [u64; 0]);
    assert_eq!(seqs(Filter { room: Some(room("r2")), ..word() }).await, [7]);
    assert_eq!(seqs(Filter { after_ms: Some(DAY_MS + 4_000), ..word() }).await, [7, 5, 4], "from then on");
    for (has, expected) in [
        (Has::Attachment, vec![3, 2]),
        (Has::Image, vec![3]),
        (Has::Link, vec![3]),
        (Has::Reaction, vec![4]),
        (Has::Thread, vec![5]),
    ] {
        assert_eq!(seqs(Filter { has: vec![has], ..word() }).await, expected, "{has:?}");
    }
    assert_eq!(seqs(Filter { has: vec![Has::Link, Has::Thread], ..word() }).await, [] as [u64; 0]);
    let (acme, alice, all) = (tenant("acme"), user("alice"), word());
    let scope = db::search_scope(pg, &acme, &alice, &all).await.expect("scope");
    let before = Place::before(DAY_MS + 3_000);
    let hits = db::search(pg, (&acme, &alice), (&all, &scope), &before, 9).await.expect("search");
    assert_eq!((ids(&hits.found), hits.next), (vec!["r1-2", "r1-1"], None));
    assert_eq!(hits.found[0].room_name.as_deref(), Some("The r1"));
}

#[tokio::test]
async fn search_5_nothing_is_found_that_one_may_not_see() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob", "late", "gone"]).await;
    group(pg, "umbrella", "r1", "eve", &["alice"]).await;
    let mut theirs = batch("umbrella", "r1", 0, 1, vec![message_row("r1", 1, "eve", "secret of theirs")]);
    theirs.messages[0].id = "u-1".into();
    done(pg, &theirs).await;
    let three: Vec<_> = (1..=3).map(|n| message_row("r1", n, "bob", "secret plan")).collect();
    send_rows(pg, "r1", three.clone()).await;
    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE tenant_id = 'acme';
             UPDATE chat_room_members SET joined_seq = 2 WHERE user_id = 'late';
             DELETE FROM chat_room_members WHERE user_id = 'gone'",
    )
    .await;
    assert_eq!(found(pg, "alice", &["secret"]).await, [3, 2, 1]);
    assert_eq!(found(pg, "late", &["secret"]).await, [3]);
    assert_eq!(found(pg, "gone", &["secret"]).await, [] as [u64; 0]);
    assert_eq!(found(pg, "eve", &["secret"]).await, [] as [u64; 0], "another tenant's");
    done(pg, &batch("acme", "r1", 3, 4, vec![deleted(three[2].clone())])).await;
    let mut edited = three[1].clone();
    (edited.version, edited.content) = (2, "public plan".into());
    done(pg, &batch("acme", "r1", 4, 5, vec![edited])).await;
    assert_eq!(found(pg, "alice", &["secret"]).await, [1]);
    assert_eq!(found(pg, "alice", &["public"]).await, [2]);
}

#[tokio::test]
async fn search_6_pages_hold_still_while_messages_come_and_go() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    group(pg, "acme", "r2", "alice", &["bob"]).await;
    // All in one moment, in two rooms.
    let at_once = |r: &str, seq: u64| {
        let mut message = message_row(r, seq, "bob", "tick");
        message.created_at_ms = DAY_MS;
        message
    };
    for r in ["r1", "r2"] {
        send_rows(pg, r, (1..=5).map(|seq| at_once(r, seq)).collect()).await;
    }
    let (acme, alice, tick) = (tenant("acme"), user("alice"), filter(&["tick"]));
    let scope = db::search_scope(pg, &acme, &alice, &tick).await.expect("scope");
    let (mut seen, mut place, mut n) = (Vec::new(), Place::newest(), 0u64);
    loop {
        let hits = db::search(pg, (&acme, &alice), (&tick, &scope), &place, 3).await.expect("search");
        seen.extend(hits.found.iter().map(|found| found.message.id.clone()));
        n += 1;
        let mut gone = at_once("r1", n);
        gone.deleted_at_ms = Some(DAY_MS + 1);
        done(pg, &batch("acme", "r1", 4 + n, 5 + n, vec![gone, message_row("r1", 5 + n, "bob", "tick")]))
            .await;
        match hits.next {
            Some(next) => place = next,
            None => break,
        }
    }
    let expected = ["r2-5", "r1-5", "r2-4", "r1-4", "r2-3", "r1-3", "r2-2", "r2-1"];
    assert_eq!(seen, expected, "r1-1 and r1-2 had gone before");
}

#[test]
fn search_7_a_cursor_comes_back_as_it_went_and_a_broken_one_is_a_bad_request() {
    assert_eq!(Place::parse(&Place::before(5).text()), Ok(Place::before(5)));
    for bad in ["", "x", "7b7d", &"00".repeat(9)] {
        assert_eq!(Place::parse(bad).unwrap_err().code.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn search_10_a_page_ends_at_1_mib_and_has_a_cursor() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    let large = |seq| message_row("r1", seq, "bob", &format!("lunch {}", "x".repeat(20_000)));
    send_rows(pg, "r1", (1..=100).map(large).collect()).await;
    let filter = filter(&["lunch"]);
    let scope = db::search_scope(pg, &tenant("acme"), &user("alice"), &filter).await.expect("scope");
    let (mut pages, mut seqs, mut place) = (Vec::new(), Vec::new(), Place::newest());
    loop {
        let caller = (&tenant("acme"), &user("alice"));
        let hits = db::search(pg, caller, (&filter, &scope), &place, 100).await.expect("search");
        let bytes: usize = hits.found.iter().map(|found| found.message.content.len()).sum();
        assert!(bytes <= PAGE_BYTES_MAX, "a page of {bytes} bytes");
        pages.push(hits.found.len());
        seqs.extend(hits.found.iter().map(|found| found.message.seq));
        let Some(next) = hits.next else { break };
        place = next;
    }
    assert!(pages.len() == 2 && pages[0] > 50, "{pages:?}");
    assert_eq!(seqs, (1..=100).rev().collect::<Vec<_>>(), "each once, newest first");
    // One that is larger than a page comes alone.
    sql(pg, "UPDATE chat_messages SET content = 'lunch ' || repeat('y', 1100000) WHERE seq = 100").await;
    let caller = (&tenant("acme"), &user("alice"));
    let hits = db::search(pg, caller, (&filter, &scope), &Place::newest(), 100).await.expect("search");
    assert_eq!((hits.found.len(), hits.next.is_some()), (1, true));
}
