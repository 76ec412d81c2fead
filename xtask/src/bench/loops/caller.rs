//! The caller: repeats one kind of call on a few connections while it is let, and counts what came of it.

use super::kinds::{Ground, Kind, What};
use super::stack::{Socket, Stack, agent, connect};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const CONNECTIONS: usize = 4;
const REST: Duration = Duration::from_millis(2);

/// How often each outcome came, in how much time of looping.
#[derive(Default)]
pub struct Tally {
    counts: BTreeMap<String, u64>,
    looping: Duration,
}

impl Tally {
    fn count(&mut self, outcome: impl Into<String>) {
        *self.counts.entry(outcome.into()).or_default() += 1;
    }

    /// For people: how often each came in a second of looping.
    pub fn describe(&self) -> String {
        let seconds = self.looping.as_secs_f64().max(0.001);
        let rates = self.counts.iter();
        let rates = rates.map(|(outcome, count)| format!("{outcome}: {:.0}", *count as f64 / seconds));
        rates.collect::<Vec<_>>().join(", ")
    }
}

struct Shared {
    port: u16,
    token: String,
    ground: Ground,
    is_looping: AtomicBool,
    is_over: AtomicBool,
}

pub struct Caller {
    shared: Arc<Shared>,
    loops: Vec<JoinHandle<Tally>>,
}

impl Caller {
    pub fn start(stack: &Stack<'_>, name: &str, (kind, ground): (&'static Kind, Ground)) -> Self {
        let shared = Arc::new(Shared {
            port: stack.callers_port(),
            token: stack.token(name).unwrap_or_default(),
            ground,
            is_looping: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let start = |nth: usize| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || run(&shared, kind.what, nth))
        };
        let loops = (0..CONNECTIONS).map(start).collect();
        Self { shared, loops }
    }

    pub fn set_looping(&self, is_looping: bool) {
        self.shared.is_looping.store(is_looping, Ordering::Relaxed);
    }

    pub fn stop(self) -> Tally {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for tally in self.loops.into_iter().filter_map(|one| one.join().ok()) {
            all.looping = all.looping.max(tally.looping);
            for (outcome, count) in tally.counts {
                *all.counts.entry(outcome).or_default() += count;
            }
        }
        all
    }
}

/// Of this thread: whoever talks shares the core, and must not wait for it.
fn give_way() {
    // SAFETY: setpriority takes no pointers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

fn run(shared: &Shared, what: What, nth: usize) -> Tally {
    give_way();
    let (agent, mut socket, mut tally, mut turn) = (agent(), None, Tally::default(), nth);
    while !shared.is_over.load(Ordering::Relaxed) {
        if !shared.is_looping.load(Ordering::Relaxed) {
            std::thread::sleep(REST);
            continue;
        }
        let start = Instant::now();
        match what {
            What::Nothing => std::thread::sleep(REST),
            What::Rest(ask) => {
                let outcome = request(&agent, shared, &ask(&shared.ground, turn));
                tally.count(outcome);
            }
            What::Frames(frame) => {
                push(shared, &mut socket, &frame(&shared.ground, turn), &mut tally);
            }
            What::Upgrades(path) => match connect(shared.port, &shared.token, &path(&shared.ground)) {
                Ok(Some(_)) => tally.count("101"),
                Ok(None) => tally.count("refused"),
                Err(_) => tally.count("no answer"),
            },
        }
        tally.looping += start.elapsed();
        turn += CONNECTIONS;
    }
    tally
}

fn request(agent: &ureq::Agent, shared: &Shared, ask: &super::kinds::Ask) -> String {
    let request = ureq::http::Request::builder().method(ask.method);
    let mut request = request.uri(format!("http://127.0.0.1:{}{}", shared.port, ask.path));
    request = match ask.token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request.header("Authorization", format!("Bearer {}", shared.token)),
    };
    request = request.header("X-File-Name", "file.bin");
    let answer = match &ask.body {
        None => request.body(()).map(|request| agent.run(request)),
        Some((kind, body)) => {
            request.header("Content-Type", *kind).body(body.as_slice()).map(|request| agent.run(request))
        }
    };
    let Ok(Ok(mut answer)) = answer else { return "no answer".into() };
    // The next request needs the connection.
    let _ = answer.body_mut().read_to_vec();
    answer.status().as_str().to_owned()
}

/// Sends a frame over the caller's socket, and opens a new one where the room has closed the last.
fn push(shared: &Shared, socket: &mut Option<Socket>, frame: &str, tally: &mut Tally) {
    let Some(open) = socket else {
        let path = format!("/chat?roomId={}&history=0", shared.ground.room);
        match connect(shared.port, &shared.token, &path) {
            Ok(Some(opened)) => *socket = Some(opened),
            Ok(None) => tally.count("upgrade refused"),
            Err(_) => tally.count("no answer"),
        }
        return;
    };
    match open.push(frame) {
        Ok(()) => tally.count("frames"),
        Err(code) => {
            tally.count(format!("closed {code}"));
            *socket = None;
        }
    }
}
