//! The two sides that `verify` compares: a room's log over REST, page by page, and its rows in Postgres.
//! Not here: comparing them.

use crate::migrate;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Client;

/// Messages by seq, as the contract's message object.
pub type Row = BTreeMap<u64, Value>;

/// Far more than a page takes; a Worker that doesn't answer is an error.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const PAGE: u32 = 100;
/// How often a request waits because of its rate, and for how long at most.
const WAITS_MAX: u32 = 20;
const WAIT_MAX_MS: u64 = 10_000;

pub struct Rest {
    base: String,
    authorization: String,
    agent: ureq::Agent,
}

/// A page of a room's log.
pub struct Log {
    pub messages: Row,
    pub more: bool,
    pub last_seq: u64,
    pub epoch: String,
}

impl Rest {
    pub fn new(url: &str, token: &str) -> Rest {
        let base = url.trim_end_matches('/').trim_end_matches("/api/chat").to_owned() + "/api/chat";
        let config =
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
        Rest { base, authorization: format!("Bearer {token}"), agent: config.build().into() }
    }

    /// Waits where the server asks for it: a large room has more pages than it gives at once (LIMIT-6).
    fn get(&self, path: &str) -> Result<Value> {
        for _ in 0..WAITS_MAX {
            let request =
                self.agent.get(format!("{}{path}", self.base)).header("Authorization", &self.authorization);
            let mut response = request.call().with_context(|| format!("GET {}{path}", self.base))?;
            let status = response.status().as_u16();
            let answer: Value =
                response.body_mut().read_json().with_context(|| format!("GET {path}: {status}"))?;
            match status {
                200 => return Ok(answer),
                429 => {
                    let wait_ms = answer["error"]["retryAfterMs"].as_u64().unwrap_or(1_000);
                    std::thread::sleep(Duration::from_millis(wait_ms.min(WAIT_MAX_MS)));
                }
                _ => bail!(
                    "GET {path}: {status} {}",
                    answer["error"]["code"].as_str().unwrap_or("without a code")
                ),
            }
        }
        bail!("GET {path}: refused {WAITS_MAX} times because of its rate")
    }

    /// All rooms of the token's person.
    pub fn rooms(&self) -> Result<Vec<String>> {
        let (mut rooms, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/rooms/list?limit={PAGE}{cursor}"))?;
            let ids = page["rooms"].as_array().into_iter().flatten().filter_map(|room| room["id"].as_str());
            rooms.extend(ids.map(str::to_owned));
            let Some(next) = page["nextCursor"].as_str() else { return Ok(rooms) };
            cursor = format!("&cursor={}", encoded(next));
        }
    }

    pub fn tenant(&self, room: &str) -> Result<String> {
        let answer = self.get(&format!("/rooms/{}", encoded(room)))?;
        answer["room"]["tenantId"].as_str().map(str::to_owned).context("the room has no tenantId")
    }

    /// The messages after this seq.
    pub fn page(&self, room: &str, after: u64) -> Result<Log> {
        let page = self.get(&format!("/rooms/{}/messages?after={after}&limit={PAGE}", encoded(room)))?;
        let mut messages = Row::new();
        for message in page["messages"].as_array().context("a page without messages")? {
            let seq = message["seq"].as_u64().context("a message without a seq")?;
            let mut message = message.clone();
            // A message from before threads were counted lacks this field.
            if let Some(fields) = message.as_object_mut() {
                fields.entry("lastReplyAt").or_insert(Value::Null);
            }
            if messages.insert(seq, message).is_some() || seq <= after {
                bail!("the page after {after} holds seq {seq} twice, or from before");
            }
        }
        Ok(Log {
            messages,
            more: page["hasMoreAfter"] == true,
            last_seq: page["lastSeq"].as_u64().context("a page without lastSeq")?,
            epoch: page["epoch"].as_str().context("a page without epoch")?.to_owned(),
        })
    }

    /// Why rows are missing, if this person may know.
    pub fn quarantined(&self, room: &str) -> BTreeMap<u64, String> {
        let outbox = self.get(&format!("/rooms/{}/outbox", encoded(room))).unwrap_or_default();
        let rows = outbox["setAside"].as_array().cloned().unwrap_or_default();
        let row = |row: &Value| Some((row["seq"].as_u64()?, row["reason"].as_str()?.to_owned()));
        rows.iter().filter_map(row).collect()
    }
}

/// Percent-encodes what may not stand in a path or a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub struct Rows(Client);

const BETWEEN: &str = "
    SELECT c.seq, (jsonb_build_object(
        'id', id, 'seq', seq, 'tenantId', tenant_id, 'roomId', room_id, 'userId', user_id, 'content', content,
        'contentType', content_type, 'attachments', attachments, 'clientId', client_id, 'threadId', thread_id,
        'replyToId', reply_to_id, 'alsoToRoom', also_to_room, 'mentions', mentions,
        'mentionsRoom', mentions_room, 'version', version, 'replyCount', reply_count,
        'lastReplyAt', to_char(last_reply_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
        'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
        'editedAt', to_char(edited_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
        'deletedAt', to_char(deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
        'editedBy', edited_by,
        'reactions', coalesce((
            SELECT json_object_agg(emoji, users) FROM (
                SELECT emoji, json_agg(user_id ORDER BY position, created_at) AS users FROM chat_message_reactions r
                WHERE r.tenant_id = c.tenant_id AND r.room_id = c.room_id AND r.seq = c.seq
                GROUP BY emoji HAVING count(*) <= 20
            ) AS emojis), '{}'),
        'reactionCounts', coalesce((
            SELECT json_object_agg(emoji, count) FROM (
                SELECT emoji, count(*) AS count FROM chat_message_reactions r
                WHERE r.tenant_id = c.tenant_id AND r.room_id = c.room_id AND r.seq = c.seq GROUP BY emoji
            ) AS emojis), '{}'))
        || CASE WHEN deleted_by IS NULL THEN '{}' ELSE jsonb_build_object('deletedBy', deleted_by) END)::text
    FROM chat_messages c WHERE tenant_id = $1 AND room_id = $2 AND seq > $3 AND seq <= $4 ORDER BY c.seq";

impl Rows {
    /// A connection that can't change anything.
    pub async fn connect(url: &str) -> Result<Rows> {
        let client = migrate::connect(url).await?;
        client.batch_execute("SET default_transaction_read_only = on; SET statement_timeout = '30s'").await?;
        Ok(Rows(client))
    }

    /// How far the room's log is there, and which log's that is.
    pub async fn room(&self, tenant: &str, room: &str) -> Result<Option<(u64, Option<String>)>> {
        let sql = "SELECT last_seq, epoch FROM chat_rooms WHERE tenant_id = $1 AND id = $2";
        let row = self.0.query_opt(sql, &[&tenant, &room]).await.context("reading chat_rooms")?;
        row.map(|row| Ok((seq(row.get(0))?, row.get(1)))).transpose()
    }

    /// The rows of (after, to].
    pub async fn between(&self, tenant: &str, room: &str, after: u64, to: u64) -> Result<Row> {
        let (after, to) = (after.cast_signed(), to.cast_signed());
        let rows =
            self.0.query(BETWEEN, &[&tenant, &room, &after, &to]).await.context("reading chat_messages")?;
        rows.iter().map(|row| Ok((seq(row.get(0))?, serde_json::from_str(row.get(1))?))).collect()
    }
}

fn seq(n: i64) -> Result<u64> {
    u64::try_from(n).context("a negative seq in Postgres")
}
