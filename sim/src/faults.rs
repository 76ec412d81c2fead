//! Every way the runtime can break: kills, aborts, deploys, panics, a failing disk, storage that is lost.
//! Not here: Postgres' weather (`postgres`), networks that break (`network`).

use crate::client::Tab;
use crate::executor::{Owner, STRUCK};
use crate::hosts::Host;
use crate::network::Wire;
use crate::sqlite::Sqlite;
use crate::world::World;
use std::cell::Cell;
use std::rc::Rc;

impl World {
    // --- Breaking ---------------------------------------------------------------------------------

    pub fn counts_down(cell: &Cell<u32>) -> bool {
        let left = cell.get();
        cell.set(left.saturating_sub(1));
        left == 1
    }

    /// Counts one effect; true when the process is dead and nothing has an effect any more.
    pub fn effect(&self) -> bool {
        if Self::counts_down(&self.dies_in) {
            self.dead.set(true);
        }
        self.dead.get()
    }

    /// Panics if that is due.
    pub fn strikes(&self) {
        if Self::counts_down(&self.panics_in) {
            self.counters.count("panics survived");
            self.trace(|| "a panic".into());
            std::panic::panic_any(STRUCK);
        }
    }

    pub fn disk_is_full(&self) -> bool {
        let full = self.now() < self.disk_full_until.get();
        if full {
            self.counters.count("writes to a full disk");
        }
        full
    }

    pub fn disk_fails(&self) -> bool {
        let fails = Self::counts_down(&self.disk_fails_in);
        if fails {
            self.counters.count("failing statements");
            self.trace(|| "the disk fails".into());
        }
        fails
    }

    /// SIGKILL: memory and sockets are gone, storage and alarms stay.
    pub fn kill(self: &Rc<Self>) {
        self.dead.set(false);
        self.dies_in.set(0);
        self.counters.count("crashes");
        self.trace(|| "the process is killed".into());
        self.executor.end(|owner| *owner != Owner::World);
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            if let Some(at) = host.fired.take() {
                host.alarm.set(host.alarm.get().or(Some(at)));
            }
            self.forget(&host);
            for sock in host.sockets.take() {
                sock.closing.set(true);
                self.deliver(&sock, Wire::Close(1006));
            }
        }
        self.fail_requests();
    }

    /// The instance aborts: memory is gone under open sockets, handlers under way never answer.
    pub fn abort(self: &Rc<Self>) {
        self.counters.count("instances aborted");
        self.trace(|| "the instance aborts".into());
        let alarms: Vec<_> = self.hosts.borrow().values().filter(|h| h.alarm_runs.get()).cloned().collect();
        self.executor.end(|owner| *owner != Owner::World);
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        hosts.iter().for_each(|host| self.forget(host));
        // An alarm that was under way blocks all later ones.
        for host in alarms {
            host.alarm_runs.set(true);
            host.aborted_alarm.set(true);
        }
        self.tabs.borrow_mut().iter_mut().for_each(Tab::forgives);
    }

    /// New code: idle objects wake into it with their sockets, the others lose them.
    pub fn redeploy(self: &Rc<Self>) {
        self.counters.count("deploys");
        self.trace(|| "a deploy".into());
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            if self.hibernate(&host) {
                continue;
            }
            self.end_object(&host);
            for sock in host.sockets.take() {
                sock.closing.set(true);
                self.deliver(&sock, Wire::Close(1006));
            }
        }
    }

    pub fn end_object(&self, host: &Host) {
        let name = host.name.clone();
        self.executor.end(|owner| matches!(owner, Owner::Object { host, .. } if *host == name));
        self.forget(host);
    }

    pub fn forget(&self, host: &Host) {
        if host.begun.replace(false) {
            host.sqlite.borrow().rows("ROLLBACK", []);
        }
        host.wrote.set(false);
        host.staged_alarm.set(None);
        host.alarm_runs.set(false);
        host.aborted_alarm.set(false);
        let dropped = (host.gate.take(), host.object.take());
        drop(dropped);
    }

    /// Whether nothing keeps the object awake: no timer, no promise.
    pub fn is_idle(&self, host: &Host) -> bool {
        let owner = Owner::Object { host: host.name.clone(), making: host.making.get() };
        !self.executor.has(&owner)
    }

    /// Memory goes, if the platform may do that now.
    pub fn hibernate(&self, host: &Host) -> bool {
        let may = self.is_idle(host);
        if may && host.is_awake() {
            self.counters.count("hibernations");
            self.forget(host);
        }
        may
    }

    /// The object's storage is lost for good.
    pub fn lose_disk(self: &Rc<Self>, host: &Host) {
        self.counters.count("storages lost");
        self.trace(|| format!("{} loses its storage", host.name));
        self.end_object(host);
        let sqlite = Sqlite::new();
        sqlite.counts_rows.set(false);
        *host.sqlite.borrow_mut() = Rc::new(sqlite);
        host.alarm.set(None);
        for sock in host.sockets.take() {
            sock.closing.set(true);
            self.deliver(&sock, Wire::Close(1006));
        }
    }
}
