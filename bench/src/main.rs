//! One run of load: reads its plan from stdin, connects, sends, receives, and prints its measurements; both are JSON.
//! Not here: the servers, the room and the comparison (`xtask/src/bench.rs`). One thread, on a core of its own.

mod received;
mod wire;

use anyhow::{Context, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token};
use received::{Marks, Received};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use wire::Socket;

/// Every message must have been received this soon after the last one was sent.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// As much as one frame of the server may hold, several times over.
const SCRATCH_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plan {
    port: u16,
    server_pid: u32,
    /// Path and query of each socket, and its list of subprotocols. The first `senders` send.
    sockets: Vec<(String, Option<String>)>,
    senders: usize,
    under_way: usize,
    content_bytes: usize,
    /// What a sender sends: ours (a `message` frame), or for a server that only broadcasts the event itself, as
    /// long as ours is.
    event_bytes: Option<usize>,
    warm_up_ms: u64,
    measure_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    deliveries_per_s: f64,
    server_cpu_us_per_delivery: f64,
    /// Of one core, of the load's own: near 1 it was the bottleneck.
    load_cpu_share: f64,
    /// The same of the server: far below 1 something else had its core, and deliveries a second say little.
    server_cpu_share: f64,
    latency_p50_us: u64,
    latency_p99_us: u64,
    events_per_frame: f64,
    event_bytes: f64,
    /// All messages, warm-up included; every socket received each once and in the same order.
    messages: u64,
}

fn main() -> Result<()> {
    let plan: Plan = serde_json::from_reader(std::io::stdin()).context("the plan")?;
    let measured = Load::connect(plan)?.run()?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// What is counted as it happens.
#[derive(Clone, Copy, Default)]
struct Counts {
    deliveries: u64,
    frames: u64,
    bytes: u64,
    server_cpu_us: u64,
    load_cpu_us: u64,
}

struct Load {
    plan: Plan,
    poll: Poll,
    clients: Vec<(Socket, Received)>,
    marks: Marks,
    counts: Counts,
    /// When each message was sent, by sender.
    sent: Vec<Vec<Instant>>,
    latencies_us: Vec<u64>,
}

impl Load {
    fn connect(plan: Plan) -> Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for (at, (path, protocols)) in plan.sockets.iter().enumerate() {
            let mut socket = Socket::connect(plan.port, path, protocols.as_deref())
                .with_context(|| format!("connecting socket {at}"))?;
            poll.registry().register(&mut socket.stream, Token(at), Interest::READABLE)?;
            clients.push((socket, Received::new(plan.senders, plan.event_bytes.is_none())));
        }
        ensure!(clients.len() >= plan.senders, "fewer sockets than senders");
        let sent = vec![Vec::new(); plan.senders];
        let (marks, counts) = (Marks::new(), Counts::default());
        Ok(Self { plan, poll, clients, marks, counts, sent, latencies_us: Vec::new() })
    }

    fn run(mut self) -> Result<Measured> {
        for sender in 0..self.plan.senders {
            self.send(sender, self.plan.under_way)?;
        }
        self.listen(Duration::from_millis(self.plan.warm_up_ms), true)?;
        self.latencies_us.clear();
        let (before, start) = (self.counted()?, Instant::now());
        self.listen(Duration::from_millis(self.plan.measure_ms), true)?;
        let (after, time) = (self.counted()?, start.elapsed());
        // What arrives from here on is not measured, but it must be complete.
        let latencies_us = std::mem::take(&mut self.latencies_us);
        self.drain()?;
        let messages = self.sent.iter().map(|of| of.len() as u64).sum();
        measured(before, after, time, latencies_us, messages)
    }

    fn counted(&self) -> Result<Counts> {
        let (server_cpu_us, load_cpu_us) = (cpu_us(self.plan.server_pid)?, cpu_us(std::process::id())?);
        Ok(Counts { server_cpu_us, load_cpu_us, ..self.counts })
    }

    /// Hears whatever comes during `time`; each sender's own message makes room for its next one.
    fn listen(&mut self, time: Duration, sends: bool) -> Result<()> {
        let (end, mut last) = (Instant::now() + time, self.counts.deliveries);
        let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let mut received_at = Instant::now();
        while Instant::now() < end {
            match self.poll.poll(&mut events, Some(Duration::from_millis(5))) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                let own = self.read(event.token().0, &mut scratch)?;
                if sends && own > 0 {
                    self.send(event.token().0, own)?;
                }
            }
            if self.counts.deliveries != last {
                (last, received_at) = (self.counts.deliveries, Instant::now());
            }
            if sends && received_at.elapsed() > DRAIN_MAX {
                bail!("nothing was received for {DRAIN_MAX:?}");
            }
            if !sends && self.has_all() {
                break;
            }
        }
        Ok(())
    }

    /// Reads one socket and returns how many of its own messages it received.
    fn read(&mut self, at: usize, scratch: &mut [u8]) -> Result<usize> {
        let Self { clients, marks, counts, sent, latencies_us, .. } = self;
        let (socket, received) = clients.get_mut(at).context("a socket that isn't ours")?;
        let mut own = 0;
        socket.read(scratch, |frame| {
            let (mut fault, mut messages) = (Ok(()), 0);
            let found = marks.find(frame, |mark| {
                messages += 1;
                fault = std::mem::replace(&mut fault, Ok(())).and_then(|()| received.receive(mark));
                if mark.sender == at
                    && let Some(sent) = sent.get(at).and_then(|of| of.get(mark.number as usize - 1))
                {
                    latencies_us.push(sent.elapsed().as_micros() as u64);
                    own += 1;
                }
            });
            found.and(fault).map_err(|why| anyhow::anyhow!("socket {at}: {why}"))?;
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
    fn send(&mut self, sender: usize, count: usize) -> Result<()> {
        let Self { plan, clients, sent, .. } = self;
        let (socket, _) = clients.get_mut(sender).context("a sender has a socket")?;
        let sent = sent.get_mut(sender).context("a sender that is one")?;
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
            sent.push(Instant::now());
        }
        socket.send(&frames)
    }

    fn has_all(&self) -> bool {
        let sent: Vec<u64> = self.sent.iter().map(|of| of.len() as u64).collect();
        self.clients.iter().all(|(_, received)| received.is_complete(&sent))
    }

    fn drain(&mut self) -> Result<()> {
        self.listen(DRAIN_MAX, false)?;
        ensure!(self.has_all(), "not every socket received every message");
        let (_, first) = self.clients.first().context("a socket")?;
        ensure!(
            self.clients.iter().all(|(_, received)| received.has_order_of(first)),
            "two sockets received the messages in different orders"
        );
        Ok(())
    }
}

/// An event as our room's `new_message` would be, as far as its length goes.
fn event(content: &str, bytes: usize) -> String {
    let mut text = format!(r#"{{"type":"new_message","seq":0,"message":{{"content":"{content}","rest":""#);
    let padding = bytes.saturating_sub(text.len() + 3);
    text.extend(std::iter::repeat_n('-', padding));
    text + r#""}}"#
}

fn measured(
    before: Counts,
    after: Counts,
    time: Duration,
    mut latencies_us: Vec<u64>,
    messages: u64,
) -> Result<Measured> {
    let deliveries = (after.deliveries - before.deliveries) as f64;
    let frames = (after.frames - before.frames) as f64;
    ensure!(deliveries > 0.0 && !latencies_us.is_empty(), "nothing was received");
    latencies_us.sort_unstable();
    let percentile = |share: usize| latencies_us.get((latencies_us.len() - 1) * share / 100).copied();
    Ok(Measured {
        deliveries_per_s: deliveries / time.as_secs_f64(),
        server_cpu_us_per_delivery: (after.server_cpu_us - before.server_cpu_us) as f64 / deliveries,
        load_cpu_share: (after.load_cpu_us - before.load_cpu_us) as f64 / time.as_micros() as f64,
        server_cpu_share: (after.server_cpu_us - before.server_cpu_us) as f64 / time.as_micros() as f64,
        latency_p50_us: percentile(50).unwrap_or_default(),
        latency_p99_us: percentile(99).unwrap_or_default(),
        events_per_frame: deliveries / frames,
        event_bytes: (after.bytes - before.bytes) as f64 / deliveries,
        messages,
    })
}

/// What a process has used of the processors so far, all its threads together.
fn cpu_us(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // `pid (name) state …`: utime and stime are the 14th and 15th field, and the name may hold anything.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).context("a stat line")?;
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // SAFETY: sysconf takes no pointers.
    let per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks * 1_000_000 / u64::try_from(per_s).context("the clock's ticks")?.max(1))
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
        let before = Counts { deliveries: 100, frames: 10, bytes: 1_000, server_cpu_us: 50, load_cpu_us: 0 };
        let after =
            Counts { deliveries: 300, frames: 60, bytes: 5_000, server_cpu_us: 850, load_cpu_us: 500_000 };
        let m = measured(before, after, Duration::from_secs(1), (1..=100).rev().collect(), 7).unwrap();
        assert_eq!((m.deliveries_per_s, m.server_cpu_us_per_delivery), (200.0, 4.0));
        assert_eq!((m.events_per_frame, m.event_bytes, m.load_cpu_share), (4.0, 20.0, 0.5));
        assert_eq!((m.latency_p50_us, m.latency_p99_us), (50, 99));
    }
}
