//! `cargo xtask bench --loops[=PART]`: what one caller in a tight loop costs the others. Thirty people talk in two rooms at
//! the rate that a room allows; one member of the first room repeats one kind of call as fast as answers come, half a second
//! in each. So load of other programs falls on both halves alike. Rates are those of wrangler.toml.
//! Not here: the kinds of calls (`loops/kinds.rs`), the caller (`loops/caller.rs`) and the talk (`loops/talk.rs`).

mod caller;
mod kinds;
mod stack;
mod talk;

use super::Rig;
use super::report::machine;
use super::server::pin;
use crate::log::say;
use crate::root;
use anyhow::{Context, Result, ensure};
use caller::{Caller, Tally};
use kinds::{Ground, KINDS, Kind};
use serde_json::{Value, json};
use stack::Stack;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use talk::{ROOMS, TALKERS, Talk};

/// Of a caller who loops, and of one who rests. Linux stops threads that run first for 50 ms after 950 ms without a pause.
const SLICE: Duration = Duration::from_millis(500);
/// Not counted at the beginning of a slice: what the slice before has left.
const SETTLE: Duration = Duration::from_millis(100);
const SLICES: u32 = 10;
/// A kind past the goal is measured so many times more and longer, and the median counts: of 500 acks the 99th percentile is
/// the fifth, and what the machine does once in a while is enough.
const AGAIN: u32 = 2;
const LONGER: u32 = 2;
/// A slice in which the host of a virtual machine took more than this away doesn't count, and another one takes its place.
const STOLEN_MAX: Duration = Duration::from_millis(10);
/// At most so many slices for one that counts.
const SLICES_TRIED: u32 = 4;
const RATIO_MAX: f64 = 2.0;
/// An ack that has not come after this is missing.
const LATE: Duration = Duration::from_secs(2);

/// A slice, and whether the caller looped in it.
type Slices = Vec<(Instant, bool)>;

/// What was measured of one kind.
struct Measured {
    kind: &'static Kind,
    slices: Slices,
    tally: Tally,
}

pub async fn run(rig: &Rig<'_>, part: &str) -> Result<()> {
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.name.contains(part)).collect();
    ensure!(!kinds.is_empty(), "no kind of call has {part:?} in its name");
    let stack = Stack::start(rig).await?;
    if let Some((_, load)) = rig.cores {
        pin(0, load)?;
    }
    // Nothing else runs on this thread meanwhile.
    let measured = measure_all(&stack, &kinds);
    stack.stop().await;
    let (text, late) = measured?;
    println!("\n{text}");
    if part.is_empty() {
        let results = root().join("bench/results");
        std::fs::write(results.join("loops.md"), &text)?;
        say(&format!("written to {}", results.join("loops.md").display()));
    }
    ensure!(late.is_empty(), "past {RATIO_MAX} times: {late:?}");
    Ok(())
}

/// Measures each kind. Gives the report and the kinds past the goal.
fn measure_all(stack: &Stack<'_>, kinds: &[&'static Kind]) -> Result<(String, Vec<&'static str>)> {
    let rooms = prepare(stack)?;
    let talk = Talk::start(stack, &rooms)?;
    std::thread::sleep(Duration::from_secs(3));
    let mut all = Vec::new();
    for kind in kinds {
        let mut measured = vec![measure(stack, &rooms, kind, SLICES)?];
        if ratio(&talk.acks(&measured[0].slices)?) > RATIO_MAX {
            say(&format!("{}: past the goal, {AGAIN} times more and longer", kind.name));
            for _ in 0..AGAIN {
                measured.push(measure(stack, &rooms, kind, LONGER * SLICES)?);
            }
        }
        if let Ok(file) = std::env::var("LOOPS_DUMP") {
            let mut text = String::new();
            for one in &measured {
                for (at, is) in &one.slices {
                    writeln!(text, "slice {:?} {is}", at.duration_since(one.slices[0].0).as_secs_f64())?;
                }
                for s in talk.samples()?.iter() {
                    if s.due >= one.slices[0].0 {
                        writeln!(
                            text,
                            "ack {:.4} {:.2} {}",
                            s.due.duration_since(one.slices[0].0).as_secs_f64(),
                            s.ack.map_or(-1.0, |a| a.as_secs_f64() * 1e3),
                            s.room
                        )?;
                    }
                }
            }
            std::fs::write(file, text)?;
        }
        let median = take_median(measured, &talk)?;
        say(&line(kind, &talk.acks(&median.slices)?, &median.tally)?);
        all.push(median);
    }
    let mut rows = String::new();
    let mut late = Vec::new();
    for Measured { kind, slices, tally } in &all {
        let acks = talk.acks(slices)?;
        writeln!(rows, "{}", line(kind, &acks, tally)?)?;
        if ratio(&acks) > RATIO_MAX {
            late.push(kind.name);
        }
    }
    talk.stop()?;
    Ok((report(&rows)?, late))
}

/// Of one measurement or three, by the ratio.
fn take_median(measured: Vec<Measured>, talk: &Talk) -> Result<Measured> {
    let mut sorted = Vec::new();
    for one in measured {
        sorted.push((ratio(&talk.acks(&one.slices)?), one));
    }
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = sorted.len() / 2;
    sorted.into_iter().nth(middle).map(|(_, one)| one).context("a measurement")
}

/// The rooms, and in the first one a few messages of the largest size.
fn prepare(stack: &Stack) -> Result<Vec<String>> {
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let people: Vec<String> = (0..TALKERS).map(|nth| talk::name(room, nth)).collect();
        let body = json!({"type": "group", "name": format!("room {room}"), "participantIds": people});
        let made = stack.ask(&people[0], "POST", "/rooms/create", &body)?;
        rooms.push(made["room"]["id"].as_str().context("a room")?.to_owned());
    }
    for nth in 0..kinds::LARGE {
        let body = json!({"content": kinds::large(nth)});
        stack.ask(&talk::name(0, nth % TALKERS), "POST", &format!("/rooms/{}/messages", rooms[0]), &body)?;
    }
    Ok(rooms)
}

/// A newcomer joins the first room, loops in every second slice, and leaves it.
fn measure(stack: &Stack<'_>, rooms: &[String], kind: &'static Kind, slices: u32) -> Result<Measured> {
    static CALLERS: AtomicU32 = AtomicU32::new(0);
    let (owner, room) = (talk::name(0, 0), rooms[0].as_str());
    let name = format!("caller-{}", CALLERS.fetch_add(1, Ordering::Relaxed));
    let members = format!("/rooms/{room}/members");
    stack.ask(&owner, "POST", &members, &json!({"userIds": [name]}))?;
    let ground = Ground::prepare(stack, &name, room)?;
    let caller = Caller::start(stack, &name, (kind, ground));
    let mut bounds = Vec::new();
    let mut missing = [slices; 2];
    for nth in 0..2 * SLICES_TRIED * slices {
        if missing == [0, 0] {
            break;
        }
        let is_looping = nth % 2 == 1;
        caller.set_looping(is_looping);
        let (start, stolen) = (Instant::now(), stolen()?);
        std::thread::sleep(SLICE);
        if self::stolen()?.saturating_sub(stolen) <= STOLEN_MAX {
            bounds.push((start, is_looping));
            let left = &mut missing[usize::from(is_looping)];
            *left = left.saturating_sub(1);
        }
    }
    let tally = caller.stop();
    std::thread::sleep(SETTLE);
    stack.ask(&owner, "DELETE", &format!("{members}/{name}"), &Value::Null)?;
    Ok(Measured { kind, slices: bounds, tally })
}

/// What the host has taken from all cores since the start. Nothing on a machine of its own.
fn stolen() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks =
        stat.lines().next().and_then(|all| all.split_whitespace().nth(8)).map_or(Ok(0), str::parse)?;
    Ok(Duration::from_millis(10 * ticks))
}

/// Acks in µs, sorted: while the caller rested and while they looped, of all others and of those in the caller's room.
struct Acks {
    resting: Vec<u32>,
    looping: Vec<u32>,
    near_resting: Vec<u32>,
    near_looping: Vec<u32>,
    missing: usize,
}

fn ms(sorted: &[u32], share: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * share / 100;
    f64::from(sorted.get(at).copied().unwrap_or_default()) / 1e3
}

fn ratio(acks: &Acks) -> f64 {
    ms(&acks.looping, 99) / ms(&acks.resting, 99)
}

fn line(kind: &Kind, acks: &Acks, tally: &Tally) -> Result<String> {
    let mut text = format!("| {} ", kind.name);
    for sorted in [&acks.resting, &acks.looping] {
        write!(text, "| {:.1} · {:.1} ", ms(sorted, 50), ms(sorted, 99))?;
    }
    let near = ms(&acks.near_looping, 99) / ms(&acks.near_resting, 99);
    write!(text, "| {:.2} | {near:.2} | {} |", ratio(acks), tally.describe())?;
    if acks.missing > 0 {
        write!(text, " {} acks MISSING", acks.missing)?;
    }
    Ok(text)
}

fn report(rows: &str) -> Result<String> {
    let seconds = (SLICES * SLICE).as_secs_f64();
    let stolen = STOLEN_MAX.as_millis();
    Ok(format!(
        "# One caller in a tight loop\n\n{ROOMS} rooms of {TALKERS} people who each send {} messages of 100 characters a \
         second, and a member of the first room who repeats one kind of call as fast as answers come, on {} connections. \
         They loop half of the time, half a second at once, for {seconds} s in all; where that was past the goal, {} times more for {} s, and the median of all is shown. Slices in \
         which the host of the machine took more than {stolen} ms away don't count. `nothing` is the control. Rates and \
         quotas are those of `wrangler.toml`. As they loop half of the time, twice as many calls a second of looping are \
         let through as of somebody who never rests. Rooms run in one process on a core of their own; callers call the Worker of another process, as \
         on the platform, where what is refused at the edge never meets a room. \
         Acks count from when their message was due. The server's threads and those who talk run before other programs (SCHED_RR), and the objects' storage is in memory.\n\n\
         | calls | at rest, p50 · p99 in ms | in the loop | p99, times (goal {RATIO_MAX}) | in the caller's room | answers in the loop, a second |\n\
         |--|--|--|--|--|--|\n{rows}\n{}\n",
        talk::PER_S,
        caller::CONNECTIONS,
        AGAIN,
        seconds * f64::from(LONGER),
        machine("cargo xtask bench --loops")?
    ))
}

impl Talk {
    /// What was due in these slices.
    fn acks(&self, slices: &Slices) -> Result<Acks> {
        let mut acks =
            Acks { resting: vec![], looping: vec![], near_resting: vec![], near_looping: vec![], missing: 0 };
        for sample in self.samples()?.iter() {
            let of =
                slices.iter().find(|(start, _)| sample.due >= *start + SETTLE && sample.due < *start + SLICE);
            let Some((_, is_looping)) = of else { continue };
            let Some(ack) = sample.ack else {
                acks.missing += usize::from(sample.due.elapsed() > LATE);
                continue;
            };
            let us = u32::try_from(ack.as_micros())?;
            let (all, near) = match is_looping {
                true => (&mut acks.looping, &mut acks.near_looping),
                false => (&mut acks.resting, &mut acks.near_resting),
            };
            all.push(us);
            if sample.room == 0 {
                near.push(us);
            }
        }
        for sorted in [&mut acks.resting, &mut acks.looping, &mut acks.near_resting, &mut acks.near_looping] {
            sorted.sort_unstable();
        }
        ensure!(!acks.resting.is_empty() && !acks.looping.is_empty(), "nobody talked");
        Ok(acks)
    }
}
