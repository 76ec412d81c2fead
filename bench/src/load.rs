//! The load: sockets in rooms, messages at a pace, and what is counted as they arrive.
//! Not here: frames (`wire.rs`), what is complete and in order (`received.rs`).

use crate::plan::{Measured, Pace, Plan, percentile};
use crate::process::{cpu_us, memory_kib};
use crate::received::{self, Faults, Marks, Received, Receiver, Tally};
use crate::timer::Timer;
use crate::wire::{self, Socket};
use anyhow::{Context, Result, anyhow, bail, ensure};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::time::{Duration, Instant};

/// Every message must have been received this soon after the last one was sent.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// As much as one frame of the server may hold, several times over.
const SCRATCH_BYTES: usize = 1 << 20;
const TIMER: Token = Token(usize::MAX);
/// How long nothing may be received before the ends of the run are looked at again.
const TICK: Duration = Duration::from_millis(5);

/// What is counted as it happens.
#[derive(Clone, Copy, Default)]
struct Counts {
    messages: u64,
    deliveries: u64,
    frames: u64,
    bytes: u64,
    server_cpu_us: u64,
    load_cpu_us: u64,
}

/// A message that was sent: when it was due, and how many sockets have not received it yet.
struct Sent {
    due: Instant,
    missing: usize,
}

/// One room: where its sockets begin, and what each of its senders has sent.
struct Room {
    first: usize,
    sockets: usize,
    sent: Vec<Vec<Sent>>,
}

struct Client {
    socket: Socket,
    received: Receiver,
    room: usize,
}

#[derive(Default)]
struct Latencies {
    each_us: Vec<u32>,
    last_us: Vec<u32>,
}

pub struct Load {
    plan: Plan,
    poll: Poll,
    timer: Timer,
    clients: Vec<Client>,
    rooms: Vec<Room>,
    marks: Marks,
    counts: Counts,
    latencies: Latencies,
    join_cpu_us: f64,
    /// Of an open loop: when it began, and how many messages were sent since.
    begun: Option<(Instant, u64)>,
}

impl Load {
    pub fn connect(plan: Plan) -> Result<Self> {
        let (poll, timer) = (Poll::new()?, Timer::new()?);
        poll.registry().register(&mut SourceFd(&timer.fd()), TIMER, Interest::READABLE)?;
        let (mut clients, mut rooms) = (Vec::new(), Vec::new());
        let before_us = cpu_us(plan.server_pid)?;
        for (at, upgrades) in plan.rooms.iter().enumerate() {
            let senders = match plan.pace {
                Pace::UnderWay { senders, .. } => senders,
                Pace::PerS { .. } => upgrades.len(),
            };
            ensure!(upgrades.len() >= senders && senders > 0, "fewer sockets than senders");
            let sent = std::iter::repeat_with(Vec::new).take(senders).collect();
            rooms.push(Room { first: clients.len(), sockets: upgrades.len(), sent });
            for (path, protocols) in upgrades {
                let mut socket = Socket::connect(plan.port, path, protocols.as_deref())
                    .with_context(|| format!("connecting socket {}", clients.len()))?;
                poll.registry().register(&mut socket.stream, Token(clients.len()), Interest::READABLE)?;
                let received = match plan.event_bytes {
                    None => Receiver::Ours(Received::new(senders)),
                    Some(_) => Receiver::Baseline(Tally::new(senders)),
                };
                clients.push(Client { socket, received, room: at });
            }
        }
        let join_cpu_us = (cpu_us(plan.server_pid)? - before_us) as f64 / clients.len().max(1) as f64;
        let (marks, counts, latencies) = (Marks::new(), Counts::default(), Latencies::default());
        Ok(Self { plan, poll, timer, clients, rooms, marks, counts, latencies, join_cpu_us, begun: None })
    }

    pub fn run(mut self) -> Result<Measured> {
        match self.plan.pace {
            Pace::UnderWay { senders, messages } => {
                for (room, sender) in
                    (0..self.rooms.len()).flat_map(|room| (0..senders).map(move |s| (room, s)))
                {
                    self.send(room, sender, messages, Instant::now())?;
                }
            }
            Pace::PerS { .. } => self.begun = Some((Instant::now(), 0)),
        }
        self.listen(Duration::from_millis(self.plan.warm_up_ms), true)?;
        self.latencies = Latencies::default();
        let (before, start) = (self.counted()?, Instant::now());
        self.listen(Duration::from_millis(self.plan.measure_ms), true)?;
        let (after, time) = (self.counted()?, start.elapsed());
        let memory_kib = memory_kib(self.plan.server_pid)?;
        // What arrives from here on was due within the time, and is measured: else a server that falls behind would
        // look faster than it is.
        self.listen(DRAIN_MAX, false)?;
        let faults = self.check()?;
        let mut measured = measured(before, after, time, self.latencies)?;
        measured.join_cpu_us = self.join_cpu_us;
        measured.server_memory_kib = memory_kib;
        measured.messages = self.counts.messages;
        (measured.lost, measured.doubled, measured.out_of_order) =
            (faults.lost, faults.doubled, faults.out_of_order);
        Ok(measured)
    }

    fn counted(&self) -> Result<Counts> {
        let (server_cpu_us, load_cpu_us) = (cpu_us(self.plan.server_pid)?, cpu_us(std::process::id())?);
        Ok(Counts { server_cpu_us, load_cpu_us, ..self.counts })
    }

    /// Receives whatever comes during `time`, and sends at the plan's pace or nothing.
    fn listen(&mut self, time: Duration, sends: bool) -> Result<()> {
        let (end, mut last) = (Instant::now() + time, self.counts.deliveries);
        let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let mut received_at = Instant::now();
        while Instant::now() < end {
            if sends {
                self.send_due()?;
            }
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                if event.token() == TIMER {
                    continue;
                }
                let at = event.token().0;
                let own = self.read(at, &mut scratch)?;
                if sends && own > 0 && self.begun.is_none() {
                    let client = self.clients.get(at).context("a socket that isn't ours")?;
                    let room = client.room;
                    let sender = at - self.room(room)?.first;
                    self.send(room, sender, own, Instant::now())?;
                }
            }
            if self.counts.deliveries != last {
                (last, received_at) = (self.counts.deliveries, Instant::now());
            }
            if sends && self.begun.is_none() && received_at.elapsed() > DRAIN_MAX {
                bail!("nothing was received for {DRAIN_MAX:?}");
            }
            if !sends && self.has_all() {
                break;
            }
        }
        Ok(())
    }

    fn room(&mut self, at: usize) -> Result<&mut Room> {
        self.rooms.get_mut(at).context("a room that isn't ours")
    }

    /// In an open loop: sends what is due by now, and sets the timer for the next message.
    fn send_due(&mut self) -> Result<()> {
        let (Some((begun, count)), Pace::PerS { messages }) = (self.begun, self.plan.pace) else {
            return Ok(());
        };
        let (rooms, mut count) = (self.rooms.len(), count);
        let due_at = |count: u64| begun + Duration::from_secs_f64(count as f64 / messages);
        while due_at(count) <= Instant::now() {
            let turn = usize::try_from(count)?;
            let (room, sender) = (turn % rooms, turn / rooms);
            let sender = sender % self.room(room)?.sockets;
            self.send(room, sender, 1, due_at(count))?;
            count += 1;
        }
        self.begun = Some((begun, count));
        Ok(self.timer.set(due_at(count))?)
    }

    /// Reads one socket and returns how many of its own messages it received.
    fn read(&mut self, at: usize, scratch: &mut [u8]) -> Result<usize> {
        let Self { clients, rooms, marks, counts, latencies, .. } = self;
        let Client { socket, received, room } = clients.get_mut(at).context("a socket that isn't ours")?;
        let room = rooms.get_mut(*room).context("a socket has a room")?;
        let own_sender = at - room.first;
        let mut own = 0;
        socket.read(scratch, |frame| {
            let (mut fault, mut messages, now) = (Ok(()), 0, Instant::now());
            let found = marks.find(frame, |mark| {
                messages += 1;
                fault = std::mem::replace(&mut fault, Ok(())).and_then(|()| received.receive(mark));
                let of_sender = room.sent.get_mut(mark.sender);
                let Some(sent) = of_sender.and_then(|of| of.get_mut(mark.number as usize - 1)) else {
                    return;
                };
                let us = now.saturating_duration_since(sent.due).as_micros() as u32;
                latencies.each_us.push(us);
                sent.missing = sent.missing.saturating_sub(1);
                if sent.missing == 0 {
                    latencies.last_us.push(us);
                }
                own += usize::from(mark.sender == own_sender);
            });
            found.and(fault).map_err(|why| anyhow!("socket {at}: {why}"))?;
            if messages == 0 && memchr::memmem::find(frame, br#""type":"error""#).is_some() {
                bail!("socket {at}: {}", String::from_utf8_lossy(frame));
            }
            counts.deliveries += messages;
            counts.frames += u64::from(messages > 0);
            counts.bytes += if messages > 0 { frame.len() as u64 } else { 0 };
            Ok(())
        })?;
        Ok(own)
    }

    /// Sends a sender's next messages in one write, as a client does that has several to send.
    fn send(&mut self, room: usize, sender: usize, count: usize, due: Instant) -> Result<()> {
        let Self { plan, clients, rooms, counts, .. } = self;
        let room = rooms.get_mut(room).context("a room that isn't ours")?;
        let client = clients.get_mut(room.first + sender).context("a sender has a socket")?;
        let sent = room.sent.get_mut(sender).context("a sender that is one")?;
        let mut frames = Vec::new();
        for _ in 0..count {
            let number = sent.len() as u64 + 1;
            let content = received::content(sender, number, plan.content_bytes);
            let text = match plan.event_bytes {
                None => {
                    format!(r#"{{"type":"message","content":"{content}","clientId":"{sender}-{number}"}}"#)
                }
                Some(bytes) => event(&content, bytes),
            };
            wire::frame(&mut frames, &text);
            sent.push(Sent { due, missing: room.sockets });
            counts.messages += 1;
        }
        client.socket.send(&frames)
    }

    fn has_all(&self) -> bool {
        self.rooms.iter().all(|room| {
            let sent: Vec<u64> = room.sent.iter().map(|of| of.len() as u64).collect();
            let clients = self.clients.iter().skip(room.first).take(room.sockets);
            clients.map(|client| &client.received).all(|received| received.is_complete(&sent))
        })
    }

    /// A baseline's faults over all sockets.
    ///
    /// # Errors  one of ours received not every message, or not in the order of the others.
    fn check(&self) -> Result<Faults> {
        let mut faults = Faults::default();
        for room in &self.rooms {
            let sent: Vec<u64> = room.sent.iter().map(|of| of.len() as u64).collect();
            let mut first = None;
            for client in self.clients.iter().skip(room.first).take(room.sockets) {
                let of = client.received.faults(&sent);
                faults.lost += of.lost;
                faults.doubled += of.doubled;
                faults.out_of_order += of.out_of_order;
                let Receiver::Ours(received) = &client.received else { continue };
                ensure!(received.is_complete(&sent), "not every socket received every message");
                ensure!(
                    received.has_order_of(first.get_or_insert(received)),
                    "two sockets received the messages in different orders"
                );
            }
        }
        Ok(faults)
    }
}

/// An event as our room's `new_message` would be, as far as its length goes.
fn event(content: &str, bytes: usize) -> String {
    let mut text = format!(r#"{{"type":"new_message","seq":0,"message":{{"content":"{content}","rest":""#);
    let padding = bytes.saturating_sub(text.len() + 3);
    text.extend(std::iter::repeat_n('-', padding));
    text + r#""}}"#
}

/// The figures of the measured time; what is of the whole run is left at 0.
fn measured(before: Counts, after: Counts, time: Duration, latencies: Latencies) -> Result<Measured> {
    let Latencies { mut each_us, mut last_us } = latencies;
    let deliveries = (after.deliveries - before.deliveries) as f64;
    let messages = (after.messages - before.messages) as f64;
    let frames = (after.frames - before.frames) as f64;
    ensure!(deliveries > 0.0 && !last_us.is_empty(), "nothing was received");
    each_us.sort_unstable();
    last_us.sort_unstable();
    let server_cpu_us = (after.server_cpu_us - before.server_cpu_us) as f64;
    Ok(Measured {
        messages_per_s: messages / time.as_secs_f64(),
        deliveries_per_s: deliveries / time.as_secs_f64(),
        server_cpu_us_per_delivery: server_cpu_us / deliveries,
        server_cpu_us_per_message: server_cpu_us / messages,
        load_cpu_share: (after.load_cpu_us - before.load_cpu_us) as f64 / time.as_micros() as f64,
        server_cpu_share: server_cpu_us / time.as_micros() as f64,
        latency_p50_us: percentile(&each_us, 50),
        latency_p99_us: percentile(&each_us, 99),
        last_p50_us: percentile(&last_us, 50),
        last_p99_us: percentile(&last_us, 99),
        events_per_frame: deliveries / frames,
        event_bytes: (after.bytes - before.bytes) as f64 / deliveries,
        join_cpu_us: 0.0,
        server_memory_kib: 0,
        messages: 0,
        lost: 0,
        doubled: 0,
        out_of_order: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baselines_event_is_as_long_as_asked_and_readable() {
        let content = received::content(3, 17, 100);
        let text = event(&content, 600);
        assert_eq!(text.len(), 600);
        let mut found = Vec::new();
        Marks::new().find(text.as_bytes(), |mark| found.push(mark)).unwrap();
        assert_eq!(found, [received::Mark { seq: 0, sender: 3, number: 17 }]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["message"]["content"], content.as_str());
    }

    #[test]
    fn percentiles_and_rates_are_of_the_window_alone() {
        let before = Counts {
            messages: 5,
            deliveries: 100,
            frames: 10,
            bytes: 1_000,
            server_cpu_us: 50,
            load_cpu_us: 0,
        };
        let after = Counts {
            messages: 25,
            deliveries: 300,
            frames: 60,
            bytes: 5_000,
            server_cpu_us: 850,
            load_cpu_us: 500_000,
        };
        let latencies = Latencies { each_us: (1..=100).rev().collect(), last_us: vec![7, 5, 9] };
        let m = measured(before, after, Duration::from_secs(1), latencies).unwrap();
        assert_eq!((m.messages_per_s, m.deliveries_per_s), (20.0, 200.0));
        assert_eq!((m.server_cpu_us_per_delivery, m.server_cpu_us_per_message), (4.0, 40.0));
        assert_eq!((m.events_per_frame, m.event_bytes, m.load_cpu_share), (4.0, 20.0, 0.5));
        assert_eq!((m.latency_p50_us, m.latency_p99_us, m.last_p50_us, m.last_p99_us), (50, 99, 7, 7));
    }
}
