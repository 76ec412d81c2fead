//! The tasks of one object under a virtual clock: futures in a fixed order, and what wakes them.
//! Not here: the clock itself, and what the tasks do.

use chinwag::ids::UnixMs;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<u64>>>;

#[derive(Default)]
pub struct Tasks {
    next: Cell<u64>,
    works: RefCell<BTreeMap<u64, Work>>,
    ready: Ready,
    timers: RefCell<BTreeMap<(UnixMs, u64), Waker>>,
}

struct WakeTask {
    id: u64,
    ready: Ready,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.id);
    }
}

impl Tasks {
    fn number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let id = self.number();
        self.works.borrow_mut().insert(id, Box::pin(work));
        self.ready.lock().unwrap().push_back(id);
    }

    /// Polls the next task that can continue; false when there is none.
    pub fn step(&self) -> bool {
        let Some(id) = self.ready.lock().unwrap().pop_front() else { return false };
        let Some(mut work) = self.works.borrow_mut().remove(&id) else { return true };
        let waker = Waker::from(Arc::new(WakeTask { id, ready: self.ready.clone() }));
        if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.works.borrow_mut().insert(id, work);
        }
        true
    }

    /// Ends all tasks where they are.
    pub fn clear(&self) {
        let ended = self.works.take();
        self.timers.borrow_mut().clear();
        self.ready.lock().unwrap().clear();
        drop(ended);
    }

    /// Whether nothing is under way: the platform may let the object hibernate.
    pub fn is_idle(&self) -> bool {
        self.works.borrow().is_empty()
    }

    pub fn next_timer(&self) -> Option<UnixMs> {
        self.timers.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Wakes every task whose time has come.
    pub fn wake_due(&self, now: UnixMs) {
        let mut timers = self.timers.borrow_mut();
        while let Some(entry) = timers.first_entry()
            && entry.key().0 <= now
        {
            entry.remove().wake();
        }
    }

    /// Ends when `wake_due` is called with this time, and never at once.
    pub fn sleep_until(self: &Rc<Self>, at: UnixMs) -> impl Future<Output = ()> + use<> {
        let (tasks, mut is_registered) = (self.clone(), false);
        std::future::poll_fn(move |context| {
            if is_registered {
                return Poll::Ready(());
            }
            is_registered = true;
            tasks.timers.borrow_mut().insert((at, tasks.number()), context.waker().clone());
            Poll::Pending
        })
    }
}
