//! How objects run: the runtime's calls into them, their turns, their output gate, their alarms.
//! Not here: what an object asks of its platform (`platform`), how it is lost (`outages`).

use crate::platform::new_object;
use crate::world::World;
use crate::world::executor::{Owner, Slot};
use crate::world::hosts::{Host, HostedObject, ObjectAnswer, ObjectRequest, Output, inbox_host};
use crate::world::network::Wire;
use chinwag::api::{InboxRequest, RoomRequest, object_name};
use chinwag::error::Refusal;
use chinwag::ids::{TenantId, UserId};
use std::rc::Rc;

/// The place for an object's answer; a handler that panics leaves a fault there.
struct AnswerSlot(Slot<ObjectAnswer>);

impl Drop for AnswerSlot {
    fn drop(&mut self) {
        self.0.put_if_empty(Err(Refusal::fault()));
    }
}

impl Host {
    /// Whose tasks the present instance's are.
    pub fn owner(&self) -> Owner {
        Owner::Object { host: self.name.clone(), instance: self.instance.get() }
    }
}

impl World {
    /// Runs a callback of the platform in the object's own turn; a sleeping object is created anew for it.
    pub fn call_object<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        host: &Rc<Host>,
        work: impl FnOnce(Rc<dyn HostedObject>) -> F,
    ) {
        host.touched_at.set(self.clock.now());
        let known = host.object.borrow().clone();
        let object = known.unwrap_or_else(|| {
            host.instance.set(host.instance.get() + 1);
            if !host.sockets.borrow().is_empty() {
                self.recorder.count("wakes");
            }
            let object = new_object(self, host);
            *host.object.borrow_mut() = Some(object.clone());
            object
        });
        self.clock.spawn_for(host.owner(), work(object));
    }

    /// The Worker's request to a room.
    pub async fn request_room(self: &Rc<Self>, request: RoomRequest) -> ObjectAnswer {
        let name = object_name(&request.caller.tenant, &request.room);
        self.request_object(&name, ObjectRequest::Room(Box::new(request))).await
    }

    /// A request to a person's inbox.
    pub async fn request_inbox(
        self: &Rc<Self>,
        tenant: &TenantId,
        user: &UserId,
        request: InboxRequest,
    ) -> ObjectAnswer {
        self.request_object(&inbox_host(tenant, user), ObjectRequest::Inbox(Box::new(request))).await
    }

    async fn request_object(self: &Rc<Self>, name: &str, request: ObjectRequest) -> ObjectAnswer {
        let host = self.hosts.get_or_create(name, self.clock.now());
        let slot: Slot<ObjectAnswer> = Slot::new();
        let (world, answer_slot, at) = (self.clone(), slot.clone(), host.clone());
        self.call_object(&host, async move |object: Rc<dyn HostedObject>| {
            let answer_slot = AnswerSlot(answer_slot);
            let answer = object.handle_request(request).await;
            world.send_output(&at, Output::Answer(Box::new(move || answer_slot.0.put(answer))));
        });
        slot.get().await
    }

    /// An output leaves the object, at once if nothing was written in this turn before it.
    pub fn send_output(self: &Rc<Self>, host: &Host, output: Output) {
        if !host.wrote.get() {
            return self.release(output);
        }
        if let Output::Frame(socket, frame) = &output {
            socket.held_bytes.set(socket.held_bytes.get() + frame.len() as u32);
        }
        host.gate.borrow_mut().push(output);
    }

    fn release(self: &Rc<Self>, output: Output) {
        match output {
            Output::Frame(socket, frame) => self.deliver(&socket, Wire::Frame(frame)),
            Output::Close(socket, code) => self.deliver(&socket, Wire::Close(code)),
            Output::Answer(answer) => answer(),
        }
    }

    /// Commits what the turn wrote, sets its alarm, and releases what waited for that.
    pub fn end_turn(self: &Rc<Self>, host: &Rc<Host>) {
        let staged_alarm = host.staged_alarm.take();
        host.turn_bytes.set(0);
        host.sockets.borrow().iter().for_each(|socket| socket.end_turn());
        if host.in_transaction.replace(false) {
            // The process may die before the commit, or after it.
            let dead = self.faults.process_dead.get() || (host.wrote.get() && self.faults.suppress_effect());
            host.sqlite.borrow().rows(if dead { "ROLLBACK" } else { "COMMIT" }, []);
            if host.wrote.get() && !dead {
                self.check_rebuild(host);
            }
        }
        host.wrote.set(false);
        self.check_first_loads(host);
        let gate = host.gate.take();
        if self.faults.process_dead.get() {
            return;
        }
        host.fired_alarm.set(None);
        if let Some(at) = staged_alarm {
            host.alarm.set(at);
            host.alarm_stuck.set(at.is_some_and(|at| at < self.clock.now() + chinwag::limits::ALARM_MIN_MS));
        }
        for output in gate {
            if self.faults.suppress_effect() {
                return;
            }
            self.release(output);
        }
    }

    pub fn fire_alarm(self: &Rc<Self>, host: &Rc<Host>) {
        if host.alarm_running.replace(true) {
            self.recorder.count("alarms blocked");
            return;
        }
        host.fired_alarm.set(host.alarm.take());
        self.recorder.count("alarms");
        let running = host.alarm_running.clone();
        self.call_object(host, async move |object: Rc<dyn HostedObject>| {
            object.handle_alarm().await;
            running.set(false);
        });
    }
}
