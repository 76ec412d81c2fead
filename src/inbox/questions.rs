//! When the inbox asks Postgres, what it asks, and what follows from the answer.
//! Not here: asking (`object`), and the events of a difference (`view`).

use super::Inbox;
use super::input::{Answer, Effect, OwnWrite, Question};
use super::log::{Logged, Shown};
use super::store::{Store, Touched, next_slot};
use super::view::RoomView;
use crate::db::{DbError, InboxRoom, SavedAfter, SavedChange, SavedChanges};
use crate::ids::{RoomId, Seq, UnixMs, UserId};
use crate::limits::*;
use crate::protocol::inbox::{self, GoneReason, Presence};
use crate::room::Backoff;
use crate::room::store::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be asked. It is in memory alone: what a crash forgets, the clients' next connection asks, or the alarm.
#[derive(Debug, Default)]
pub struct Questions {
    /// Rooms that were poked, and up to where the person has read them, as far as the rooms know.
    poked: BTreeMap<RoomId, Seq>,
    /// Direct partners who were poked.
    people: BTreeSet<UserId>,
    /// The list of saved messages has changed.
    saved_is_due: bool,
    /// Everything is to be compared.
    is_whole_due: bool,
    /// No question before this: the last one, or the pause after a failure.
    next_at: UnixMs,
    /// No question about the room before this.
    rooms_next_at: BTreeMap<RoomId, UnixMs>,
    backoff: Backoff,
    /// The last question failed: the alarm brings the next one, so that the inbox may hibernate meanwhile.
    waits_for_alarm: bool,
}

impl Questions {
    /// When the next question is due, if any is.
    fn due(&self) -> Option<UnixMs> {
        let ready = |room| self.rooms_next_at.get(room).copied().unwrap_or_default();
        let first = match self.is_whole_due || self.saved_is_due || !self.people.is_empty() {
            true => Some(0),
            false => self.poked.keys().map(ready).min(),
        };
        first.map(|at| at.max(self.next_at))
    }

    /// # Gives  also up to where the rooms of the question are read, as far as they know.
    fn take(&mut self, now: UnixMs) -> (Question, BTreeMap<RoomId, Seq>) {
        self.next_at = now.saturating_add(INBOX_ASK_EVERY_MS);
        self.rooms_next_at.retain(|_, at| *at > now);
        let is_whole = std::mem::take(&mut self.is_whole_due);
        let is_ready = |room: &&RoomId| is_whole || !self.rooms_next_at.contains_key(*room);
        let rooms: Vec<_> = self.poked.keys().filter(is_ready).take(INBOX_ASK_ROOMS_MAX).cloned().collect();
        let mut reads = BTreeMap::new();
        for room in &rooms {
            reads.extend(self.poked.remove(room).map(|read| (room.clone(), read)));
            self.rooms_next_at.insert(room.clone(), now.saturating_add(INBOX_ROOM_EVERY_MS));
        }
        let people = std::mem::take(&mut self.people).into_iter().collect();
        (Question { is_whole, rooms, people, ..Question::default() }, reads)
    }

    /// The question had no answer: it is due again after a pause, which grows.
    fn put_back(&mut self, question: Question, now: UnixMs) {
        self.is_whole_due |= question.is_whole;
        self.next_at = now.saturating_add(self.backoff.fail(RETRY_MIN_MS, RETRY_MAX_MS));
        self.waits_for_alarm = true;
    }

    /// Postgres may answer again.
    fn wake(&mut self) {
        (self.next_at, self.waits_for_alarm) = (0, false);
    }
}

impl Inbox {
    /// When a question is due; `None`: none is, or it waits for the alarm.
    pub fn question_at(&self) -> Option<UnixMs> {
        let asked = self.questions.due().filter(|_| self.is_open());
        let own = self.own.due_at().map(|at| at.max(self.questions.next_at));
        [asked, own].into_iter().flatten().min().filter(|_| !self.questions.waits_for_alarm)
    }

    /// The question that is due, which is under way from now on.
    pub fn take_question(&mut self, now: UnixMs) -> Option<Question> {
        if self.question_at().is_none_or(|at| at > now) {
            return None;
        }
        let is_asked = self.is_open() && self.questions.due().is_some_and(|at| at <= now);
        let (mut question, reads) = if is_asked { self.questions.take(now) } else { Default::default() };
        if question.is_whole {
            let known: BTreeSet<_> = question.rooms.into_iter().chain(self.known_rooms()).collect();
            question.rooms = known.into_iter().collect();
            question.people = self.partners();
        }
        let read_of = |room: &RoomId| reads.get(room).copied().unwrap_or_default();
        question.notices =
            question.rooms.iter().map(|room| self.notices_after(room, read_of(room), now)).collect();
        if is_asked && (std::mem::take(&mut self.questions.saved_is_due) || question.is_whole) {
            question.saved = Some(self.saved_after());
        }
        question.own = self.take_presence(now);
        Some(question)
    }

    /// The rooms that the inbox has shown.
    pub fn known_rooms(&self) -> Vec<RoomId> {
        self.views.keys().cloned().collect()
    }

    /// What is to be asked of the list of saved messages.
    pub fn saved_after(&self) -> SavedAfter {
        SavedAfter(self.own.confirmed.saved_rev)
    }

    pub(super) fn saved_poked(&mut self, now: UnixMs) {
        if !self.is_open() {
            return self.poked_in_vain(now);
        }
        self.questions.saved_is_due = true;
        self.wake_questions();
    }

    pub(super) fn poked(&mut self, now: UnixMs, room: RoomId, read: Seq) {
        if !self.is_open() {
            return self.poked_in_vain(now);
        }
        let known = self.questions.poked.entry(room).or_default();
        *known = read.max(*known);
        if self.questions.poked.len() > INBOX_ROOMS_MAX {
            self.questions.poked.clear();
            self.questions.is_whole_due = true;
        }
        self.wake_questions();
    }

    /// Of others than direct partners nothing is shown.
    pub(super) fn person_poked(&mut self, now: UnixMs, person: UserId) {
        if !self.is_open() {
            return self.poked_in_vain(now);
        }
        if self.views.values().any(|view| view.partner.as_ref() == Some(&person)) {
            self.questions.people.insert(person);
        }
        self.wake_questions();
    }

    /// Whoever comes or pokes has been answered by Postgres.
    pub(super) fn wake_questions(&mut self) {
        if self.questions.waits_for_alarm {
            self.questions.wake();
        }
    }

    /// The lease outlived the sockets. A presence that is still to be written ends it as well.
    fn poked_in_vain(&mut self, now: UnixMs) {
        if self.has_left(now) && self.own.confirmed.presence == Presence::Offline {
            self.effects.push(Effect::EndLease);
        }
    }

    /// After a failure, and when the lease must be renewed, everything is compared.
    pub(super) fn alarm_fired(&mut self, now: UnixMs) {
        if self.is_open() && (self.questions.waits_for_alarm || self.own.confirmed.renew_at <= now) {
            self.questions.is_whole_due = true;
        }
        self.wake_questions();
        // The answer sets the next one.
        if !self.questions.is_whole_due {
            self.set_alarm(now);
        }
    }

    pub(super) fn answered(
        &mut self,
        store: &Store,
        now: UnixMs,
        question: Question,
        outcome: std::result::Result<Answer, DbError>,
    ) -> Result<()> {
        match outcome {
            Err(_) => {
                // What was poked is part of everything.
                self.questions.put_back(Question { is_whole: self.is_open(), ..Question::default() }, now);
                if self.is_open() {
                    self.effects.push(Effect::Alarm(self.questions.next_at));
                }
                self.put_presence_back(now);
            }
            Ok(mut answer) => {
                self.questions.backoff.succeed();
                let Question { is_whole, own, .. } = question;
                if is_whole {
                    self.own.confirmed.renew_at = now.saturating_add(INBOX_RENEW_MS);
                    self.check_presence(answer.presence);
                    self.set_alarm(now);
                }
                if let Some(OwnWrite { presence, .. }) = own {
                    self.confirm_presence(store, presence, std::mem::take(&mut answer.inboxes))?;
                }
                self.compare(store, now, &answer)?;
                if is_whole {
                    store.confirm(&self.own.confirmed)?;
                }
            }
        }
        Ok(())
    }

    /// What differs from what was shown last is in the log, and on its way to all connections.
    ///
    /// # Gives  the rooms of the answer.
    pub(super) fn compare(&mut self, store: &Store, now: UnixMs, answer: &Answer) -> Result<Shown> {
        let (mut events, mut touched, mut shown) = (Vec::new(), Touched::default(), Shown::default());
        let page = answer.page.iter().flat_map(|page| &page.rooms);
        let seen = page.filter_map(|room| Some((inbox::id(room)?, Some(room), None)));
        let asked =
            answer.rooms.iter().map(|InboxRoom { id, room, gone, .. }| (id.clone(), room.as_ref(), *gone));
        for (id, room, gone) in asked.chain(seen) {
            let known = self.views.get(&id);
            let Some(room) = room else {
                touched.drafts.extend(self.drafts.remove_room(&id));
                if known.is_some() {
                    self.views.remove(&id);
                    touched.rooms.insert(id.clone());
                    events.push(Logged::Removed { room: id, reason: gone.unwrap_or(GoneReason::Removed) });
                }
                continue;
            };
            let mut view = RoomView::of(room, &self.owner.user);
            view.profile = known.map_or(0, |known| known.profile);
            view.notified = known.and_then(|known| known.notified.clone());
            if known.is_none_or(|known| known.partner != view.partner) {
                self.questions.people.extend(view.partner.clone());
            }
            if known != Some(&view) {
                match known {
                    Some(known) => events.extend(known.changes(&id, &view)),
                    None => events.push(Logged::Added { room: id.clone() }),
                }
                self.views.insert(id.clone(), view);
                touched.rooms.insert(id.clone());
            }
            shown.rooms.insert(id, room.clone());
        }
        for person in &answer.people {
            self.questions.people.retain(|user| inbox::person_id(person).as_ref() != Some(user));
        }
        self.compare_notices(now, answer, (&mut events, &mut touched, &mut shown));
        self.forget_oldest(&mut touched.rooms);
        if let Some(saved) = &answer.saved {
            self.show_saved(saved, &mut events, &mut touched);
        }
        self.compare_people(&answer.people, (&mut events, &mut touched, &mut shown));
        self.write(store, &events, &touched, &shown)?;
        Ok(shown)
    }

    /// INBOX-10: each change of the list of saved messages is an event. Of a list that was never shown nothing has changed.
    fn show_saved(&mut self, saved: &SavedChanges, events: &mut Vec<Logged>, touched: &mut Touched) {
        let has_more = saved.changes.len() >= INBOX_SAVED_MAX;
        self.questions.saved_is_due |= has_more;
        for SavedChange { room, message, saved, .. } in &saved.changes {
            events.push(Logged::Saved { room: room.clone(), message: message.clone(), saved: *saved });
        }
        // A restored backup has an older one.
        let rev = saved.changes.last().filter(|_| has_more).map_or(saved.rev, |last| last.rev);
        self.own.confirmed.saved_rev = Some(rev);
        if !saved.changes.is_empty() {
            touched.confirmed = Some(self.own.confirmed.clone());
        }
    }

    /// The events are in the log and on their way, with all that the turn has touched.
    pub(super) fn write(
        &mut self,
        store: &Store,
        events: &[Logged],
        touched: &Touched,
        shown: &Shown,
    ) -> Result<()> {
        if events.is_empty() && touched.is_empty() {
            return Ok(());
        }
        let (before, slot) = self.head;
        let head = (before.saturating_add(events.len() as u64), next_slot(slot));
        let turn = (!events.is_empty()).then_some((head.1, head.0, events));
        store.save(turn, (&self.views, &self.drafts), touched)?;
        if turn.is_some() {
            self.head = head;
        }
        for (seq, event) in (before.saturating_add(1)..).zip(events) {
            self.connections.broadcast(&event.text(seq, shown, &self.drafts));
        }
        Ok(())
    }

    /// Of more rooms than an inbox remembers, those with the oldest activity are forgotten: the next one shows them anew.
    fn forget_oldest(&mut self, touched: &mut BTreeSet<RoomId>) {
        let over = self.views.len().saturating_sub(INBOX_ROOMS_MAX);
        if over == 0 {
            return;
        }
        let mut by_age: Vec<_> =
            self.views.iter().map(|(id, view)| (view.activity().to_owned(), id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(over) {
            self.views.remove(&id);
            touched.insert(id);
        }
    }
}
