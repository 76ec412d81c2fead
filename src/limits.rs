//! Every limit of the Worker, with its unit and reason, and the overrides of the variable `LIMITS`. Rule ids refer to
//! docs/PROTOCOL.md.
//! Not here: numbers of the build (xtask) and of the web client.

use serde::{Deserialize, Serialize};

// --- What a client may send ----------------------------------------------------------------------

/// Code points of a message (MSG-1).
pub const CONTENT_CHARS_MAX: usize = 4_000;
/// Code points of a room's name (ROOM-6).
pub const ROOM_NAME_CHARS_MAX: usize = 100;
/// Code points of a person's name, of their title and of the text of their status (PEOPLE-1), as of a room's name.
pub const PERSON_TEXT_CHARS_MAX: usize = 100;
/// Bytes of an avatar's URL (PEOPLE-1), as of an attachment's.
pub const AVATAR_URL_BYTES_MAX: usize = ATTACHMENT_URL_BYTES_MAX;
/// Code points of a time zone's name (PEOPLE-1): the longest of the IANA database has 32.
pub const TIMEZONE_CHARS_MAX: usize = 64;
/// Code points of a directory's query (PEOPLE-3), as of a name.
pub const DIRECTORY_QUERY_CHARS_MAX: usize = PERSON_TEXT_CHARS_MAX;
/// Code points of a `clientId` (MSG-2).
pub const CLIENT_ID_CHARS_MAX: usize = 64;
/// Code points of an attachment's name and of its MIME type: the longest file name that common file systems store.
pub const ATTACHMENT_TEXT_CHARS_MAX: usize = 255;
/// Bytes of an attachment's URL (MSG-4): every browser handles URLs of this length.
pub const ATTACHMENT_URL_BYTES_MAX: usize = 2_048;
/// Bytes of a message object as JSON, without its reactions (MSG-6): 4,000 characters of 4 bytes each, and 8 KiB for
/// attachments, mentions and ids. A page of 100 such messages is 2.4 MB.
pub const MESSAGE_BYTES_MAX: usize = 24 * 1024;
/// UTF-8 bytes of one reaction's emoji (REACT-1).
pub const EMOJI_BYTES_MAX: usize = 64;
/// Characters of a custom emoji's name (REACT-1): names of common chats have at most as many, with few exceptions.
pub const CUSTOM_EMOJI_CHARS_MAX: usize = 32;
/// People whom a message names for one emoji (REACT-3); it counts the others. A tooltip has no place for more names.
pub const REACTORS_NAMED_MAX: usize = 20;
/// People whom an event names to legacy clients for one emoji (REACT-4): they count what they see.
pub const REACTORS_LEGACY_MAX: usize = 100;
/// Bytes of the JSON of all people whom a message does not name (REACT-5): half of the platform's largest row (2 MB).
/// 500 people with ids of 36 characters and 20 emoji take 390 KB.
pub const REACTORS_BYTES_MAX: usize = 1 << 20;
/// Different emoji on one message (REACT-2).
pub const EMOJI_KINDS_MAX: usize = 20;
/// Bytes of a JSON body: 256 KiB (PROTOCOL.md, "14. REST"). 500 member ids of 128 characters of 4 bytes just fit.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Members of a group (ROOM-7).
pub const GROUP_MEMBERS_MAX: usize = 500;
/// Code points of a room's topic (ROOM-6): two text messages of a phone. Each change of it is delivered to everybody.
pub const ROOM_TOPIC_CHARS_MAX: usize = 300;
/// Code points of the reason of a ban or a report: enough for a few sentences. Every page of the audit log repeats it.
pub const REASON_CHARS_MAX: usize = 500;
/// Bans in force in one room. The room keeps them in memory beside its members, so there are at most as many.
pub const BANS_MAX: usize = GROUP_MEMBERS_MAX;
/// Seconds of slow mode: six hours (SLOW-1).
pub const SLOW_MODE_S_MAX: u64 = 21_600;
/// The end of the year 9999, in Unix milliseconds: the end of a mute without end. JavaScript and Postgres both have it.
pub const FOREVER_MS: u64 = 253_402_300_799_000;
/// Words and hosts of one tenant's moderation: published lists for five languages have about 4,000 words together.
pub const MODERATION_WORDS_MAX: usize = 5_000;
/// Code points of one word or host.
pub const MODERATION_WORD_CHARS_MAX: usize = 100;
/// Send times that a room remembers of one person: the largest number that a flood rule can count.
pub const MODERATION_TIMES_KEPT_MAX: usize = 100;
/// Nesting of JSON (ERR-1); serde_json has the same limit.
pub const JSON_DEPTH_MAX: usize = 128;

// --- What a client receives ----------------------------------------------------------------------

/// Versions that an edited message keeps besides its first: with 4,000 characters of 4 bytes each they fit into one
/// batch to Postgres.
pub const VERSIONS_KEPT_MAX: u64 = 50;
/// Items of a REST page (PROTOCOL.md, "14. REST").
pub const PAGE_MAX: u64 = 100;
pub const PAGE_DEFAULT: u64 = 50;
/// Bytes of a page's messages (HIST-4): a phone on a slow line (3 Mbit/s) has it within 3 s, and 10 pages at once take
/// less than a quarter of an isolate's 128 MB with their copies.
pub const PAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes of an answer that cost as much as a call (LIMIT-6): a page of 50 usual messages has fewer, the largest page costs
/// 17 calls. One person can so read 0.6 MiB a second of a room, after 2.5 MiB at once.
pub const PAGE_UNIT_BYTES: usize = 64 * 1024;
/// Bytes of the history's messages after an upgrade (HIST-5): half of what may wait for a slow socket.
pub const HISTORY_BYTES_MAX: usize = 512 * 1024;
/// Bytes of all histories and replays of a room that wait for sockets (HIST-7), a text for many counted once: four of the
/// largest replays, an eighth of an isolate of 128 MB.
pub const FIRST_LOADS_BYTES_MAX: usize = 16 << 20;
/// Messages of the history after an upgrade (HIST-1).
pub const HISTORY_MAX: u64 = 100;
pub const HISTORY_DEFAULT: u64 = 50;
/// Events of one replay; above it is `resync too_many` (REPLAY-3). 500 clients can each resume this many at once.
pub const REPLAY_EVENTS_MAX: u64 = 1_000;
/// Bytes of one replay: four times what may wait for a slow socket. It is delivered over several turns.
pub const REPLAY_BYTES_MAX: usize = 4 << 20;
/// The percentage of `Limits::storage_bytes` from which on a room has an outbox alert (SIZE-1): a room that takes a
/// message a second needs a month from there to the end.
pub const STORAGE_ALERT_PERCENT: u64 = 80;
/// The percentage from which on new content is refused (SIZE-2). The rest, 500 MB, is for tombstones, markers, audit notes
/// and what Postgres must still get.
pub const STORAGE_FULL_PERCENT: u64 = 95;
/// A client for which more than `Limits::waiting_bytes` wait and to which nothing has left for this long is closed
/// (CLOSE-4420): a phone that changes its network needs less.
pub const SLOW_MS: u64 = 2_000;
/// Bytes of earlier turns that the room holds for one socket at most (CLOSE-4420), whatever its client reads. Sockets
/// share the texts, so all of them together hold little more.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// The interval at which held events are offered again to sockets that took nothing the last time.
pub const DELIVERY_POLL_MS: u64 = 20;
/// The share of `Limits::waiting_bytes` that is handed to the platform for one socket: a quarter, so that 128 MB hold
/// what the platform copies for 500 sockets, none of which reads.
pub const WINDOW_SHARE: usize = 4;
/// Bytes of gathered events per frame: a phone parses 256 KiB within one refresh of its screen.
pub const FRAME_OUT_BYTES_MAX: usize = 256 * 1024;
/// Members listed inside a room object (PROTOCOL.md, "14. REST").
pub const ROOM_MEMBERS_LISTED_MAX: usize = 50;
/// Pinned messages of a room (PROTOCOL.md, "5. Messages"): their list is one row, at most 20 KiB.
pub const PINS_MAX: usize = 50;
/// People whom the list of a message's readers names; the rest is counted. As many as a page has.
pub const READERS_MAX: usize = PAGE_MAX as usize;
/// The largest room in which read markers are shared (HELLO-2).
pub const RECEIPTS_MEMBERS_MAX: usize = 50;
/// The cap of a count of unread messages or mentions (UNREAD-1).
pub const UNREAD_MAX: u64 = 100;
/// Messages that a count looks at (UNREAD-1), the person's own among them: 0.5 µs each.
pub const UNREAD_WALK_MAX: u64 = 2_000;
/// The newest threads that a person follows in a room whose replies are counted (UNREAD-1): 2 µs each.
pub const UNREAD_THREADS_MAX: u64 = 300;
/// Rooms on a page of `GET /unread`, and memberships that are looked at for it: a page is short rather than slow, also
/// for somebody with 100,000 rooms (bench/results/callers.md). Each room is counted by 200 lookups at most, usually.
pub const UNREAD_ROOMS_MAX: u64 = 50;
pub const UNREAD_ROOMS_WALK_MAX: u64 = 2_000;
/// People of the caller's newest rooms whom the directory lists first (PEOPLE-3): 3,000 look-ups at most, 1 to 2 µs each.
pub const DIRECTORY_NEAR_ROOMS_MAX: u64 = 60;
pub const DIRECTORY_NEAR_MEMBERS_MAX: u64 = 50;
/// People whom a page of the directory compares in the order of their names (PEOPLE-3): about 2 µs each.
pub const DIRECTORY_WALK_MAX: u64 = 1_000;
/// People whom the index of parts may bring for a page (PEOPLE-3): words that more people have are found by the walk.
pub const DIRECTORY_FOUND_MAX: u64 = 2_000;
/// The same where only people are listed with whom the caller shares a room: looking for that room takes 40 µs each.
pub const DIRECTORY_SHARED_FOUND_MAX: u64 = 100;
/// Characters of a folded name by which the directory is ordered: an entry of an index has at most 2.7 KB.
pub const DIRECTORY_SORT_CHARS_MAX: usize = 64;
/// People of `GET /people?ids` (PEOPLE-2): a page.
pub const PEOPLE_IDS_MAX: usize = 100;
/// People of `POST /people/bulk` (PEOPLE-4): their largest profiles fit into four bodies; a tenant of 100,000 takes 200.
pub const PEOPLE_BULK_MAX: usize = 500;
/// Rooms that learn at once that tokens of a person are refused (PEOPLE-6), and by one request: a Worker may make 1,000
/// subrequests. The next request goes on with the others.
pub const SESSION_ROOMS_AT_ONCE: u64 = 50;
pub const SESSION_ROOMS_MAX: u64 = 500;
/// When a request that has not reached all rooms may be repeated: at once, another isolate may take it.
pub const SESSIONS_RETRY_AFTER_MS: u64 = 1_000;
/// People whom one can block (PEOPLE-8): their largest profiles, 3.6 KiB each, fit into one page of 1 MiB.
pub const BLOCKS_MAX: u64 = 250;
/// Messages that a person can have saved (SAVED-3): more than anybody looks through. A full list costs 20 µs a message.
pub const SAVED_MAX: u64 = 10_000;
/// A person's threads that are sorted for a page of `GET /threads` (THREAD-6), and the rooms in which they are looked for:
/// 10 µs each. For somebody who follows more, or is in more rooms, so many of the tenant's threads are walked.
pub const THREADS_FEW_MAX: u64 = 2_000;
pub const THREADS_ROOMS_MAX: u64 = 2_000;
pub const THREADS_WALK_MAX: u64 = 3_000;
/// Replies of a thread that its count of unread ones looks at (THREAD-7), the person's own among them.
pub const THREAD_REPLIES_WALK_MAX: u64 = 200;
/// Rows that a page of saved messages passes over (SAVED-2), of rooms that the person has left and the like: 10 µs each.
pub const SAVED_WALK_MAX: u64 = 1_000;
/// How often an isolate writes a person's profile although their token says nothing new (PEOPLE-1): another isolate, or a
/// restore, may have an older one.
pub const PROFILE_EVERY_MS: u64 = 3_600_000;
/// People of whom an isolate remembers that: 10,000 take 400 KB.
pub const PROFILES_KEPT_MAX: usize = 10_000;
/// Memberships of a person that are sorted for a page of `GET /rooms/list` (LIST-1): 4 µs each. For a person in more
/// rooms the tenant's rooms are walked, newest first: 3 µs each (bench/results/callers.md).
pub const LISTED_SORTED_MAX: u64 = 3_000;
pub const LISTED_WALK_MAX: u64 = 5_000;
/// The same for messages that mention a whole room, on a page of `GET /mentions` (MENTIONS-2): of each room up to so many
/// memberships, 8 µs each; beyond it so many of the tenant's messages. Those that name the person are walked likewise.
pub const MENTIONS_ROOMS_MAX: u64 = 2_000;
pub const MENTIONS_WALK_MAX: u64 = 4_000;
/// Hits per page of a search by default: one screen.
pub const SEARCH_PAGE_DEFAULT: u64 = 20;
/// Code points of a search query.
pub const SEARCH_CHARS_MAX: usize = 500;
/// Words and phrases of one search: each is compared with every message that is scanned.
pub const SEARCH_TERMS_MAX: usize = 10;
/// Rooms that are scanned one by one. For a person in more rooms, the whole tenant's messages are scanned.
pub const SEARCH_ROOMS_MAX: u64 = 300;
/// Messages that a search scans before it returns a short page: 7 µs each where their pages are not in Postgres' own
/// memory, so 45 ms (docs/SEARCH.md).
pub const SEARCH_WALK: u64 = 6_000;
/// Messages that a search reads by an index before it walks instead (docs/SEARCH.md): 5 µs each.
pub const SEARCH_FOUND_MAX: u64 = 3_000;
/// Entries that an index merges for a search, by the statistics of its words' three-letter pieces: 7 ns each, so 40 ms.
/// With more the search walks (docs/SEARCH.md).
pub const SEARCH_ENTRIES_MAX: u64 = 6_000_000;
/// The time after which a search by an index is given up for a walk, in milliseconds: half of what a search may take. The
/// walk is half as long then.
pub const SEARCH_INDEX_MS: u64 = 40;
/// The interval at which clients should ping: half of the shortest idle timeout of common proxies (60 s).
pub const HEARTBEAT_MS: u64 = 25_000;

// --- Time within a room -------------------------------------------------------------------------

/// A client that had pinged and is silent for longer is closed (CLOSE-4408).
pub const HEARTBEAT_TIMEOUT_MS: u64 = 60_000;
/// The shortest interval between two checks for silent clients; they run when the room runs anyway (CLOSE-4408).
pub const HEARTBEAT_SWEEP_MS: u64 = 30_000;
/// The presence grace: how long a person counts as online after their last socket closed (PRES-1).
pub const LEAVE_GRACE_MS: u64 = 5_000;
/// Joins within this time are sent as one frame: broadcasting 500 joins one by one costs 3.4 s of CPU
/// (docs/PLATFORM.md, Where the time goes).
pub const JOIN_GATHER_MS: u64 = 100;
/// Typing ends after this time without another frame (TYPE-3).
pub const TYPING_EXPIRES_MS: u64 = 6_000;
/// People that a typing event names (TYPE-6); it counts the others. A line of the page has no place for more names.
pub const TYPING_NAMED_MAX: usize = 5;
/// A repeated typing frame is delivered only when less than this is left of the last one.
pub const TYPING_REFRESH_MS: u64 = 3_000;
/// Read receipts within this time are sent together: nobody waits for a check mark.
pub const RECEIPT_GATHER_MS: u64 = 250;
/// The leeway of a token's times (AUTH-2).
pub const TOKEN_LEEWAY_S: u64 = 30;
/// Bytes of `JWT_SECRET` at least: a key as long as the hash (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a token at most: common servers accept a header of this size, and the room stores the claims with a socket.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Bits of an RSA key: RFC 7518, section 3.3, requires the minimum; the crate `rsa` has the maximum.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The lifetime of a signed download (FILE-8): a page is shown and its images are fetched within it, and a URL that is
/// passed on is soon worth nothing.
pub const DOWNLOAD_URL_MS: u64 = 300_000;
/// The lifetime of a WebSocket ticket (PROTOCOL.md, "2. Identity").
pub const TICKET_MS: u64 = 30_000;

// --- Misuse --------------------------------------------------------------------------------------

/// Malformed frames of one socket within `MALFORMED_WINDOW_MS` before it is closed (CLOSE-4400).
pub const MALFORMED_MAX: u64 = 5;
pub const MALFORMED_WINDOW_MS: u64 = 10_000;
/// After a close for what a client sent the person's upgrades in this room are refused for this long. Such a client brings
/// hundreds of frames until the close has arrived: two connections a second made the others' 99th percentile five times
/// what it is (bench/results/loops.md).
pub const MISUSE_REST_MS: u64 = 10_000;
/// More than `FLOOD_FACTOR` times the frame limit over this time is a flood (CLOSE-4429).
pub const FLOOD_WINDOW_MS: u64 = 10_000;
pub const FLOOD_FACTOR: u64 = 5;

/// Connection ids per millisecond. An id begins with the time, so no id is used twice. A room accepts a few sockets a
/// millisecond at most.
pub const CONNECTIONS_PER_MS: u64 = 1_000;

/// People whose rates a room remembers before it forgets full token buckets: four times the largest group.
pub const RATES_KEPT_MAX: usize = 2_048;

// --- Files --------------------------------------------------------------------------------------

/// Bytes at a file's beginning that are inspected: a JPEG's size follows its metadata segments, each up to 64 KiB.
pub const FILE_HEAD_BYTES: usize = 256 * 1024;
/// Bytes per write to the bucket: a request arrives in chunks of 4 KiB, and each call into JavaScript costs.
pub const FILE_PIECE_BYTES: usize = 128 * 1024;
/// An upload that no message refers to is removed after 24 h (FILE-5).
pub const UPLOAD_UNSENT_MS: u64 = 86_400_000;
/// An upload takes at most this long, and an interrupted one is removed after it (FILE-5): 100 MiB at 30 KiB/s.
pub const UPLOAD_MAX_MS: u64 = 3_600_000;
/// A failed upload is removed after this: by then the bucket has finished what it was still doing, and so has Postgres
/// the statement that counts the file (RATE-3).
pub const UPLOAD_SETTLES_MS: u64 = 30_000;
/// Objects per removal: R2 accepts 1,000 (docs/PLATFORM.md, Queues, buckets and logs).
pub const REMOVAL_BATCH_MAX: u64 = 1_000;
/// A removal without an answer after this is requested again.
pub const REMOVAL_LEASE_MS: u64 = 30_000;
/// The backoff after a failed removal, doubled each time up to the maximum: deleted files must go, but nobody waits.
pub const REMOVAL_RETRY_MIN_MS: u64 = 1_000;
pub const REMOVAL_RETRY_MAX_MS: u64 = 300_000;

// --- Postgres, queues and keys -------------------------------------------------------------------

/// Events per batch (OUT-2): past 250 rows the time per row no longer falls
/// (docs/PLATFORM.md, Postgres through Hyperdrive).
pub const BATCH_ROWS_MAX: u64 = 250;
/// Audit notes per batch: at most 100 KB beside its messages.
pub const AUDIT_BATCH_MAX: u64 = 100;
/// Bytes of the reported texts per batch: a quarter of what its messages may have.
pub const AUDIT_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Events that slow mode reads to find a person's last message, once per person after the room was loaded.
pub const SLOW_LOOK_BACK_EVENTS: u64 = 1_000;
/// Replies that are looked at for one of the same millisecond as a deleted one: more than a thread gets in one turn.
pub const SAME_MS_REPLIES: u64 = 32;
/// The outcome of a room's deletion that is unknown (a crash, a lost reply) is checked after this. A late commit in
/// Postgres has happened by then.
pub const DELETION_CHECK_MS: u64 = 30_000;
/// Rows of a deleted room that one statement deletes (GONE-5): about 0.1 s of Postgres with their indexes
/// (docs/RELIABILITY.md, The real parts).
pub const ERASE_ROWS_MAX: u64 = 2_000;
/// The pause between two of these statements: a deletion leaves Postgres to the rooms that are used.
pub const ERASE_PAUSE_MS: u64 = 20;
/// Bytes of one statement's JSON (OUT-2).
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// A statement, or opening a connection, is abandoned after this: a Postgres that accepts packets and never answers
/// must cost at most 10 s a try (docs/PLATFORM.md, Postgres through Hyperdrive).
pub const STATEMENT_TIMEOUT_MS: u64 = 8_000;
/// The deadline when the Worker asks Postgres for a membership; after it the room decides by the members it knows.
pub const ACCESS_TIMEOUT_MS: u64 = 2_500;
/// The window of quotas by the day (RATE-2, RATE-4): a day of UTC.
pub const DAY_MS: u64 = 86_400_000;
/// A room's idle connection is closed after this, because it keeps the room awake and billed (TIME-1): a second awake
/// costs as much as 1.6 written rows, and a new connection a few milliseconds of CPU (docs/COST.md).
pub const CONNECTION_LINGER_MS: u64 = 100;
/// The same if the statement before was not longer ago than this: people are talking, and the room would hardly sleep in
/// between.
pub const CONNECTION_BUSY_MS: u64 = 1_200;
/// A read marker that moved and is held by a socket waits this long for a batch of events (READ-7): the people of a large
/// room read a message within about as long, and one batch of their markers costs 4 written rows.
pub const MARKERS_WAIT_MS: u64 = 30_000;
/// How long a room gathers events for a batch: this many times what its last batch took, within these bounds. Each
/// batch is a statement and a written row, and nobody waits for it. Where Postgres or the core is busy, batches take
/// longer, and fewer and larger ones are what helps. Lists show a message within a second.
pub const DRAIN_GATHER_PER_BATCH: u64 = 20;
pub const DRAIN_GATHER_MIN_MS: u64 = 200;
pub const DRAIN_GATHER_MAX_MS: u64 = 500;
/// After Postgres failed, the Worker does not ask it for memberships during this time: the rooms decide.
pub const ACCESS_REST_MS: u64 = 2_000;
/// The backoff of a failing drain, doubled each time up to the maximum. Once Postgres is back, an idle room is equal
/// within 10 s plus the time that its rows take (docs/RELIABILITY.md, "Promised").
pub const RETRY_MIN_MS: u64 = 500;
pub const RETRY_MAX_MS: u64 = 8_000;
/// The longest backoff of an outbox alert that the tenant's list didn't confirm: nobody waits for it, and each try
/// keeps the room awake.
pub const ALERT_RETRY_MAX_MS: u64 = 30_000;
/// The interval at which a halted outbox (schema or credentials wrong) tries again: an operator has to act first.
pub const HALTED_RETRY_MS: u64 = 60_000;
/// The delay of the alarm that finishes what a crash interrupted; at least `ALARM_MIN_MS`.
pub const ALARM_DELAY_MS: u64 = 5_000;
/// An alarm that is set already and comes this much later is kept: another one is a written row, and only a crash would
/// notice the difference.
pub const ALARM_LATE_MS: u64 = 30_000;
/// The shortest delay of an alarm (docs/PLATFORM.md, Hibernation and alarms).
pub const ALARM_MIN_MS: u64 = 200;
/// Changes in one snapshot, each with its author. More happen only while the room can't reach Postgres; the newest
/// count.
pub const SNAPSHOT_CHANGES_MAX: u64 = 1_000;
/// People whom one statement changes, and a single change at most: the largest group.
pub const CHANGE_PEOPLE_MAX: usize = GROUP_MEMBERS_MAX;
/// Attempts of a change that Postgres did not take: the room was changed past its object, or Postgres was away. The pause
/// after Postgres was away lets a start or an overload pass.
pub const CHANGE_TRIES_MAX: u32 = 5;
pub const CHANGE_RETRY_MS: u64 = 250;
/// Changes that may wait in a room's object: of twice the largest group at once. Each holds a request open.
pub const CHANGES_WAITING_MAX: usize = 1_000;
/// Of these one person's: somebody who sends changes in a loop leaves place for the others.
pub const CHANGES_WAITING_PERSON_MAX: usize = 100;
/// A change that was not made after this is refused: longer than one attempt takes, shorter than clients wait (30 s).
pub const CHANGE_WAIT_MS: u64 = 20_000;
/// A planner that holds its lease longer is lost: two statements, the pause, and some more.
pub const CHANGE_LEASE_MS: u64 = 2 * STATEMENT_TIMEOUT_MS + 1_000;
/// The `retryAfterMs` of a change that was refused because others wait.
pub const CHANGE_RETRY_AFTER_MS: u64 = 1_000;
/// A room whose oldest waiting event is older has an outbox alert (OUT-12).
pub const ALERT_LAG_MS: u64 = 30_000;
/// The shortest interval at which a room with an alert reports its lag: 1,000 rooms are 3 requests a second.
pub const ALERT_REFRESH_MS: u64 = 300_000;
/// A report without an answer after this is sent again: a request between objects takes milliseconds.
pub const ALERT_LEASE_MS: u64 = 10_000;
/// How long the list remembers a room without an alert, so that it recognises a late report.
pub const ALERT_FORGET_MS: u64 = 3_600_000;
/// Rooms in one answer of `/admin/outbox`: with more, the cause is Postgres and not a room.
pub const ALERTS_LISTED_MAX: u64 = 1_000;
/// A person counts as present for a notification if a client of theirs was heard or pinged within this time before the
/// message (NOTIFY-8): the interval at which clients ping, and 10 s for a slow line.
pub const NOTIFY_PRESENT_MS: u64 = HEARTBEAT_MS + 10_000;
/// Events back from the newest notified one in which those that a lost client missed are looked for: what a busy room
/// says in 35 s.
pub const NOTIFY_MISSED_EVENTS: u64 = BATCH_ROWS_MAX;
/// People per webhook: 200 ids of 128 characters of 4 bytes stay below the 128 KB of a message of the queue, in which a
/// webhook that failed waits (docs/PLATFORM.md, Queues, buckets and logs).
pub const NOTIFY_USERS_MAX: usize = 200;
/// Bytes of the events of a message of the queue (250 without mentions take 22 KB; a single one has at most 20 KB), and
/// of its people (490 ids of 36 characters take 24 KB). Together they stay below its 128 KB.
pub const NOTICES_EVENTS_BYTES_MAX: usize = 32 * 1024;
pub const NOTICES_ABSENT_BYTES_MAX: usize = 48 * 1024;
/// Notices that the queue did not accept are sent to it again after this: each try keeps the room awake.
pub const NOTIFY_OFFER_MS: u64 = 10_000;
/// Notices per call of the queue, and their bytes: the queue accepts 100 and 256 KB.
pub const NOTIFY_BATCH_MAX: usize = 100;
pub const NOTIFY_BATCH_BYTES_MAX: usize = 200 * 1024;
/// A call of the queue without an answer after this counts as failed: it keeps the room awake.
pub const QUEUE_TIMEOUT_MS: u64 = 3_000;
/// An offering to the queue that got no answer at all is given up after this: its calls have failed by then.
pub const QUEUE_LEASE_MS: u64 = 2 * QUEUE_TIMEOUT_MS;
/// Webhooks for one message of the queue, before the rest of it is put back: 10 messages at once stay below the 1,000
/// requests that an invocation may make.
pub const NOTIFY_WEBHOOKS_MAX: usize = 50;
/// After so many failed webhooks one after the other, the rest of their message waits: the receiver is down.
pub const NOTIFY_FAILURES_MAX: u32 = 3;
/// Code points of a message's beginning in a notification: two lines of a lock screen.
pub const NOTIFY_PREVIEW_CHARS: u64 = 200;
/// A receiver that has not answered after this failed this attempt. Standard Webhooks recommends 15 to 30 s.
pub const NOTIFY_TIMEOUT_MS: u64 = 15_000;
/// Seconds to the next attempt of a webhook: about as long as the notice has been waiting, within these limits.
pub const NOTIFY_RETRY_MIN_S: u32 = 1;
pub const NOTIFY_RETRY_MAX_S: u32 = 1_800;
/// Bytes of the webhooks' key. Standard Webhooks: 24 to 64.
pub const NOTIFY_SECRET_BYTES_MIN: usize = 24;
/// Push subscriptions a person: a browser each. Of more, the one unseen for longest ends.
pub const PUSH_SUBSCRIPTIONS_MAX: usize = 20;
/// A device that has not posted its subscription for so many days is not notified any more: its page is not opened.
pub const PUSH_UNSEEN_DAYS: u32 = 90;
/// Bytes of an endpoint. Those of the known services have up to 500.
pub const PUSH_ENDPOINT_BYTES_MAX: usize = 2_048;
/// Bytes of a push before encryption: Firefox on Android takes 2,744 of the encrypted body, which has 103 more.
pub const PUSH_PLAIN_BYTES_MAX: usize = 2_600;
/// Seconds for which a push service keeps what it cannot deliver.
pub const PUSH_TTL_S: u32 = 86_400;
/// A push service that has not answered after this failed this attempt.
pub const PUSH_TIMEOUT_MS: u64 = 10_000;
/// Pushes at once: the platform lets six requests of an event wait for their answer.
pub const PUSHES_AT_ONCE: usize = 6;
/// Pushes for a message of the queue: some 0.5 ms of processor time each, below the 1,000 requests of an event. The rest
/// waits in the queue.
pub const PUSHES_MAX: usize = 400;
/// Seconds to the next attempt of a push: doubled each time within these limits, and at least what the service asks for.
/// After so many attempts, about a day, it is given up.
pub const PUSH_RETRY_MIN_S: u32 = 30;
pub const PUSH_RETRY_MAX_S: u32 = 3_600;
pub const PUSH_TRIES_MAX: u32 = 30;
/// Bytes of a refusal that are read to learn whether the subscription's key is meant.
pub const PUSH_REASON_BYTES_MAX: usize = 1_024;
/// How long a token for a push service is used (Apple wants it to change once an hour at most), and until when it is valid
/// (RFC 8292: below 24 hours).
pub const VAPID_TOKEN_MS: u64 = 3_600_000;
pub const VAPID_LIFETIME_MS: u64 = 12 * 3_600_000;
/// Tokens that an isolate keeps: a service each, of which four are known.
pub const VAPID_ORIGINS_MAX: usize = 64;
/// The time that one event of a room works on the rebuild of its log (REBUILD-4): the platform stops an event after 30 s
/// of processor time, of which this takes 6 s at most.
pub const REBUILD_SLICE_MS: u64 = 10_000;
/// Whoever has worked on a rebuild for longer without a page is lost: a connection, a statement, and some more.
pub const REBUILD_LEASE_MS: u64 = 2 * STATEMENT_TIMEOUT_MS + 1_000;
/// The `retryAfterMs` of a room that is being rebuilt: the rest at the speed so far, within these limits. A person looks
/// again within 30 s, and 500 clients are not more than 500 requests a second.
pub const REBUILD_RETRY_AFTER_MS: std::ops::RangeInclusive<u64> = 1_000..=30_000;
/// `GET /health?deep=1` queries Postgres at most once in this time, whoever asks: each query wakes a suspended database
/// (10 s: longer than `STATEMENT_TIMEOUT_MS`).
pub const HEALTH_QUERY_EVERY_MS: u64 = 10_000;
/// A person's inbox counts as open in Postgres for this long (INBOX-5). It is killed without a word when its machine is,
/// and is poked in vain until then.
pub const INBOX_LEASE_MS: u64 = 75 * 60_000;
/// The interval at which an open inbox renews its lease and compares everything: two renewals may fail, and a statement
/// an hour or two keeps no database awake.
pub const INBOX_RENEW_MS: u64 = 30 * 60_000;
/// An inbox that has just taken its lease compares everything once more after this: a statement that began before the
/// lease, and so names nobody, has ended by then.
pub const INBOX_SETTLE_MS: u64 = STATEMENT_TIMEOUT_MS + 1_000;
/// The shortest interval between two questions of an inbox: what many rooms report within it is one question.
pub const INBOX_ASK_EVERY_MS: u64 = 200;
/// The shortest interval between two activities of a room in an inbox (INBOX-4), and between two pokes of a room.
pub const INBOX_ROOM_EVERY_MS: u64 = 1_000;
/// Rooms that one question of an inbox asks for; more wait for the next. A room costs about 0.2 ms of Postgres.
pub const INBOX_ASK_ROOMS_MAX: usize = 100;
/// Rooms whose list entry an inbox remembers: the newest 100 that it shows, and as many again that others have displaced.
pub const INBOX_ROOMS_MAX: usize = 2 * PAGE_MAX as usize;
/// Changes of the list of saved messages in one answer to an inbox (INBOX-10); more come with the next one.
pub const INBOX_SAVED_MAX: usize = 100;
/// A message of a room that an inbox does not know yet is notified of while it is younger than this (INBOX-11): such a room
/// is new, or was behind those that are shown, where old messages may be unread.
pub const INBOX_NOTICE_FRESH_MS: u64 = INBOX_RENEW_MS;
/// Unread messages of a room among which an inbox looks for one to notify of, newest first: a few times what a lively room
/// sends within a second.
pub const INBOX_NOTICES_LOOK_MAX: u64 = 50;
/// A person is away after this long without activity on any device (PRES-8).
pub const AWAY_AFTER_MS: u64 = 10 * 60_000;
/// The shortest interval between two changes of a person's presence that others see (PRES-9): a client that flips it with
/// each frame costs no more than one that comes and goes.
pub const PRESENCE_EVERY_MS: u64 = 10_000;
/// Somebody has left while Postgres is away: the next attempt to write it.
pub const PRESENCE_RETRY_MS: u64 = 30_000;
/// Direct partners of whom an inbox hears, and who hear of its person (PRES-7).
pub const PARTNERS_MAX: usize = PAGE_MAX as usize;
/// Rooms of a person among which the partners are looked for who hear of another profile (INBOX-9): 1,000 lookups.
pub const PARTNERS_ROOMS_MAX: u64 = 1_000;
/// Rows in which an inbox keeps what it has shown: a room's change is one of them, and none is long.
pub const INBOX_SHARDS: u64 = 8;
/// Turns of an inbox whose events can be resumed: each has one event at least (INBOX-3). A row is overwritten, which costs
/// less than deleting it.
pub const INBOX_TURNS_KEPT: u64 = 1_000;
/// Drafts that an inbox keeps, cleared ones among them (INBOX-8): more than anybody has open. The oldest makes room.
pub const INBOX_DRAFTS_MAX: usize = 100;
/// Bytes of their texts: 32 of the longest. They are in the inbox's memory and in its first event.
pub const INBOX_DRAFT_BYTES_MAX: usize = 512 * 1024;
/// A request between objects is given up after this: it keeps the caller awake (docs/PLATFORM.md, Hibernation and alarms).
pub const OBJECT_TIMEOUT_MS: u64 = 5_000;
/// Pokes of a room that are on the way at once: the platform allows six connections a request, and others wait.
pub const POKES_AT_ONCE: usize = 6;
/// Attempts of a poke; after the last one the inbox's next renewal finds what it missed.
pub const POKE_TRIES_MAX: u32 = 5;
/// A fetch of the JWKS is abandoned after this: somebody waits for their sign-in.
pub const JWKS_FETCH_TIMEOUT_MS: u64 = 5_000;
/// The pause after a failed fetch while no key set is known, instead of `JWKS_REFETCH_MS`: nobody can sign in until
/// then.
pub const JWKS_COLD_RETRY_MS: u64 = 5_000;
/// The interval at which a request polls for another request's result: on Workers it can't await the other's promise. A
/// person doesn't notice 20 ms.
pub const WAIT_STEP_MS: u64 = 20;
/// The shortest interval between two fetches of the JWKS because of unknown keys: invented key ids must not flood the
/// issuer.
pub const JWKS_REFETCH_MS: u64 = 60_000;
/// Known keys are used this long before the JWKS is fetched again.
pub const JWKS_CACHE_MS: u64 = 600_000;
/// Tokens of public keys whose verified signature an isolate remembers: more people than the sockets that fit into its
/// memory. Their digests take about 400 KiB.
pub const TOKENS_KEPT_MAX: usize = 4_096;

const _: () = assert!(TYPING_REFRESH_MS < TYPING_EXPIRES_MS);
const _: () = assert!(PRESENCE_EVERY_MS > LEAVE_GRACE_MS && PRESENCE_EVERY_MS + LEAVE_GRACE_MS < 30_000);
const _: () = assert!(INBOX_SETTLE_MS > STATEMENT_TIMEOUT_MS && 2 * INBOX_RENEW_MS < INBOX_LEASE_MS);
const _: () = assert!(INBOX_DRAFT_BYTES_MAX > 4 * CONTENT_CHARS_MAX && INBOX_DRAFTS_MAX > 1);
const _: () = assert!(STATEMENT_TIMEOUT_MS * 2 < UPLOAD_SETTLES_MS);
const _: () = assert!(HEARTBEAT_MS * 2 < HEARTBEAT_TIMEOUT_MS);
const _: () = assert!(
    ALARM_DELAY_MS >= ALARM_MIN_MS && RETRY_MIN_MS >= ALARM_MIN_MS && REMOVAL_RETRY_MIN_MS >= ALARM_MIN_MS
);
const _: () =
    assert!(CHANGE_LEASE_MS > 2 * STATEMENT_TIMEOUT_MS + CHANGE_RETRY_MS && CHANGE_LEASE_MS < CHANGE_WAIT_MS);
const _: () = assert!(STATEMENT_TIMEOUT_MS <= 10_000 && CONNECTION_LINGER_MS < CONNECTION_BUSY_MS);
const _: () = assert!(MARKERS_WAIT_MS <= ALARM_LATE_MS + ALARM_DELAY_MS);

/// The limits that the variable `LIMITS` can override. Rates are per person and room, over all their sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    pub messages_per_s: f64,
    pub messages_burst: u32,
    pub reactions_per_s: f64,
    pub reactions_burst: u32,
    pub typing_per_s: f64,
    pub typing_burst: u32,
    pub frames_per_s: f64,
    pub frames_burst: u32,
    pub sockets_per_person: u32,
    /// Bytes of earlier turns that may wait for one socket (CLOSE-4420); the platform holds a quarter of them at most.
    pub waiting_bytes: u32,
    /// Bytes that one turn queues over all sockets of a room (BATCH-3): a fifth of an isolate of 128 MB.
    pub turn_bytes: u32,
    /// Bytes of a room's storage, of which 80 % cause an outbox alert and 95 % stop new content (SIZE-1): the platform
    /// has 10 GB for an object.
    pub storage_bytes: u64,
    /// Bytes of an inbound text frame (4413).
    pub frame_bytes: u32,
    /// Bytes of one uploaded file.
    pub attachment_bytes: u64,
    pub attachments_per_message: u32,
    /// Uploads of one person in a room that are in no message yet.
    pub unsent_uploads: u32,
    /// REST calls that read a room: pages, threads, versions (LIMIT-6).
    #[serde(skip_serializing)]
    pub pages_per_s: f64,
    #[serde(skip_serializing)]
    pub pages_burst: u32,
    /// Rooms that a person may create in a day of UTC (RATE-2).
    #[serde(skip_serializing)]
    pub create_per_day: u64,
    /// Rooms that a person may be in (RATE-2).
    #[serde(skip_serializing)]
    pub rooms_per_person: u64,
    /// Bytes of the files that a person may have in all rooms together (RATE-3).
    #[serde(skip_serializing)]
    pub file_bytes_per_person: u64,
    /// Reports that a person may make in a day of UTC (RATE-4): more than a moderator reads of one person.
    #[serde(skip_serializing)]
    pub reports_per_day: u64,
    /// Messages of a page while a log is rebuilt from Postgres (REBUILD-5): storing them takes 25 ms, in which no other
    /// room of the isolate runs.
    #[serde(skip_serializing)]
    pub rebuild_messages: u64,
    /// Bytes of such a page (REBUILD-5); its last message may exceed them by 4 MB, with all its versions and reactions.
    #[serde(skip_serializing)]
    pub rebuild_bytes: u64,
    /// Bytes of a page of a room's messages, replies or versions (HIST-4).
    #[serde(skip_serializing)]
    pub page_bytes: usize,
    /// Bytes of the histories and replays of a room that wait for sockets (HIST-7).
    #[serde(skip_serializing)]
    pub first_loads_bytes: usize,
    /// Whether the rate limits at the edge are in force (RATE-1). Tests and imports turn them off.
    #[serde(skip_serializing, rename = "doorRates")]
    pub edge_rates: bool,
}

impl Default for Limits {
    /// The values of LIMIT-1 to LIMIT-5.
    fn default() -> Self {
        Self {
            messages_per_s: 5.0,
            messages_burst: 10,
            reactions_per_s: 10.0,
            reactions_burst: 20,
            typing_per_s: 2.0,
            typing_burst: 4,
            frames_per_s: 30.0,
            frames_burst: 60,
            sockets_per_person: 10,
            waiting_bytes: 1 << 20,
            turn_bytes: 24 << 20,
            storage_bytes: 10_000_000_000,
            frame_bytes: 64 * 1024,
            attachment_bytes: 100 << 20,
            attachments_per_message: 10,
            // The files of two messages that were sent, and of one that is being written.
            unsent_uploads: 30,
            pages_per_s: 10.0,
            pages_burst: 40,
            create_per_day: 500,
            rooms_per_person: 100_000,
            file_bytes_per_person: 10 << 30,
            reports_per_day: 100,
            rebuild_messages: 500,
            rebuild_bytes: 1 << 20,
            page_bytes: PAGE_BYTES_MAX,
            first_loads_bytes: FIRST_LOADS_BYTES_MAX,
            edge_rates: true,
        }
    }
}

impl Limits {
    /// Reads the variable `LIMITS`; without text the defaults hold.
    ///
    /// # Errors  the text isn't a JSON object of known names with positive numbers.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let limits: Self = serde_json::from_str(text).map_err(|e| format!("LIMITS: {e}"))?;
        let rates = [limits.messages_per_s, limits.reactions_per_s, limits.typing_per_s, limits.frames_per_s];
        let rates = rates.into_iter().chain([limits.pages_per_s]);
        if rates.into_iter().any(|r| !r.is_finite() || r <= 0.0) {
            return Err("LIMITS: a rate must be a positive number".into());
        }
        Ok(limits)
    }
}
