//! The check of a rebuild whenever an object has committed: one epoch from its first page to the open room, pages one
//! after the other, and no hole. Not here: what a rebuilt log is in the end (`log_checks`).

use crate::plan::ROOMS;
use crate::stored::{log, state};
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::hosts::{Host, SeenRebuild};
use chinwag::api::object_name;
use chinwag::ids::{RoomId, TenantId};

/// The rows of the table `state`.
const LOG: i64 = 1;
const REBUILD: i64 = 10;

impl World {
    pub fn check_rebuild(&self, host: &Host) {
        let name =
            |(tenant, id): &(&str, &str)| Some(object_name(&TenantId::parse(tenant)?, &RoomId::parse(id)?));
        let Some(room) = ROOMS.iter().position(|room| name(room).as_ref() == Some(&host.name)) else {
            return;
        };
        let job = state(self, room, REBUILD);
        let seen = job["epoch"].as_str().map(|epoch| SeenRebuild {
            epoch: epoch.to_owned(),
            imported: job["imported"].as_u64().unwrap_or(0),
            last_seq: job["lastSeq"].as_u64().unwrap_or(0),
            instance: host.instance.get(),
        });
        let before = host.rebuild.replace(None);
        let result = match (&before, &seen) {
            (None, _) => Ok(()),
            (Some(before), Some(seen)) => self.check_progress(room, before, seen),
            (Some(before), None) => self.check_completed(room, before),
        };
        *host.rebuild.borrow_mut() = seen;
        self.recorder.check(|| format!("room {room} is rebuilt"), result);
    }

    fn check_progress(&self, room: usize, before: &SeenRebuild, seen: &SeenRebuild) -> CheckResult {
        let went_back = seen.imported < before.imported && seen.last_seq == before.last_seq;
        if seen.epoch != before.epoch || went_back {
            let what = format!(
                "{} at {} of {} was followed by {} at {}",
                before.epoch, before.imported, before.last_seq, seen.epoch, seen.imported
            );
            return Err((Checker::Rebuilt, what));
        }
        if seen.imported > before.imported && seen.instance > before.instance {
            self.recorder.count("rebuilds continued after a loss");
        }
        self.check_no_hole(room, seen.imported)
    }

    fn check_completed(&self, room: usize, before: &SeenRebuild) -> CheckResult {
        let log = state(self, room, LOG);
        if log["epoch"].as_str() != Some(&before.epoch) || before.imported < before.last_seq {
            let what = format!("{} at {} became {log}", before.epoch, before.imported);
            return Err((Checker::Rebuilt, what));
        }
        self.recorder.count("rebuilds completed");
        self.check_no_hole(room, before.last_seq)
    }

    /// Every message of Postgres up to here is in the log.
    fn check_no_hole(&self, room: usize, to: u64) -> CheckResult {
        if self.backends.is_deleted(room) {
            return Ok(());
        }
        let log = log(self, room);
        let hole = self.backends.rows(room, |rows| {
            let imported = rows.postgres.rows.range(..=to);
            imported.map(|(seq, row)| (*seq, row.id.clone())).find(|(seq, id)| {
                log.get(seq).and_then(|stored| stored.message()).is_none_or(|message| message.id != *id)
            })
        });
        match hole {
            Some((seq, id)) => Err((Checker::Rebuilt, format!("lacks {id} at {seq}, imported to {to}"))),
            None => Ok(()),
        }
    }
}
