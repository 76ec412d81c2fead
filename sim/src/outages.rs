//! How objects and processes are lost: kills, aborts, deploys, hibernation, lost storage.
//! Not here: when that is due (`world::faults`), how objects run (`objects`).

use crate::world::World;
use crate::world::clients::Tab;
use crate::world::executor::Owner;
use crate::world::hosts::Host;
use crate::world::network::Wire;
use std::rc::Rc;

impl World {
    /// SIGKILL: memory and sockets are lost, storage and alarms stay.
    pub fn kill_process(self: &Rc<Self>) {
        self.faults.process_dead.set(false);
        self.faults.kill_in.set(0);
        self.recorder.count("crashes");
        self.recorder.trace(|| "the process is killed".into());
        self.clock.end_tasks(|owner| *owner != Owner::World);
        for host in self.hosts.all() {
            if let Some(at) = host.fired_alarm.take() {
                host.alarm.set(host.alarm.get().or(Some(at)));
            }
            self.drop_memory(&host);
            self.break_sockets(&host);
        }
        self.fail_requests();
    }

    /// The instance aborts: memory is lost under open sockets, handlers under way never answer.
    pub fn abort_instance(self: &Rc<Self>) {
        self.recorder.count("instances aborted");
        self.recorder.trace(|| "the instance aborts".into());
        let hosts = self.hosts.all();
        let in_alarm: Vec<_> = hosts.iter().filter(|host| host.alarm_running.get()).collect();
        self.clock.end_tasks(|owner| *owner != Owner::World);
        hosts.iter().for_each(|host| self.drop_memory(host));
        // An alarm that was under way blocks all later ones.
        for host in in_alarm {
            host.alarm_running.set(true);
            host.alarm_aborted.set(true);
        }
        self.clients.all_mut().iter_mut().for_each(Tab::excuse_answers);
    }

    /// A deploy: idle objects wake into the new code with their sockets, the others lose them.
    pub fn redeploy(self: &Rc<Self>) {
        self.recorder.count("deploys");
        self.recorder.trace(|| "a deploy".into());
        for host in self.hosts.all() {
            if self.hibernate(&host) {
                continue;
            }
            self.end_object(&host);
            self.break_sockets(&host);
        }
    }

    fn break_sockets(self: &Rc<Self>, host: &Host) {
        for socket in host.sockets.take() {
            socket.close(self.clock.now());
            self.deliver(&socket, Wire::Close(1006));
        }
        host.note_memory_loss(self.clock.now());
    }

    fn drop_memory(&self, host: &Host) {
        host.note_memory_loss(self.clock.now());
        host.drop_object();
    }

    fn end_object(&self, host: &Host) {
        self.clock.end_tasks(|owner| matches!(owner, Owner::Object { host: name, .. } if *name == host.name));
        self.drop_memory(host);
    }

    /// Whether neither timer nor promise keeps the object awake.
    pub fn is_idle(&self, host: &Host) -> bool {
        let owner = Owner::Object { host: host.name.clone(), instance: host.instance.get() };
        !self.clock.has_task(&owner)
    }

    /// Drops the object's memory if the platform may do that now; says whether it may.
    pub fn hibernate(&self, host: &Host) -> bool {
        let idle = self.is_idle(host);
        if idle && host.is_awake() {
            self.recorder.count("hibernations");
            // An alarm that waits for a lost promise keeps nothing awake, and blocks all later ones for good.
            let (is_alarm_lost, is_aborted) = (host.alarm_running.get(), host.alarm_aborted.get());
            self.drop_memory(host);
            host.alarm_running.set(is_alarm_lost);
            host.alarm_aborted.set(is_aborted);
        }
        idle
    }

    /// The object's storage is lost for good.
    pub fn lose_storage(self: &Rc<Self>, host: &Host) {
        self.recorder.count("storages lost");
        self.recorder.trace(|| format!("{} loses its storage", host.name));
        self.end_object(host);
        host.drop_storage();
        self.break_sockets(host);
    }
}
