//! The inbox's rows in the object's SQLite: whose it is, what it has shown of each room, its drafts,
//! and its log, a row a turn.
//! Not here: what any of it means (`inbox`).

use super::drafts::{Draft, Drafts, Place, row_of};
use super::log::Logged;
use super::view::RoomView;
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::{INBOX_SHARDS, INBOX_TURNS_KEPT};
use crate::protocol::client::digest;
use crate::protocol::inbox::Presence;
use crate::room::store::{Result, Sql, SqlValue, StoreError, int, int_at, text, text_at};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

/// Whose inbox it is, and the generation of its log.
///
/// Stored format: tests/golden/stored/inbox_owner.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub tenant: TenantId,
    pub user: UserId,
    pub epoch: String,
}

/// What Postgres has confirmed of the person's presence, and what was shown of their saved messages.
///
/// Stored format: tests/golden/stored/inbox_presence.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmed {
    pub presence: Presence,
    /// When the lease is to be renewed, and everything compared.
    pub renew_at: UnixMs,
    /// The newest change of the list of saved messages that was shown; `None`: none of it ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_rev: Option<u64>,
}

impl Default for Confirmed {
    fn default() -> Self {
        Self { presence: Presence::Offline, renew_at: 0, saved_rev: None }
    }
}

/// What the inbox has shown of its rooms.
pub type Views = BTreeMap<RoomId, RoomView>;

/// What differs from what is stored.
#[derive(Default)]
pub struct Touched {
    pub rooms: BTreeSet<RoomId>,
    pub drafts: BTreeSet<Place>,
    /// With the newest change of the list of saved messages that the events show.
    pub confirmed: Option<Confirmed>,
}

impl Touched {
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.drafts.is_empty() && self.confirmed.is_none()
    }
}

/// Row 0 of `inbox_state` is the owner, row -1 the presence; those above are the rooms, by a digest of their ids.
const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS inbox_state (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS inbox_log (slot INTEGER PRIMARY KEY, seq INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS inbox_drafts (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
];
const PUT_STATE: &str = "INSERT INTO inbox_state (id, body) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET body = excluded.body";
const PUT_TURN: &str = "INSERT INTO inbox_log (slot, seq, body) VALUES (?, ?, ?)
    ON CONFLICT (slot) DO UPDATE SET seq = excluded.seq, body = excluded.body";

const PUT_DRAFT: &str = "INSERT INTO inbox_drafts (id, body) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET body = excluded.body";
const HAS_TABLE: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";

pub struct Store<'a>(pub &'a dyn Sql);

impl Store<'_> {
    /// The inbox has an owner, and nothing else yet.
    pub fn create(&self, owner: &Owner) -> Result<()> {
        SCHEMA.into_iter().try_for_each(|sql| self.0.exec(sql, &[]).map(drop))?;
        self.0.exec(PUT_STATE, &[int(0), text(&encode(owner))]).map(drop)
    }

    /// The owner; `None`: nobody's inbox was ever opened here.
    pub fn owner(&self) -> Result<Option<Owner>> {
        if self.0.exec(HAS_TABLE, &[text("inbox_state")])?.is_empty() {
            return Ok(None);
        }
        let rows = self.0.exec("SELECT body FROM inbox_state WHERE id = 0", &[])?;
        rows.first().map(|row| decode(&text_at(row, 0)?)).transpose()
    }

    /// What Postgres has confirmed of the person's presence, and when the lease is renewed.
    pub fn confirmed(&self) -> Result<Confirmed> {
        let rows = self.0.exec("SELECT body FROM inbox_state WHERE id = -1", &[])?;
        rows.first().map_or_else(|| Ok(Confirmed::default()), |row| decode(&text_at(row, 0)?))
    }

    pub fn confirm(&self, confirmed: &Confirmed) -> Result<()> {
        self.0.exec(PUT_STATE, &[SqlValue::Integer(-1), text(&encode(confirmed))]).map(drop)
    }

    pub fn views(&self) -> Result<Views> {
        let mut views = Views::new();
        for row in self.0.exec("SELECT body FROM inbox_state WHERE id > 0", &[])? {
            views.append(&mut decode::<Views>(&text_at(&row, 0)?)?);
        }
        Ok(views)
    }

    /// The drafts. Older code has made no table for them.
    pub fn drafts(&self) -> Result<Drafts> {
        if self.0.exec(HAS_TABLE, &[text("inbox_drafts")])?.is_empty() {
            SCHEMA.into_iter().try_for_each(|sql| self.0.exec(sql, &[]).map(drop))?;
        }
        let rows = self.0.exec("SELECT body FROM inbox_drafts", &[])?;
        let drafts: Result<Vec<Draft>> = rows.iter().map(|row| decode(&text_at(row, 0)?)).collect();
        drafts.map(Drafts::new)
    }

    /// The last event's `seq`, and the number of the turn that it was in.
    pub fn head(&self) -> Result<(Seq, u64)> {
        let rows = self.0.exec("SELECT seq, slot FROM inbox_log ORDER BY seq DESC LIMIT 1", &[])?;
        let Some(row) = rows.first() else { return Ok((0, 0)) };
        Ok((int_at(row, 0)?, int_at(row, 1)?))
    }

    /// The turn's events are in the log, and what it has touched is stored.
    ///
    /// # Takes  `seq`: of the last event; `touched`: what differs from what is stored.
    pub fn save(
        &self,
        turn: Option<(u64, Seq, &[Logged])>,
        (views, drafts): (&Views, &Drafts),
        touched: &Touched,
    ) -> Result<()> {
        self.0.atomically(&mut || {
            if let Some((slot, seq, events)) = turn {
                self.0.exec(PUT_TURN, &[int(slot), int(seq), text(&encode(events))])?;
            }
            for shard in touched.rooms.iter().map(shard_of).collect::<BTreeSet<_>>() {
                let rooms: BTreeMap<_, _> = views.iter().filter(|(id, _)| shard_of(id) == shard).collect();
                self.0.exec(PUT_STATE, &[int(shard), text(&encode(&rooms))])?;
            }
            if let Some(confirmed) = &touched.confirmed {
                self.confirm(confirmed)?;
            }
            for place in &touched.drafts {
                let id = int(row_of(place));
                match drafts.get(place) {
                    Some(draft) => self.0.exec(PUT_DRAFT, &[id, text(&encode(draft))])?,
                    None => self.0.exec("DELETE FROM inbox_drafts WHERE id = ?", &[id])?,
                };
            }
            Ok(())
        })
    }

    /// The events after `since`, ascending, each with its `seq`; `None`: some of them are not kept any more.
    pub fn events_after(&self, since: Seq, head: Seq) -> Result<Option<Vec<(Seq, Logged)>>> {
        let sql = "SELECT seq, body FROM inbox_log WHERE seq > ? ORDER BY seq";
        let mut events = Vec::new();
        for row in self.0.exec(sql, &[int(since)])? {
            let (last, turn) = (int_at(&row, 0)?, decode::<Vec<Logged>>(&text_at(&row, 1)?)?);
            let first = last.saturating_add(1).saturating_sub(turn.len() as u64);
            events.extend((first..).zip(turn).filter(|(seq, _)| *seq > since));
        }
        let is_whole = events.first().map_or(since == head, |(seq, _)| *seq == since.saturating_add(1));
        Ok(is_whole.then_some(events))
    }
}

/// The slot after `slot`.
pub fn next_slot(slot: u64) -> u64 {
    slot.saturating_add(1).checked_rem(INBOX_TURNS_KEPT).unwrap_or_default()
}

fn shard_of(id: &RoomId) -> u64 {
    digest(&[id.as_str()]).checked_rem(INBOX_SHARDS).unwrap_or_default().saturating_add(1)
}

fn encode(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|_| StoreError("a row of the inbox is not what was stored".into()))
}
