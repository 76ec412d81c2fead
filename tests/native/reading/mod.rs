//! What a person reads over all their rooms, on a real Postgres: unread counts, mentions, search.
//! Not here: plans and times (`db_plans`), and parsing a search (`src/api/search_query.rs`).

mod notify;

use crate::db::{DAY_MS, batch, done, group, message_row, read as read_to, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Filter, Found, Has, MessageRow, Place, ReactionRow, Term};
use serde_json::{Value, json};

/// What a room says, from `seq` 1 on.
async fn send_rows(pg: &NativePostgres, r: &str, messages: Vec<MessageRow>) {
    let to = messages.len() as u64;
    done(pg, &batch("acme", r, 0, to, messages)).await;
}

async fn sql(pg: &NativePostgres, statements: &str) {
    pg.client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
}

fn mentioning(mut message: MessageRow, users: &[&str]) -> MessageRow {
    message.mentions = users.iter().map(|user| (*user).to_owned()).collect();
    message
}

fn to_all(mut message: MessageRow) -> MessageRow {
    message.mentions_room = true;
    message
}

fn deleted(mut message: MessageRow) -> MessageRow {
    message.deleted_at_ms = Some(DAY_MS + 100_000);
    message.version += 1;
    message
}

async fn unread(pg: &NativePostgres, who: &str) -> Vec<Value> {
    db::unread(pg, &tenant("acme"), &user(who)).await.expect("unread")
}

fn row(r: &str, unread: u64, mentions: u64, last: u64, read: u64) -> Value {
    json!({"roomId": r, "unread": unread, "mentions": mentions, "lastSeq": last, "lastReadSeq": read})
}

#[tokio::test]
async fn unread_1_what_others_sent_and_i_may_see_and_have_not_read_is_counted() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    for r in ["r1", "r2", "r3", "r4"] {
        group(pg, "acme", r, "alice", &["bob", "carol"]).await;
    }
    group(pg, "acme", "other", "carol", &["dave"]).await;
    group(pg, "umbrella", "r1", "alice", &["eve"]).await;
    let mut in_thread = message_row("r1", 5, "bob", "in a thread");
    (in_thread.thread_id, in_thread.thread_seq) = (Some("r1-1".into()), Some(1));
    in_thread.followers = vec!["carol".into()];
    send_rows(
        pg,
        "r1",
        vec![
            mentioning(message_row("r1", 1, "bob", "<@alice>"), &["alice"]),
            mentioning(message_row("r1", 2, "alice", "<@alice>"), &["alice"]),
            deleted(message_row("r1", 3, "bob", "gone")),
            to_all(message_row("r1", 4, "bob", "@room")),
            in_thread,
            mentioning(message_row("r1", 6, "bob", "<@carol>"), &["carol"]),
        ],
    )
    .await;
    send_rows(
        pg,
        "r2",
        (1..=120).map(|n| mentioning(message_row("r2", n, "bob", "x"), &["alice"])).collect(),
    )
    .await;
    send_rows(pg, "r3", vec![message_row("r3", 1, "bob", "before"), message_row("r3", 2, "bob", "after")])
        .await;
    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r3';
             UPDATE chat_room_members SET joined_seq = 1 WHERE room_id = 'r3' AND user_id = 'alice';
             UPDATE chat_room_members SET last_read_seq = 1 WHERE room_id = 'r1' AND user_id = 'carol'",
    )
    .await;
    let of_alice = unread(pg, "alice").await;
    assert_eq!(
        of_alice,
        [row("r1", 3, 2, 6, 0), row("r2", 100, 120, 120, 0), row("r3", 1, 0, 2, 0), row("r4", 0, 0, 0, 0)]
    );
    let of_carol = row("r1", 4, 2, 6, 1);
    assert_eq!(unread(pg, "carol").await[1], of_carol, "her own marker, and a thread that she follows");
    assert_eq!(unread(pg, "bob").await[0]["unread"], 1, "bob's own never");
    for r in &of_alice {
        let id = r["roomId"].as_str().expect("id");
        let object = db::get_room(pg, &tenant("acme"), &user("alice"), &room(id))
            .await
            .expect("get")
            .expect("in")
            .room;
        let same = (&object["unread"], &object["mentions"], &object["lastSeq"], &object["me"]["lastReadSeq"]);
        assert_eq!(
            same,
            (&r["unread"], &r["mentions"], &r["lastSeq"], &r["lastReadSeq"]),
            "one rule for both"
        );
    }
    let mut read = batch("acme", "r2", 120, 120, vec![]);
    read.reads.insert(user("alice"), read_to(120));
    done(pg, &read).await;
    assert_eq!(unread(pg, "alice").await[1], row("r2", 0, 0, 120, 120));
    sql(pg, "DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice'").await;
    assert_eq!(unread(pg, "alice").await.len(), 3, "a room left is no room of hers");
    assert!(unread(pg, "nobody").await.is_empty());
}

fn ids(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.message.id.as_str()).collect()
}

async fn mentions(pg: &NativePostgres, who: &str) -> Vec<Found> {
    db::mentions(pg, &tenant("acme"), &user(who), &Place::newest(), 100).await.expect("mentions")
}

#[tokio::test]
async fn mentions_1_are_those_of_my_rooms_newest_first_and_never_mine() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r2", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r3", "carol", &["bob"]).await;
    let at = |mut message: MessageRow, second: u64| {
        message.created_at_ms = DAY_MS + second * 1000;
        message
    };
    let first = vec![
        at(mentioning(message_row("r1", 1, "bob", "1"), &["alice", "carol"]), 1),
        at(to_all(message_row("r1", 2, "bob", "2")), 4),
        at(mentioning(message_row("r1", 3, "alice", "3"), &["alice"]), 5),
        at(to_all(mentioning(message_row("r1", 4, "bob", "4"), &["alice"])), 6),
        at(mentioning(message_row("r1", 5, "bob", "5"), &["carol"]), 7),
    ];
    send_rows(pg, "r1", first.clone()).await;
    send_rows(
        pg,
        "r2",
        vec![
            at(mentioning(message_row("r2", 1, "bob", "1"), &["alice"]), 2),
            at(mentioning(message_row("r2", 2, "bob", "2"), &["alice"]), 3),
            at(to_all(message_row("r2", 3, "alice", "3")), 8),
        ],
    )
    .await;
    send_rows(pg, "r3", vec![at(mentioning(message_row("r3", 1, "bob", "not hers"), &["alice"]), 9)]).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r2-3", "r1-5", "r1-4", "r1-2", "r1-1"]);

    let mut walked = Vec::new();
    let mut place = Place::newest();
    loop {
        let page = db::mentions(pg, &tenant("acme"), &user("alice"), &place, 2).await.expect("page");
        let Some(last) = page.last() else { break };
        place = Place::parse(&last.place.text()).expect("cursor");
        walked.extend(page.iter().map(|found| found.message.id.clone()));
        if walked.len() == 2 {
            // One that was shown goes, and a new one comes: nothing else moves.
            let mut edited = first.clone();
            edited[3] = deleted(edited[3].clone());
            done(
                pg,
                &batch(
                    "acme",
                    "r1",
                    5,
                    6,
                    vec![edited[3].clone(), at(to_all(message_row("r1", 6, "bob", "new")), 20)],
                ),
            )
            .await;
        }
    }
    assert_eq!(walked, ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);

    // An edit takes one name out and puts another in.
    let mut edited = first[0].clone();
    (edited.version, edited.mentions) = (2, vec!["bob".into(), "carol".into()]);
    done(pg, &batch("acme", "r1", 6, 7, vec![edited])).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-6", "r1-2", "r2-2", "r2-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r1-6", "r2-3", "r1-5", "r1-2", "r1-1"]);

    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r1';
             UPDATE chat_room_members SET joined_seq = 2 WHERE room_id = 'r1' AND user_id = 'alice';
             DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice'",
    )
    .await;
    assert_eq!(
        ids(&mentions(pg, "alice").await),
        ["r1-6"],
        "nothing from before she came, or from a room she left"
    );
    assert!(mentions(pg, "nobody").await.is_empty());
    let other =
        db::mentions(pg, &tenant("umbrella"), &user("alice"), &Place::newest(), 9).await.expect("mentions");
    assert!(other.is_empty(), "another tenant's alice");
}

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
            WHERE chat_words(content) @@ to_tsquery('simple', '''' || $1 || ''':*') AND content ILIKE '%' || $1 || '%'
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
    for text in crate::postgres::migrations() {
        sql(pg, &text).await;
    }
    let parts: Option<String> = pg
        .client
        .query_one("SELECT to_regclass('chat_messages_parts')::text", &[])
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
    liked.reactions.push(ReactionRow { emoji: "👍".into(), user_id: "bob".into() });
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
