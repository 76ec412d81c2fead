//! When notices are offered to the queue of notifications, a piece of the log at a time, and to whom they are owed whose
//! client was lost. Nothing waits for the queue: the watermark of notifications follows the one of Postgres.
//! Not here: what a piece holds (`notices`), and the watermark (`log`).

use super::log::Log;
use super::notices::{Audience, Collected, Owed};
use super::store::Result;
use super::turn::Turn;
use crate::db::Notices;
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Notices that are on the way to the queue, and what is done when it has them.
#[derive(Debug, PartialEq, Eq)]
pub struct Offering {
    pub notices: Vec<Notices>,
    covers: Covers,
}

#[derive(Debug, PartialEq, Eq)]
enum Covers {
    /// The log up to here.
    Log(Seq),
    /// What these people missed, up to here.
    Missed(Vec<Owed>, Seq),
}

#[derive(Debug, Default)]
pub struct Notifications {
    owed: Vec<Owed>,
    /// The offering in progress, and since when.
    offering: Option<(UnixMs, Rc<Offering>)>,
    /// The queue did not take the last notices; they are not offered again before this.
    offer_at: UnixMs,
    /// The instance before this one ended with sockets open: their clients get some time to return.
    waits_for_clients: bool,
    /// Who is stored as unheard.
    unheard: BTreeMap<String, UnixMs>,
    /// What is stored of them is out of date.
    is_unsaved: bool,
}

impl Notifications {
    /// # Takes  `unheard`: who was stored as unheard; `notified`: the watermark; `has_socket`: whether a socket of theirs is still open.
    pub fn load(unheard: BTreeMap<String, UnixMs>, notified: Seq, has_socket: impl Fn(&str) -> bool) -> Self {
        let lost = unheard.iter().filter(|(user, _)| !has_socket(user));
        let owed: Vec<Owed> = lost.map(|(user, heard_ms)| Owed::new(user, *heard_ms, notified)).collect();
        Self { waits_for_clients: !owed.is_empty(), owed, unheard, ..Self::default() }
    }

    /// When notices of events that are in Postgres are due; `None` if there are none.
    pub fn due(&self, log: &Log) -> Option<UnixMs> {
        let lease_end = |(since, _): &(UnixMs, _)| since.saturating_add(QUEUE_LEASE_MS);
        let is_due = log.notified() < log.projected() || !self.owed.is_empty();
        self.offering.as_ref().map(lease_end).or_else(|| is_due.then_some(self.offer_at))
    }

    pub fn is_offering(&self) -> bool {
        self.offering.is_some()
    }

    /// The next piece for the queue, if one is due.
    ///
    /// # Gives  also up to where everybody is notified if the log has nothing for the queue up to there.
    pub fn take(
        &mut self,
        turn: Turn,
        log: &Log,
        audience: &Audience,
    ) -> Result<(Option<Rc<Offering>>, Option<Seq>)> {
        let Turn { store, now } = turn;
        if std::mem::take(&mut self.waits_for_clients) {
            self.offer_at = now.saturating_add(NOTIFY_OFFER_MS);
        }
        if self.due(log).is_none_or(|at| now < at) {
            return Ok((None, None));
        }
        self.offering = None;
        let notified = log.notified();
        while !self.owed.is_empty() {
            let Collected { notices, to } = audience.collect_missed(store, now, notified, &self.owed)?;
            let covers = Covers::Missed(self.owed.clone(), to);
            if notices.is_empty() {
                self.cover_missed(&self.owed.clone(), to, notified);
            } else {
                return Ok((Some(self.begin(now, notices, covers)), None));
            }
        }
        if notified >= log.projected() {
            return Ok((None, None));
        }
        let Collected { notices, to } = audience.collect_absent(store, now, (notified, log.projected()))?;
        if notices.is_empty() {
            return Ok((None, Some(to)));
        }
        Ok((Some(self.begin(now, notices, Covers::Log(to))), None))
    }

    fn begin(&mut self, now: UnixMs, notices: Vec<Notices>, covers: Covers) -> Rc<Offering> {
        let offering = Rc::new(Offering { notices, covers });
        self.offering = Some((now, offering.clone()));
        offering
    }

    /// The queue's answer to an offering. A late one is ignored.
    ///
    /// # Gives  up to where everybody is notified now, if that has changed.
    pub fn answered(
        &mut self,
        now: UnixMs,
        offering: &Rc<Offering>,
        taken: bool,
        notified: Seq,
    ) -> Option<Seq> {
        let is_current = self.offering.as_ref().is_some_and(|(_, current)| Rc::ptr_eq(current, offering));
        if !is_current {
            return None;
        }
        self.offering = None;
        if !taken {
            self.offer_at = now.saturating_add(NOTIFY_OFFER_MS);
            return None;
        }
        match &offering.covers {
            Covers::Log(to) => Some(*to),
            Covers::Missed(owed, to) => {
                self.cover_missed(owed, *to, notified);
                None
            }
        }
    }

    /// The queue has what these people missed up to `to`.
    fn cover_missed(&mut self, owed: &[Owed], to: Seq, notified: Seq) {
        self.is_unsaved = true;
        for covered in owed {
            self.owed.retain(|owed| owed != covered || to < notified.min(owed.until));
            if let Some(owed) = self.owed.iter_mut().find(|owed| *owed == covered) {
                owed.done = to;
            }
        }
    }

    /// A client of this person is lost that was last heard of at this time.
    pub fn owe(&mut self, user: &str, heard_ms: UnixMs) {
        match self.owed.iter_mut().find(|owed| owed.user == user) {
            // Another client of theirs was heard of later: it has received what came before.
            Some(owed) if owed.heard_ms < heard_ms => *owed = Owed::new(user, heard_ms, Seq::MAX),
            Some(_) => {}
            None => self.owed.push(Owed::new(user, heard_ms, Seq::MAX)),
        }
    }

    /// A client of this person was lost before the room was loaded, and was last heard of at this time. What they are owed
    /// was stored by the instance that had the client; one since may have notified them as absent.
    pub fn owe_less(&mut self, user: &str, heard_ms: UnixMs) {
        if self.offering.is_some() {
            return;
        }
        let mut not_offered = self.owed.iter_mut().filter(|owed| owed.user == user && owed.done == 0);
        if let Some(owed) = not_offered.next() {
            owed.heard_ms = owed.heard_ms.max(heard_ms);
        }
    }

    /// A client of this person has ended.
    pub fn forget_socket(&mut self, user: &str) {
        self.is_unsaved |= self.unheard.contains_key(user);
    }

    /// Whether somebody is stored as unheard who is not owed anything any more.
    pub fn is_unsaved(&self) -> bool {
        self.is_unsaved
    }

    /// Who may have missed events up to the watermark, to be stored with it: whoever counts as present and was not heard
    /// of since the newest of these events, and whoever is owed notices. If the instance ends, no socket says so.
    ///
    /// # Takes  `newest`: the newest of these events and its time.
    pub fn unheard(
        &mut self,
        newest: Option<(Seq, UnixMs)>,
        audience: &Audience,
    ) -> BTreeMap<String, UnixMs> {
        let is_unheard = |user: &str, heard_ms: UnixMs| {
            newest.is_some_and(|(seq, at)| heard_ms < at && audience.reads.seq_of(user) < seq)
        };
        let present = audience.signs.iter().filter(|(user, heard_ms)| is_unheard(user, **heard_ms));
        let mut unheard: BTreeMap<String, UnixMs> =
            present.map(|(user, heard_ms)| ((*user).to_owned(), *heard_ms)).collect();
        for owed in &self.owed {
            unheard.insert(owed.user.clone(), owed.heard_ms);
        }
        self.is_unsaved = false;
        self.unheard = unheard.clone();
        unheard
    }
}
