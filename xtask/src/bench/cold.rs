//! `cargo xtask bench --cold`: what a fresh isolate needs for its first answer, ours beside the bare JavaScript object,
//! each time with a workerd of its own.
//! Not here: sockets (`bench.rs`), and the first message of a room.

use super::baseline::BARE;
use super::report::machine;
use super::server::{Server, our_config, tree_cpu_us};
use super::{ANSWER_MAX, Rig};
use crate::log::say;
use crate::{dev, inputs, process, root};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const STARTS: usize = 7;

/// One start of workerd.
struct Start {
    first: Duration,
    second: Duration,
    /// What workerd used of the processor from listening to its first answer.
    first_cpu_us: u64,
}

/// Measures both in turns and writes `bench/results/cold.md`.
pub(super) async fn run(rig: &Rig<'_>) -> Result<()> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for start in 1..=STARTS {
        let dir = rig.dir.join(format!("cold-ours-{start}"));
        std::fs::create_dir_all(dir.join("storage"))?;
        dev::copy_worker(rig.worker, &dir)?;
        let port = process::free_port()?;
        inputs::write_atomically(&dir.join("workerd.capnp"), &our_config(rig, port)?)?;
        let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
        ours.push(measure(server).await?);

        let dir = rig.dir.join(format!("cold-bare-{start}"));
        std::fs::create_dir_all(dir.join("storage"))?;
        bare.push(measure(BARE.start(rig, &dir, process::free_port()?).await?).await?);
    }
    let text = report(&ours, &bare)?;
    say(&text);
    inputs::write_atomically(&root().join("bench/results/cold.md"), &text)
}

async fn measure(server: Server) -> Result<Start> {
    let cpu_us = || tree_cpu_us(server.pid()?);
    let before_us = cpu_us()?;
    let first = ask(server.port)?;
    let first_cpu_us = cpu_us()?.saturating_sub(before_us);
    let second = ask(server.port)?;
    server.stop().await;
    Ok(Start { first, second, first_cpu_us })
}

/// How long the answer to `GET /health` takes. Its status does not matter: the bare object has no such route.
fn ask(port: u16) -> Result<Duration> {
    let begun = Instant::now();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    write!(stream, "GET /api/chat/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer to health")?;
    ensure!(answer.starts_with("HTTP/1.1 "), "health: {answer}");
    Ok(begun.elapsed())
}

fn report(ours: &[Start], bare: &[Start]) -> Result<String> {
    let mut text = format!(
        "# A fresh isolate\n\nFrom the request to the whole answer of `GET /health`, bare `workerd serve` that has just begun \
         to listen; medians (least–greatest) of {STARTS} starts in turns.\n\n\
         | | first, ms | of which CPU, ms | second, ms |\n|--|--:|--:|--:|\n"
    );
    for (name, starts) in [("Chinwag", ours), ("a JavaScript object that only broadcasts", bare)] {
        let spread = |of: fn(&Start) -> f64| {
            let mut values: Vec<f64> = starts.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            let at = |index: usize| values.get(index).copied().unwrap_or_default();
            format!("{:.1} ({:.1}–{:.1})", at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} |",
            spread(|start| start.first.as_secs_f64() * 1e3),
            spread(|start| start.first_cpu_us as f64 / 1e3),
            spread(|start| start.second.as_secs_f64() * 1e3),
        );
    }
    let _ = writeln!(text, "\n{}", machine("cargo xtask bench --cold")?);
    Ok(text)
}
