//! Every number of the system, with its unit and reason; and the overrides of the var `LIMITS`.
//! Not here: numbers of the build (xtask) and of the web client.

use serde::{Deserialize, Serialize};

// --- What a client may send ---------------------------------------------------------------------

/// Code points of a message. PROTOCOL.md §3.
pub const CONTENT_CHARS_MAX: usize = 4_000;
/// Code points of a room's name. PROTOCOL.md §2.
pub const ROOM_NAME_CHARS_MAX: usize = 100;
/// Code points of a `clientId`. PROTOCOL.md §3.
pub const CLIENT_ID_CHARS_MAX: usize = 64;
/// Code points of an attachment's name or MIME type, and of its URL: the longest any browser handles without fuss.
pub const ATTACHMENT_TEXT_CHARS_MAX: usize = 255;
pub const ATTACHMENT_URL_CHARS_MAX: usize = 2_048;
/// UTF-8 bytes of one reaction's emoji. PROTOCOL.md, Limits.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Different emoji on one message. PROTOCOL.md, Limits.
pub const EMOJI_KINDS_MAX: usize = 20;
/// Bytes of a REST body that is JSON. Issue 3: 500 member ids of 128 characters of 4 bytes just fit.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// People in a group. PROTOCOL.md §2.
pub const GROUP_MEMBERS_MAX: usize = 500;
/// Code points of a room's topic: a line under the name, twice a text message of a phone; each change of it goes to all.
pub const ROOM_TOPIC_CHARS_MAX: usize = 300;
/// Code points of a reason given for a ban or a report: enough to say why, and it stands in every page of the audit log.
pub const REASON_CHARS_MAX: usize = 500;
/// Bans in force in one room: the room keeps them beside its people, so as many as those.
pub const BANS_MAX: usize = GROUP_MEMBERS_MAX;
/// Seconds of slow mode: six hours. PROTOCOL.md §2.
pub const SLOW_MODE_S_MAX: u64 = 21_600;
/// The end of the year 9999, in Unix milliseconds: a mute for good. JavaScript and Postgres both know that day.
pub const FOREVER_MS: u64 = 253_402_300_799_000;
/// Words and hosts of one tenant's moderation: a list of all there is of five languages has 4,000.
pub const MODERATION_WORDS_MAX: usize = 5_000;
/// Code points of one of them.
pub const MODERATION_WORD_CHARS_MAX: usize = 100;
/// What a room remembers of one person's pace: the most that a rule about floods can count.
pub const MODERATION_TIMES_KEPT_MAX: usize = 100;
/// Nesting of JSON. PROTOCOL.md, Edge answers; serde_json stops there too.
pub const JSON_DEPTH_MAX: usize = 128;

// --- What a client is given ---------------------------------------------------------------------

/// Versions that an edited message keeps besides its first: with 4,000 characters of 4 bytes each they still go into one batch
/// to Postgres.
pub const VERSIONS_KEPT_MAX: u64 = 50;
/// Items of a REST page. PROTOCOL.md §2.
pub const PAGE_MAX: u64 = 100;
pub const PAGE_DEFAULT: u64 = 50;
/// Messages of the history after an upgrade. PROTOCOL.md §3.
pub const HISTORY_MAX: u64 = 100;
pub const HISTORY_DEFAULT: u64 = 50;
/// Events of one replay; more is `resync too_many`. 500 clients that each resume 1,000 events must work (issue 4).
pub const REPLAY_EVENTS_MAX: u64 = 1_000;
/// Bytes of one replay: four times what may wait for a slow socket, so that a replay alone never floods an isolate of 128 MB.
pub const REPLAY_BYTES_MAX: usize = 4 << 20;
/// Bytes of one frame of gathered events before the next is begun: a phone parses 256 KiB within a frame of its screen.
pub const FRAME_OUT_BYTES_MAX: usize = 256 * 1024;
/// Members listed inside a room object. PROTOCOL.md §2.
pub const ROOM_MEMBERS_LISTED_MAX: usize = 50;
/// People up to whom read markers are shared. PROTOCOL.md §3.
pub const RECEIPTS_MEMBERS_MAX: usize = 50;
/// Cap of an unread count. PROTOCOL.md §2.
pub const UNREAD_MAX: u64 = 100;
/// Hits of a page of search unless said: what a screen shows.
pub const SEARCH_PAGE_DEFAULT: u64 = 20;
/// Code points of what is searched for.
pub const SEARCH_CHARS_MAX: usize = 500;
/// Words and phrases of one search: each is looked for in each message that is walked over.
pub const SEARCH_TERMS_MAX: usize = 10;
/// Rooms that are walked one by one; of somebody in more, the whole tenant's messages are walked.
pub const SEARCH_ROOMS_MAX: u64 = 300;
/// Messages a search walks over before it gives a short page: 2 µs each (docs/SEARCH.md).
pub const SEARCH_WALK: u64 = 8_000;
/// Messages an index may be expected to bring up, else it is walked: 5 µs each (docs/SEARCH.md).
pub const SEARCH_FOUND_MAX: u64 = 3_000;
/// How often a client should ping: half of what the quietest proxies cut at (60 s).
pub const HEARTBEAT_MS: u64 = 25_000;

// --- Time within a room -------------------------------------------------------------------------

/// A pinging client that is silent for longer is closed 4408. PROTOCOL.md, close codes.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 60_000;
/// How often silence is looked for, when the room runs anyway. PROTOCOL.md, close codes.
pub const HEARTBEAT_SWEEP_MS: u64 = 30_000;
/// A person whose last socket went is still there this long. PROTOCOL.md §3.
pub const LEAVE_GRACE_MS: u64 = 5_000;
/// Joins within this time leave as one frame: 500 joins told one by one cost 3.4 s of CPU (PLATFORM.md).
pub const JOIN_GATHER_MS: u64 = 100;
/// Typing ends after this long without another frame. PROTOCOL.md §3.
pub const TYPING_EXPIRES_MS: u64 = 6_000;
/// Typing that is told again while the last telling is good for longer than this is not told again.
pub const TYPING_REFRESH_MS: u64 = 3_000;
/// Receipts within this time leave together; nobody waits for a tick mark.
pub const RECEIPT_GATHER_MS: u64 = 250;
/// `JWT` leeway. PROTOCOL.md §1.
pub const TOKEN_LEEWAY_S: u64 = 30;
/// Bytes of `JWT_SECRET` at least: a key as long as the hash, RFC 7518 §3.2.
pub const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a token at most: what servers take as a header, and with it what a room attaches to a socket.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Bits of an RSA key: RFC 7518 §3.3 at least, the crate `rsa` at most.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Life of a WebSocket ticket. PROTOCOL.md §1.
pub const TICKET_MS: u64 = 30_000;

// --- Misbehaviour -------------------------------------------------------------------------------

/// Malformed frames of one socket within `MALFORMED_WINDOW_MS` before 4400. PROTOCOL.md, close codes.
pub const MALFORMED_MAX: u64 = 5;
pub const MALFORMED_WINDOW_MS: u64 = 10_000;
/// Over this long, more than `FLOOD_FACTOR` × the frame limit is a flood (4429). PROTOCOL.md, Limits.
pub const FLOOD_WINDOW_MS: u64 = 10_000;
pub const FLOOD_FACTOR: u64 = 5;

/// Connection ids that a millisecond has room for: ids begin with the time, so that none is given twice. A room accepts a
/// few a millisecond at most.
pub const CONNECTIONS_PER_MS: u64 = 1_000;

/// People whose rates a room remembers before it forgets the rested ones: four times the largest group.
pub const RATES_KEPT_MAX: usize = 2_048;

// --- Files --------------------------------------------------------------------------------------

/// Bytes from a file's beginning that are looked at: the size of a JPEG stands behind its remarks, each up to 64 KiB.
pub const FILE_HEAD_BYTES: usize = 256 * 1024;
/// Bytes that go to the bucket at once: a request's pieces are 4 KiB, and each crossing costs.
pub const FILE_PIECE_BYTES: usize = 128 * 1024;
/// An upload that nobody has sent by then goes. Issue 5.
pub const UPLOAD_UNSENT_MS: u64 = 86_400_000;
/// An upload takes at most this long, and what is left of one that broke off goes after it: 100 MiB at 30 KiB/s.
pub const UPLOAD_MAX_MS: u64 = 3_600_000;
/// What is left of an upload that failed goes after this: by then the bucket has done whatever it was still doing.
pub const UPLOAD_SETTLES_MS: u64 = 30_000;
/// Objects that the bucket is asked to remove at once: R2 takes 1,000.
pub const REMOVED_AT_ONCE_MAX: u64 = 1_000;
/// A removal that has heard nothing after this is asked for again.
pub const REMOVAL_LEASE_MS: u64 = 30_000;
/// A bucket that fails is asked again after this, doubled each time up to the maximum: deleted is to mean gone, but nobody waits.
pub const REMOVAL_RETRY_MIN_MS: u64 = 1_000;
pub const REMOVAL_RETRY_MAX_MS: u64 = 300_000;

// --- The way to Postgres ------------------------------------------------------------------------

/// Rows of one statement: past 250 rows the time a row stops falling (PLATFORM.md).
pub const BATCH_ROWS_MAX: u64 = 250;
/// Notes for the audit log that go with one batch: at most 100 KB beside its messages.
pub const AUDIT_BATCH_MAX: u64 = 100;
/// Events that slow mode looks back over at a time, once after a room woke up for each who then speaks.
pub const SLOW_LOOK_BACK_EVENTS: u64 = 1_000;
/// A deletion of a room whose outcome is unknown (a crash, a lost reply) is looked into after this: no straggler of Postgres
/// comes later.
pub const DELETION_CHECK_MS: u64 = 30_000;
/// Bytes of one statement's JSON. Issue 3.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// A statement, and a connection being opened, is given up after this. PLATFORM.md: a black hole within 10 s a try.
pub const STATEMENT_TIMEOUT_MS: u64 = 8_000;
/// The Worker asks Postgres who may enter; after this the room decides by what it knows.
pub const ACCESS_TIMEOUT_MS: u64 = 2_500;
/// An idle connection of a room is shut after this: it keeps the room awake and billed (issue 3: within 2 s).
pub const CONNECTION_LINGER_MS: u64 = 1_000;
/// Batches of a busy room are this far apart: each costs a written row, and nobody waits for them.
pub const DRAIN_GATHER_MS: u64 = 200;
/// After Postgres failed, the Worker asks it nothing about access for this long: the rooms decide.
pub const ACCESS_REST_MS: u64 = 2_000;
/// A failing drain is tried again after this, doubled each time up to the maximum: with Postgres back, a room is to be
/// equal within 10 s and the time its rows take (issue 4), with nobody there but its alarm.
pub const RETRY_MIN_MS: u64 = 500;
pub const RETRY_MAX_MS: u64 = 8_000;
/// The tenant's list of rooms in trouble that can't be reached is told again this often at most: nobody waits for it, and
/// each try keeps the room awake.
pub const ANNOUNCE_RETRY_MAX_MS: u64 = 30_000;
/// A halted outbox (schema or credentials wrong) looks again this often: an operator has to act first.
pub const HALTED_RETRY_MS: u64 = 60_000;
/// The alarm that finishes what a crash left; never nearer than the platform's 200 ms (PLATFORM.md).
pub const ALARM_DELAY_MS: u64 = 5_000;
/// The nearest an alarm may be set (PLATFORM.md).
pub const ALARM_MIN_MS: u64 = 200;
/// Changes whose makers a room is told at once: more happen only while it is out of reach, and then the newest count.
pub const CHANGES_TOLD_MAX: u64 = 1_000;
/// Times a change is planned anew because the room changed meanwhile: three people at once are served, a storm is told to wait.
pub const CHANGE_TRIES_MAX: u32 = 5;
/// A room whose oldest waiting event is older is in trouble. PROTOCOL.md §2, `/admin/outbox`.
pub const TROUBLE_LAG_MS: u64 = 30_000;
/// A room in trouble tells its tenant's list how much waits this often at most: 1,000 rooms are 3 requests a second.
pub const TROUBLE_REFRESH_MS: u64 = 300_000;
/// An announcement that got no answer is made again after this: a request between objects takes milliseconds.
pub const ANNOUNCE_LEASE_MS: u64 = 10_000;
/// A room that is well again is remembered this long, so that a straggler's announcement is known for one.
pub const TROUBLE_FORGOTTEN_MS: u64 = 3_600_000;
/// Rooms of one answer of `/admin/outbox`: with more in trouble it is Postgres that is looked at, not rooms.
pub const TROUBLES_LISTED_MAX: u64 = 1_000;
/// People of one notice in the queue: 200 ids of 128 characters of 4 bytes are under its 128 KB (PLATFORM.md).
pub const NOTIFY_USERS_MAX: usize = 200;
/// A queue that took nothing is offered the same again after this: each try keeps the room awake.
pub const NOTIFY_OFFER_MS: u64 = 10_000;
/// Notices handed over at once, and their bytes. Queues: 100 and 256 KB.
pub const NOTIFY_BATCH_MAX: usize = 100;
pub const NOTIFY_BATCH_BYTES_MAX: usize = 200 * 1024;
/// Handing to the queue that hasn't ended after this counts as not taken: the outbox waits for it.
pub const QUEUE_TIMEOUT_MS: u64 = 3_000;
/// Code points of a message's beginning in a notification: two lines of a lock screen.
pub const NOTIFY_PREVIEW_CHARS: u64 = 200;
/// A receiver that hasn't answered after this has failed, for now. Standard Webhooks: 15 to 30 s.
pub const NOTIFY_TIMEOUT_MS: u64 = 15_000;
/// Seconds to the next try of a webhook: about as long as it has been waiting, within these.
pub const NOTIFY_RETRY_MIN_S: u32 = 1;
pub const NOTIFY_RETRY_MAX_S: u32 = 1_800;
/// Bytes of the webhooks' key. Standard Webhooks: 24 to 64.
pub const NOTIFY_SECRET_BYTES_MIN: usize = 24;
/// Messages a statement brings back when a room is rebuilt from Postgres.
pub const REBUILD_PAGE: u64 = 500;
/// A fetch of the JWKS that hasn't ended after this is given up: it stands in front of somebody's sign-in.
pub const JWKS_FETCH_TIMEOUT_MS: u64 = 5_000;
/// With no key set at all nobody gets in, so after a failure that is the pause instead of `JWKS_REFETCH_MS`.
pub const JWKS_COLD_RETRY_MS: u64 = 5_000;
/// How often somebody who waits for another request's promise looks: far below what a person notices. On Workers
/// nobody can await another request's promise.
pub const WAIT_STEP_MS: u64 = 20;
/// Unknown keys are looked up at the JWKS this often at most. Issue 3.
pub const JWKS_REFETCH_MS: u64 = 60_000;
/// Known keys are trusted this long before they are fetched anew.
pub const JWKS_CACHE_MS: u64 = 600_000;

const _: () = assert!(TYPING_REFRESH_MS < TYPING_EXPIRES_MS);
const _: () = assert!(HEARTBEAT_MS * 2 < HEARTBEAT_TIMEOUT_MS);
const _: () = assert!(
    ALARM_DELAY_MS >= ALARM_MIN_MS && RETRY_MIN_MS >= ALARM_MIN_MS && REMOVAL_RETRY_MIN_MS >= ALARM_MIN_MS
);
const _: () = assert!(STATEMENT_TIMEOUT_MS <= 10_000 && CONNECTION_LINGER_MS <= 2_000);

/// The limits a deployment may override with the var `LIMITS`. Rates are per person and room, over all their sockets.
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
    /// Bytes that may wait for one socket before it is a slow consumer (4420).
    pub waiting_bytes: u32,
    /// Bytes of an inbound text frame (4413).
    pub frame_bytes: u32,
    /// Bytes of one uploaded file.
    pub attachment_bytes: u64,
    pub attachments_per_message: u32,
    /// Uploads of one person in a room that are in no message yet.
    pub unsent_uploads: u32,
}

impl Default for Limits {
    /// PROTOCOL.md, Limits.
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
            frame_bytes: 64 * 1024,
            attachment_bytes: 100 << 20,
            attachments_per_message: 10,
            // Two messages' worth, while a third is being written.
            unsent_uploads: 30,
        }
    }
}

impl Limits {
    /// The var `LIMITS`; empty or absent text is the contract's values.
    ///
    /// # Errors  the text isn't a JSON object of known names with positive numbers.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let limits: Self = serde_json::from_str(text).map_err(|e| format!("LIMITS: {e}"))?;
        let rates = [limits.messages_per_s, limits.reactions_per_s, limits.typing_per_s, limits.frames_per_s];
        if rates.iter().any(|r| !r.is_finite() || *r <= 0.0) {
            return Err("LIMITS: a rate must be a positive number".into());
        }
        Ok(limits)
    }
}
