//! Virtual time and tasks: futures are polled in one fixed order, and time moves only when no task can run.
//! Not here: what the tasks do.

use chinwag::ids::UnixMs;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Whose turn a task's polls belong to: they commit together and end together.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// The world itself: network, clients, Postgres.
    World,
    /// The Worker's part of the runtime.
    Worker,
    /// One instance of a room's object.
    Object { host: String, instance: u64 },
}

type TaskId = u64;
type Work = Pin<Box<dyn Future<Output = ()>>>;
type Queue = Arc<Mutex<VecDeque<TaskId>>>;

struct Task {
    owner: Owner,
    /// `None` while it is polled.
    work: Option<Work>,
    waker: Waker,
}

struct TaskWaker {
    id: TaskId,
    ready: Queue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.id) {
            ready.push_back(self.id);
        }
    }
}

pub struct Executor {
    now: Cell<UnixMs>,
    next: Cell<u64>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    ready: Queue,
    timers: RefCell<BTreeMap<(UnixMs, u64), Waker>>,
}

impl Executor {
    pub fn new(now: UnixMs) -> Self {
        Self {
            now: Cell::new(now),
            next: Cell::new(1),
            tasks: RefCell::default(),
            ready: Queue::default(),
            timers: RefCell::default(),
        }
    }

    pub fn now(&self) -> UnixMs {
        self.now.get()
    }

    fn next_number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    pub fn spawn(&self, owner: Owner, work: impl Future<Output = ()> + 'static) {
        let id = self.next_number();
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.ready.clone() }));
        waker.wake_by_ref();
        self.tasks.borrow_mut().insert(id, Task { owner, work: Some(Box::pin(work)), waker });
    }

    /// Polls the next task that can go on, within `turn`; false when none can.
    pub fn step(&self, turn: impl FnOnce(&Owner, &mut dyn FnMut())) -> bool {
        loop {
            let id = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(id) = id else { return false };
            let taken = self
                .tasks
                .borrow_mut()
                .get_mut(&id)
                .and_then(|task| Some((task.owner.clone(), task.work.take()?, task.waker.clone())));
            // The task was ended meanwhile.
            let Some((owner, mut work, waker)) = taken else { continue };
            let mut done = false;
            turn(&owner, &mut || {
                let poll = || work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
                // A handler with an injected panic has failed; all others go on.
                done =
                    catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|panic| match is_injected(&panic) {
                        true => true,
                        false => resume_unwind(panic),
                    });
            });
            if done {
                self.tasks.borrow_mut().remove(&id);
            } else if let Some(task) = self.tasks.borrow_mut().get_mut(&id) {
                task.work = Some(work);
            }
            return true;
        }
    }

    /// Drops all tasks of these owners where they stand.
    pub fn end(&self, ends: impl Fn(&Owner) -> bool) {
        let mut tasks = self.tasks.borrow_mut();
        let ids: Vec<TaskId> = tasks.iter().filter(|(_, t)| ends(&t.owner)).map(|(id, _)| *id).collect();
        let ended: Vec<Option<Task>> = ids.iter().map(|id| tasks.remove(id)).collect();
        drop(tasks);
        drop(ended);
    }

    pub fn has(&self, owner: &Owner) -> bool {
        self.tasks.borrow().values().any(|task| task.owner == *owner)
    }

    pub fn next_timer(&self) -> Option<UnixMs> {
        self.timers.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Moves time forward and wakes the timers that are due.
    pub fn advance_to(&self, to: UnixMs) {
        self.now.set(self.now.get().max(to));
        let mut timers = self.timers.borrow_mut();
        while let Some(entry) = timers.first_entry()
            && entry.key().0 <= self.now.get()
        {
            entry.remove().wake();
        }
    }

    pub fn sleep(self: &Rc<Self>, ms: u64) -> Sleep {
        Sleep { executor: self.clone(), until: self.now.get() + ms, registered: false }
    }
}

/// Done at `until`, and never in the turn that began it: sleeping for 0 ends the turn.
pub struct Sleep {
    executor: Rc<Executor>,
    until: UnixMs,
    registered: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.registered {
            self.registered = true;
            let key = (self.until, self.executor.next_number());
            self.executor.timers.borrow_mut().insert(key, context.waker().clone());
            return Poll::Pending;
        }
        if self.executor.now() >= self.until { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The payload of an injected panic, which no defect has.
pub const INJECTED_PANIC: &str = "injected by the simulator";

fn is_injected(panic: &Box<dyn std::any::Any + Send>) -> bool {
    panic.downcast_ref::<&str>() == Some(&INJECTED_PANIC)
}

/// A place for one value that a task waits for.
pub struct Slot<T>(Rc<RefCell<Place<T>>>);

struct Place<T> {
    value: Option<T>,
    filled: bool,
    waker: Option<Waker>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(Place { value: None, filled: false, waker: None })))
    }

    pub fn put(&self, value: T) {
        let mut slot = self.0.borrow_mut();
        (slot.value, slot.filled) = (Some(value), true);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }

    pub fn put_if_empty(&self, value: T) {
        if !self.0.borrow().filled {
            self.put(value);
        }
    }

    pub async fn get(self) -> T {
        std::future::poll_fn(|context| {
            let mut slot = self.0.borrow_mut();
            match slot.value.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    slot.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Never resolves: a lost promise.
pub async fn never<T>() -> T {
    std::future::pending().await
}
