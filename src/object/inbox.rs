//! The object of one person's inbox, over any runtime: callbacks become inputs, effects are performed. A fault drops the
//! inbox and closes its sockets, whose clients resume.
//! Not here: what follows from an input (`crate::inbox`), and asking Postgres and rooms (`inbox_questions`).

use super::host::{Host, Linger, Parts};
use super::lease::Lease;
use super::platform::{Gone, Platform};
use super::requests::Answer;
use super::sockets::Sockets;
use super::verifying::Verifying;
use crate::api::{InboxRequest, InboxUpgrade, PersonPoke, Poke, Reply};
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::{TenantId, UnixMs, UserId};
use crate::inbox::{Connect, Effect, Inbox, Input, Owner, Store};
use crate::limits::Limits;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::StoreError;
use crate::room::{ConnectionId, ResumePosition};
use std::cell::{Cell, RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub struct InboxObject<P: Platform> {
    pub(super) platform: P,
    limits: Limits,
    inbox: RefCell<Option<Inbox>>,
    sockets: Sockets<P::Socket>,
    /// Frames that wait for the end of the turn.
    frames: RefCell<Vec<(ConnectionId, String)>>,
    flush_is_due: Cell<bool>,
    /// For when the next question is scheduled.
    pub(super) asks_at: Cell<Option<UnixMs>>,
    /// One statement at a time: an older answer must not follow a newer one.
    pub(super) asking: Lease,
    linger: Linger,
    verifying: Verifying,
}

impl<P: Platform> Host for InboxObject<P> {
    type Platform = P;

    fn parts(&self) -> Parts<'_, P> {
        let Self { platform, limits, sockets, linger, verifying, .. } = self;
        Parts { platform, limits, sockets, linger, verifying }
    }

    async fn admit(self: &Rc<Self>, outcome: Result<Identity, Refusal>) -> Result<Identity, Refusal> {
        let identity = outcome?;
        self.ensure_active(&identity).await.map(|()| identity)
    }

    fn take_verified(self: &Rc<Self>, connection: ConnectionId, outcome: Result<Identity, Refusal>) {
        self.feed(Input::Verified { connection, outcome });
    }

    fn take_slow(self: &Rc<Self>, connection: ConnectionId) {
        self.feed(Input::Slow { connection });
    }
}

impl<P: Platform> InboxObject<P> {
    /// Touches nothing: the first event that needs the inbox loads it.
    pub fn new(platform: P, limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            platform,
            limits,
            inbox: RefCell::default(),
            sockets: Sockets::new(),
            frames: RefCell::default(),
            flush_is_due: Cell::new(false),
            asks_at: Cell::new(None),
            asking: Lease::default(),
            linger: Linger::default(),
            verifying: Verifying::default(),
        })
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Does what the Worker or a room asks.
    ///
    /// # Errors  the caller's refusal; nothing happened then.
    pub async fn handle_request(self: Rc<Self>, request: InboxRequest) -> Result<Answer<P::Peer>, Refusal> {
        match request {
            InboxRequest::Upgrade(upgrade) => self.upgrade(upgrade).await,
            InboxRequest::Poke(Poke { tenant, user, room, read }) => {
                Ok(self.poked(tenant, user, Input::Poked { room, read }))
            }
            InboxRequest::PersonPoke(PersonPoke { tenant, user, person }) => {
                Ok(self.poked(tenant, user, Input::PersonPoked { person }))
            }
            InboxRequest::SavedPoke { tenant, user } => Ok(self.poked(tenant, user, Input::SavedPoked)),
            InboxRequest::EndSessions { tenant, user } => self.end_sessions(&tenant, &user).await,
        }
    }

    fn poked(self: &Rc<Self>, tenant: TenantId, user: UserId, input: Input) -> Answer<P::Peer> {
        if self.look(|_| ()).is_none() {
            // Nobody's inbox is here, and yet a lease runs.
            self.later(async move |object| object.end_lease(&tenant, &user).await);
        } else {
            self.feed(input);
        }
        Answer::Reply(Reply::ok("{}"))
    }

    async fn upgrade(self: &Rc<Self>, upgrade: InboxUpgrade) -> Result<Answer<P::Peer>, Refusal> {
        let InboxUpgrade { caller, batches, since } = upgrade;
        self.create(&caller.tenant, &caller.user)?;
        let since = since.map(|(seq, epoch)| ResumePosition { seq, epoch });
        // From here to the end stands no `await`: the answer is the newest one.
        let answer = self.ask_everything(&caller, since.as_ref()).await?;
        self.sockets.begin_turn();
        self.process_frames();
        let now = self.platform.now();
        let id = self.sockets.number(self.look(|inbox| inbox.next_connection(now)).unwrap_or(1));
        let (socket, peer) = self.platform.accept(id).ok_or_else(Refusal::fault)?;
        self.sockets.insert_new(id, socket.clone(), batches);
        let connect = Connect { id, identity: caller, batches, since, answer };
        let is_connected = self.feed(Input::Connect(Box::new(connect))) && self.feed(Input::Flush);
        if !is_connected {
            self.sockets.remove(id);
            let _ = self.platform.close(&socket, CloseCode::Internal);
            return Err(Refusal::fault());
        }
        Ok(Answer::Upgraded { peer, batches })
    }

    /// The inbox exists with this owner.
    fn create(self: &Rc<Self>, tenant: &TenantId, user: &UserId) -> Result<(), Refusal> {
        if self.look(|_| ()).is_some() {
            return Ok(());
        }
        let epoch = format!("{:016x}", self.platform.random());
        let owner = Owner { tenant: tenant.clone(), user: user.clone(), epoch };
        Store(self.platform.sql()).create(&owner).map_err(|why| self.report_fault(Some(&why)))
    }

    // --- Callbacks of the platform ------------------------------------------------------------------------

    /// A text frame arrived.
    pub fn received(self: &Rc<Self>, connection: ConnectionId, text: String) {
        let is_too_large = text.len() > self.limits.frame_bytes as usize;
        self.frames.borrow_mut().push((connection, text));
        // It closes its socket anyway, so it is not kept in memory until the turn ends.
        if is_too_large { self.process_frames() } else { self.flush_later() }
    }

    /// A binary frame arrived; its content does not matter.
    pub fn received_binary(self: &Rc<Self>, connection: ConnectionId) {
        self.feed(Input::Binary { connection });
    }

    /// A socket has ended.
    pub fn gone(self: &Rc<Self>, connection: ConnectionId) {
        // Loaded first: the inbox must know the socket that it forgets.
        self.look(|_| ());
        self.sockets.remove(connection);
        self.feed(Input::Closed { connection });
    }

    /// Starts what is due and returns at once.
    pub async fn alarm(self: Rc<Self>) {
        self.feed(Input::AlarmFired);
        // Devices that are gone without a word are looked for.
        self.flush_later();
    }

    // --- Feeding the inbox --------------------------------------------------------------------------------

    fn process_frames(self: &Rc<Self>) {
        for (connection, text) in self.frames.take() {
            self.feed_one(Input::Frame { connection, text: &text });
        }
    }

    /// Feeds one input, after the frames that arrived before it; false: it was lost because of a fault of ours.
    pub(super) fn feed(self: &Rc<Self>, input: Input) -> bool {
        self.process_frames();
        self.feed_one(input)
    }

    fn feed_one(self: &Rc<Self>, input: Input) -> bool {
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let mut slot = self.loaded()?;
            let Some(inbox) = slot.as_mut() else { return Ok(Vec::new()) };
            inbox.handle(&Store(self.platform.sql()), self.platform.now(), input)
        }));
        match handled {
            Ok(Ok(effects)) => {
                effects.into_iter().for_each(|effect| drop(self.perform(effect)));
                self.deliver();
                self.schedule_next();
                true
            }
            Ok(Err(why)) => self.fail(Some(&why)),
            Err(_) => self.fail(None),
        }
    }

    /// The input is lost, and the memory with it: the clients resume from what is stored.
    fn fail(&self, why: Option<&StoreError>) -> bool {
        self.report_fault(why);
        // A panic while it was borrowed leaves nothing that could be replaced; the next event fails too, and closes.
        if let Ok(mut slot) = self.inbox.try_borrow_mut() {
            *slot = None;
        }
        self.sockets.clear();
        for socket in self.platform.sockets() {
            let _ = self.platform.close(&socket, CloseCode::Internal);
        }
        false
    }

    pub(super) fn report_fault(&self, why: Option<&StoreError>) -> Refusal {
        self.platform.report(&match why {
            Some(why) => Entry::error("inbox_store_failed").with("why", why),
            None => Entry::error("inbox_panicked"),
        });
        Refusal::fault()
    }

    fn loaded(self: &Rc<Self>) -> Result<RefMut<'_, Option<Inbox>>, StoreError> {
        let mut slot = self.inbox.borrow_mut();
        if slot.is_none() {
            let (states, lost) = self.sockets.wake(&self.platform);
            *slot = Inbox::load(&Store(self.platform.sql()), states, self.limits.clone())?;
            if !lost.is_empty() {
                self.later(async move |object| {
                    object.feed(Input::Lost { connections: lost });
                });
            }
        }
        Ok(slot)
    }

    /// Looks at the inbox, which is loaded if it is not in memory; `None`: there is none.
    pub(super) fn look<T>(self: &Rc<Self>, look: impl FnOnce(&Inbox) -> T) -> Option<T> {
        match self.loaded() {
            Ok(slot) => slot.as_ref().map(look),
            Err(why) => {
                self.report_fault(Some(&why));
                None
            }
        }
    }

    /// Changes the inbox, if it is in memory.
    pub(super) fn with_inbox<T>(&self, change: impl FnOnce(&mut Inbox) -> T) -> Option<T> {
        self.inbox.borrow_mut().as_mut().map(change)
    }

    fn perform(self: &Rc<Self>, effect: Effect) -> Result<(), Gone> {
        match effect {
            Effect::Socket(effect) => self.sockets.perform(&self.platform, effect),
            Effect::Close { connection, code } => {
                self.sockets.close(&self.platform, &self.limits, connection, code)?;
            }
            Effect::Verify { connection, token } => self.verify_later(connection, token),
            Effect::MarkRead { connection, caller, room, seq, is_known } => self.later(async move |object| {
                if let Err(refusal) = object.mark_read(*caller, room, seq, is_known).await {
                    object.feed(Input::Refused { connection, refusal, frame: "read" });
                }
            }),
            Effect::Alarm(at) => self.platform.set_alarm(at),
            Effect::PokePartners { inboxes } => {
                self.later(async move |object| object.poke_partners(inboxes).await);
            }
            Effect::EndLease => {
                let owner = self.with_inbox(|inbox| inbox.owner().clone());
                self.later(async move |object| {
                    if let Some(owner) = owner {
                        object.end_lease(&owner.tenant, &owner.user).await;
                    }
                });
            }
        }
        Ok(())
    }

    // --- The end of a turn --------------------------------------------------------------------------------

    /// Flushes at the end of the turn: each socket gets one frame.
    fn flush_later(self: &Rc<Self>) {
        if self.flush_is_due.replace(true) {
            return;
        }
        self.later(async move |object| {
            object.platform.sleep(0).await;
            object.sockets.begin_turn();
            // While the flush is still due: these frames need no other one.
            object.process_frames();
            object.flush_is_due.set(false);
            object.feed_one(Input::Flush);
            let last_frame_ms = |id| object.with_inbox(|inbox| inbox.last_frame_ms(id))?;
            let connections = object.sockets.silent(&object.platform, last_frame_ms);
            if !connections.is_empty() {
                object.feed(Input::Silent { connections });
            }
        });
    }

    fn schedule_next(self: &Rc<Self>) {
        let next = self.with_inbox(|inbox| (inbox.wants_flush(), inbox.question_at()));
        let Some((wants_flush, question_at)) = next else { return };
        if wants_flush {
            self.flush_later();
        }
        if let Some(at) = question_at {
            self.ask_at(at);
        }
    }
}
