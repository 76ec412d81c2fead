//! The queue of changes that people ask for: members, roles, settings. The object is the only planner of its room, so
//! that no two changes overtake each other: it takes what waits, plans it together and writes it in one statement.
//! Not here: what a change writes (`room`), and the statement (`db`).

use super::Object;
use super::host::Host;
use super::lease::Lease;
use super::platform::Platform;
use crate::api::{Reply, no_such_room, over_quota};
use crate::auth::Identity;
use crate::db::{self, Applied, AppliedChange, ChangeSet, DbError, RoomSnapshot};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::*;
use crate::room::{AdminChange, AskedChange, Input, Room};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

type Answered = Result<Reply, Refusal>;

/// The changes that wait, and the one planner.
#[derive(Default)]
pub(super) struct Changes {
    waiting: RefCell<VecDeque<Waiting>>,
    planner: Lease,
}

/// A change that waits. Its request looks into `answer`; a request that has given up leaves nothing behind.
struct Waiting {
    asked: AskedChange,
    give_up_at: UnixMs,
    tries: u32,
    /// Postgres refused a statement that had this change and others in it: it is tried by itself.
    alone: bool,
    answer: Rc<Cell<Option<Answered>>>,
}

impl Waiting {
    /// Whether another attempt may end in time.
    fn has_time(&self, now: UnixMs) -> bool {
        self.tries < CHANGE_TRIES_MAX && now.saturating_add(CHANGE_LEASE_MS) <= self.give_up_at
    }

    fn answer(self, answer: Answered) {
        self.answer.set(Some(answer));
    }
}

impl Changes {
    /// The change waits for the planner; its answer will be in the cell that is returned.
    ///
    /// # Errors  upstream_unavailable → the queue, or this person's share of it, is full.
    fn push(&self, asked: AskedChange, give_up_at: UnixMs) -> Result<Rc<Cell<Option<Answered>>>, Refusal> {
        let mut waiting = self.waiting.borrow_mut();
        let theirs = waiting.iter().filter(|known| known.asked.caller.user == asked.caller.user).count();
        if waiting.len() >= CHANGES_WAITING_MAX || theirs >= CHANGES_WAITING_PERSON_MAX {
            return Err(busy("too many changes of the room wait, try again"));
        }
        let answer = Rc::default();
        let change = Waiting { asked, give_up_at, tries: 0, alone: false, answer: Rc::clone(&answer) };
        waiting.push_back(change);
        Ok(answer)
    }

    /// Whether no planner has taken the change. One that has may have lost its promise, and never answers.
    fn is_waiting(&self, answer: &Rc<Cell<Option<Answered>>>) -> bool {
        self.waiting.borrow().iter().any(|known| Rc::ptr_eq(&known.answer, answer))
    }

    /// The request gives up: its change is not made, unless Postgres is being asked for it.
    fn withdraw(&self, answer: &Rc<Cell<Option<Answered>>>) {
        self.waiting.borrow_mut().retain(|known| !Rc::ptr_eq(&known.answer, answer));
    }

    /// Takes the first changes out of the queue.
    fn take(&self, count: usize) -> Vec<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let count = count.min(waiting.len());
        waiting.drain(..count).collect()
    }

    /// These come first again.
    fn put_back(&self, batch: Vec<Waiting>, alone: bool, now: UnixMs) {
        let mut waiting = self.waiting.borrow_mut();
        for mut change in batch.into_iter().rev() {
            (change.tries, change.alone) = (change.tries.saturating_add(1), change.alone || alone);
            waiting.push_front(change);
        }
        let (keep, refused) =
            std::mem::take(&mut *waiting).into_iter().partition(|c: &Waiting| c.has_time(now));
        *waiting = keep;
        let busy = || busy("the change can't be made at this moment, try again");
        VecDeque::into_iter(refused).for_each(|change| change.answer(Err(busy())));
    }

    /// How long a request sleeps before it looks for its answer: the more of them wait, the longer, so that all together
    /// wake the object at most once a millisecond.
    fn step_ms(&self) -> u64 {
        WAIT_STEP_MS.max(self.waiting.borrow().len() as u64)
    }
}

fn busy(message: &str) -> Refusal {
    Refusal::new(Code::UpstreamUnavailable, message).retry_after_ms(CHANGE_RETRY_AFTER_MS)
}

impl<P: Platform> Object<P> {
    /// Changes the room in Postgres, and answers when the change is in force here: removed members receive nothing any
    /// more. Whoever finds no planner at work plans for all that wait.
    ///
    /// # Errors  the plan's; 503 if Postgres does not answer in `CHANGE_WAIT_MS`, and then the change may have been made
    /// or not.
    pub(super) async fn change(self: &Rc<Self>, caller: Identity, change: AdminChange) -> Answered {
        let id = format!("{:016x}{:016x}", self.platform.random(), self.platform.random());
        let give_up_at = self.platform.now().saturating_add(CHANGE_WAIT_MS);
        let answer = self.changes.push(AskedChange { id, caller, change }, give_up_at)?;
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            let now = self.platform.now();
            if now >= give_up_at {
                self.changes.withdraw(&answer);
                return Err(busy("the change was not made in time, try again"));
            }
            if self.changes.is_waiting(&answer) && self.changes.planner.take(now, CHANGE_LEASE_MS) {
                self.make_changes().await;
                self.changes.planner.release();
            } else {
                // On Workers no request can await another one's promise.
                self.platform.sleep(self.changes.step_ms()).await;
            }
        }
    }

    /// Makes the first of the changes that wait, as many as fit into one statement.
    async fn make_changes(self: &Rc<Self>) {
        let planned = self.with_room(|room, now| {
            let waiting = self.changes.waiting.borrow();
            let first_is_alone = waiting.front().is_some_and(|change| change.alone);
            let count = if first_is_alone { 1 } else { waiting.len() };
            let batch = waiting.iter().take(count).take_while(|change| change.alone == first_is_alone);
            room.plan_changes(batch.map(|change| &change.asked), now)
        });
        let planned = match planned {
            Ok(planned) => planned,
            Err(refusal) => {
                return self
                    .changes
                    .take(usize::MAX)
                    .into_iter()
                    .for_each(|c| c.answer(Err(refusal.clone())));
            }
        };
        let batch = self.changes.take(planned.verdicts.len());
        let Some(set) = planned.set else { return self.answer_changes(batch, planned.verdicts) };
        if set.delete
            && let Err(refusal) = self.save_reports(&set).await
        {
            return batch.into_iter().for_each(|change| change.answer(Err(refusal.clone())));
        }
        // Before Postgres is asked: after a crash the room knows why Postgres does not have it.
        if set.delete && self.feed(Input::DeletionRequested).failed {
            return batch.into_iter().for_each(|change| change.answer(Err(Refusal::fault())));
        }
        // Without an answer, the snapshot shows whether the changes were made; if not, they are tried again.
        let (applied, snapshot) = self
            .ask_db(async |db| {
                let applied = db::apply(db, &set).await;
                (applied, db::room_snapshot(db, &set.tenant, &set.room, Some(set.version)).await)
            })
            .await;
        let applied = self.poke_changed(&set, applied);
        match snapshot {
            // Postgres was restored from a backup, or has deleted the room: the next try finds the room as it then is.
            Ok(snapshot)
                if snapshot.as_ref().map_or(!set.delete, |now| now.members_version < set.version) =>
            {
                self.restore_room().await;
                self.changes.put_back(batch, false, self.platform.now());
            }
            Ok(snapshot) => {
                let concluded = self.conclude_changes(batch, planned.verdicts, (&set, &applied), snapshot);
                self.changes.put_back(concluded, applied.is_err(), self.platform.now());
            }
            Err(_) => {
                self.changes.put_back(batch, false, self.platform.now());
                self.platform.sleep(CHANGE_RETRY_MS).await;
            }
        }
    }

    /// Pokes whom no event of the room tells of the change. Without an answer, whoever that may be.
    fn poke_changed(
        self: &Rc<Self>,
        set: &ChangeSet,
        applied: Result<AppliedChange, DbError>,
    ) -> Result<Applied, DbError> {
        match applied {
            Ok(AppliedChange { state, inboxes }) => {
                self.poke(inboxes.unwrap_or_default());
                Ok(state)
            }
            Err(error) => {
                self.poke(
                    set.gone.iter().chain(set.notify.iter().map(|own| &own.user_id)).cloned().collect(),
                );
                Err(error)
            }
        }
    }

    /// Takes over what Postgres has now, and answers the changes that are in force.
    ///
    /// # Gives  the others.
    fn conclude_changes(
        self: &Rc<Self>,
        batch: Vec<Waiting>,
        verdicts: Vec<Result<(), Refusal>>,
        (set, applied): (&ChangeSet, &Result<Applied, DbError>),
        snapshot: Option<RoomSnapshot>,
    ) -> Vec<Waiting> {
        let missing = snapshot.is_none();
        let changes = snapshot.as_ref().map(|now| now.changes.clone()).unwrap_or_default();
        let answer_all = |batch: Vec<Waiting>, answer: &dyn Fn() -> Answered| {
            batch.into_iter().for_each(|change| change.answer(answer()));
            Vec::new()
        };
        if self.feed(Input::Refreshed(snapshot)).failed {
            return answer_all(batch, &|| Err(Refusal::fault()));
        }
        if missing && set.delete {
            return answer_all(batch, &|| Ok(Reply::ok(json!({"roomId": set.room}))));
        }
        if missing {
            return answer_all(batch, &|| Err(no_such_room()));
        }
        if *applied == Ok(Applied::Done) && !set.delete {
            self.answer_changes(batch, verdicts);
            return Vec::new();
        }
        if let (Err(error), 1) = (applied, batch.len())
            && let Some(quota) = error.quota()
        {
            return answer_all(batch, &|| Err(over_quota(quota, self.platform.now())));
        }
        let is_known = |change: &Waiting| Room::knows_of(&changes, &change.asked.id);
        let (made, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_known);
        let verdicts = made.iter().map(|_| Ok(())).collect();
        self.answer_changes(made, verdicts);
        others
    }

    fn answer_changes(self: &Rc<Self>, batch: Vec<Waiting>, verdicts: Vec<Result<(), Refusal>>) {
        for (change, verdict) in batch.into_iter().zip(verdicts) {
            let AskedChange { caller, change: asked, .. } = &change.asked;
            let answer = verdict.and_then(|()| self.with_room(|room, _| room.answer_to(caller, asked))?);
            change.answer(answer.map(Reply::ok));
        }
    }
}
