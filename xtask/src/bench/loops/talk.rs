//! People who talk: each sends at fixed times, whatever came of the last message, and notes when its ack came.

use super::super::server::run_first;
use super::stack::{Socket, Stack};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const ROOMS: usize = 2;
/// In each room.
pub const TALKERS: usize = 15;
/// Messages of each a second: LIMIT-1 lets 5 through.
pub const PER_S: u32 = 4;

pub struct Sample {
    pub due: Instant,
    /// From then until the ack; `None` while it hasn't come.
    pub ack: Option<Duration>,
    pub room: usize,
}

pub struct Talk {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    talkers: Vec<JoinHandle<Result<()>>>,
}

pub fn name(room: usize, nth: usize) -> String {
    format!("talker-{room}-{nth}")
}

impl Talk {
    pub fn start(stack: &Stack<'_>, rooms: &[String]) -> Result<Self> {
        let mut sockets = Vec::new();
        for (at, room) in rooms.iter().enumerate() {
            for nth in 0..TALKERS {
                let socket = stack.connect(&name(at, nth), &format!("/chat?roomId={room}&history=0"))?;
                sockets.push((at, socket.context("a talker was refused")?));
            }
        }
        let mut talk = Self { samples: Arc::default(), stop: Arc::default(), talkers: Vec::new() };
        let (begin, count) = (Instant::now(), u32::try_from(sockets.len())?);
        for (turn, (room, socket)) in (0..).zip(sockets) {
            let talker = Talker {
                room,
                // So that no two are due at the same moment.
                begin: begin + Duration::from_secs(1) / PER_S / count * turn,
                samples: Arc::clone(&talk.samples),
                stop: Arc::clone(&talk.stop),
                waiting: VecDeque::new(),
            };
            talk.talkers.push(std::thread::spawn(move || talker.run(socket)));
        }
        Ok(talk)
    }

    /// # Errors  somebody's socket failed: no caller may do that to others.
    pub fn samples(&self) -> Result<MutexGuard<'_, Vec<Sample>>> {
        if self.talkers.iter().any(JoinHandle::is_finished) {
            bail!("somebody who talks was closed or refused");
        }
        self.samples.lock().ok().context("the samples")
    }

    /// # Errors  why somebody's socket failed.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for talker in self.talkers {
            talker.join().ok().context("a talker's thread")??;
        }
        Ok(())
    }
}

struct Talker {
    room: usize,
    begin: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    /// Number and sample of each message without an ack.
    waiting: VecDeque<(u32, usize)>,
}

impl Talker {
    fn run(mut self, mut socket: Socket) -> Result<()> {
        run_first(0);
        let ended = self.talk(&mut socket);
        if let Err(error) = &ended {
            eprintln!("somebody who talks in room {}: {error:#}", self.room);
        }
        ended
    }

    fn talk(&mut self, socket: &mut Socket) -> Result<()> {
        for number in 0.. {
            let due = self.begin + Duration::from_secs(1) * number / PER_S;
            self.listen_until(socket, due)?;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let content = format!("{:-<100}", format!("message {number} "));
            let frame = json!({"type": "message", "content": content, "clientId": format!("n{number}")});
            let mut samples = self.samples.lock().ok().context("the samples")?;
            self.waiting.push_back((number, samples.len()));
            samples.push(Sample { due, ack: None, room: self.room });
            drop(samples);
            socket.send(&frame.to_string())?;
        }
        Ok(())
    }

    fn listen_until(&mut self, socket: &mut Socket, end: Instant) -> Result<()> {
        while let Some(text) = socket.read_until(end)? {
            // Most frames are what others say.
            if !text.contains("\"ack\"") && !text.contains("\"error\"") {
                continue;
            }
            let now = Instant::now();
            let frame: Value = serde_json::from_str(&text)?;
            let events = match frame {
                Value::Array(events) => events,
                one => vec![one],
            };
            for event in events {
                match event["type"].as_str() {
                    Some("ack") => self.note_ack(&event, now)?,
                    // Where the machine has stood still for seconds, what was due meanwhile is too much at once. It
                    // counts as missing.
                    Some("error") if event["code"] == "rate_limited" => {}
                    Some("error") => bail!("refused: {event}"),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn note_ack(&mut self, event: &Value, now: Instant) -> Result<()> {
        let number = event["clientId"].as_str().and_then(|id| id.strip_prefix('n')?.parse::<u32>().ok());
        let Some(at) = self.waiting.iter().position(|(waiting, _)| Some(*waiting) == number) else {
            return Ok(());
        };
        let (_, sample) = self.waiting.remove(at).context("it was there")?;
        let mut samples = self.samples.lock().ok().context("the samples")?;
        if let Some(sample) = samples.get_mut(sample) {
            sample.ack = Some(now.saturating_duration_since(sample.due));
        }
        Ok(())
    }
}
