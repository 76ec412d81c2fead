//! Postgres was restored from a backup that lacks changes of the room's people or settings, or the whole room: the room
//! puts back what it knows. Not here: messages, which the outbox sends again (`outbox`), and what proves a restore or a
//! deletion (`db::restore_room`).

use super::Room;
use super::effect::Effect;
use super::store::Result;
use super::turn::Turn;
use crate::db::{DbError, Restored, RoomCopy};
use crate::oplog::Entry;

impl Room {
    /// The room as Postgres must have it, unless Postgres knows it better.
    pub fn copy(&self) -> RoomCopy {
        let (tenant, room) = self.key();
        RoomCopy::new(tenant, room, self.members.snapshot().clone())
    }

    /// Takes Postgres' answer to the copy. Without an answer the next batch or request leads here again.
    pub(super) fn restored(
        &mut self,
        turn: Turn,
        outcome: std::result::Result<Restored, DbError>,
    ) -> Result<()> {
        let Ok(restored) = outcome else { return Ok(()) };
        if self.deletion.is_done() {
            return Ok(());
        }
        match restored {
            Restored::Done => {
                self.report(Entry::warn("room_put_back").with("version", &self.members_version()));
                // Markers of people who were put back are those of the copy, and others may be older.
                self.reads.unproject_all();
                self.save_reads(turn.store)?;
                self.outbox.resume();
            }
            Restored::Current { members_version } => {
                if members_version > self.members_version() {
                    self.effects.push(Effect::Refresh);
                }
                self.outbox.resume();
            }
            Restored::Deleted => {
                self.deletion.begin(turn)?;
                self.finish_deletion(turn)?;
            }
            Restored::Replaced => self.report(Entry::error("direct_room_replaced")),
        }
        Ok(())
    }
}
