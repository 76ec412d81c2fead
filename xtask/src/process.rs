//! Programs we run: to their end with their output kept for the error, or in a process group that we must end.
//! Nothing here knows what the programs are.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs to the end with its output shown; an error names the program.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{} failed ({status}); its output is above", line(command));
    }
    Ok(())
}

/// Runs to the end quietly; its output is shown only if it fails.
pub fn run_quietly(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        let output_text = format!("{out}\n{err}");
        bail!("{} failed ({}):\n{}", line(command), output.status, crate::log::last_lines(&output_text, 60));
    }
    Ok(out.into_owned())
}

/// Runs to the end with its output shown, and gives what it wrote to stdout.
pub fn run_and_capture(command: &mut Command) -> Result<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut stdout = String::new();
    for line in BufReader::new(child.stdout.take().context("its output")?).lines() {
        let line = line?;
        println!("{line}");
        stdout += &line;
        stdout.push('\n');
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status}); its output is above", self::line(command));
    }
    Ok(stdout)
}

/// How often a long compilation says where it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// Runs cargo to its end. Shows warnings and errors as they come, and now and then the crate that it compiles.
pub fn run_cargo(command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .env("CARGO_TERM_QUIET", "false")
        .spawn()
        .context("cannot run cargo")?;
    let (mut reported, mut crates) = (Instant::now(), 0);
    for line in BufReader::new(child.stderr.take().context("its output")?).lines() {
        let line = line?;
        if let Some(compiled) = line.strip_prefix("   Compiling ") {
            crates += 1;
            if reported.elapsed() > PROGRESS_EVERY {
                crate::log::say(&format!(
                    "  crate {crates}: {}",
                    compiled.split(" (").next().unwrap_or_default()
                ));
                reported = Instant::now();
            }
        } else if !is_status(&line) {
            crate::log::say(&line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status}); its output is above", self::line(command));
    }
    Ok(())
}

/// Whether cargo's line is one of its own, like `    Finished …`: a word that ends in the twelfth column.
fn is_status(line: &str) -> bool {
    let (word, rest) = line.split_at_checked(12).unwrap_or((line, ""));
    rest.starts_with(' ')
        && word.trim_start().starts_with(|c: char| c.is_ascii_uppercase())
        && !word.trim_start().contains(' ')
}

fn line(command: &Command) -> String {
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}

/// Puts a command into a process group of its own, so that Ctrl-C in the terminal reaches us alone and we end it
/// in order. On Linux it also gets `signal` if we are killed outright.
pub fn put_in_own_group(command: &mut tokio::process::Command, signal: i32) {
    command.process_group(0).kill_on_drop(false);
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is async-signal-safe and touches only the new process.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, signal);
            Ok(())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = signal;
}

/// Sends a signal to a process, or with a negative number to a group. Says whether there was one.
pub fn signal(pid: i32, signal: i32) -> bool {
    // SAFETY: kill takes no pointers. 0, 1 and -1 would hit ourselves, init or everything.
    pid.unsigned_abs() > 1 && unsafe { libc::kill(pid, signal) == 0 }
}

pub fn is_alive(pid: i32) -> bool {
    signal(pid, 0)
}

/// Ends a group: `first`, and SIGKILL for what is left after `patience`.
pub fn end_group(group: i32, first: i32, patience: Duration) {
    signal(-group, first);
    if !wait_until_gone(-group, patience) {
        signal(-group, libc::SIGKILL);
    }
}

/// Waits until a process (or with a negative number a group) is gone.
pub fn wait_until_gone(pid: i32, patience: Duration) -> bool {
    let start = Instant::now();
    while is_alive(pid) {
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// The processes of a group and what they were started as. A number alone may by now be somebody else's.
pub fn group_members(group: i32) -> Vec<(i32, String)> {
    processes()
        .into_iter()
        .filter(|(_, of, _)| *of == group)
        .map(|(pid, _, command)| (pid, command))
        .collect()
}

/// What a process was started as; empty if it is gone.
pub fn command_line(pid: i32) -> String {
    processes().into_iter().find(|(of, ..)| *of == pid).map(|(.., command)| command).unwrap_or_default()
}

/// All processes: pid, group, command line. From /proc where there is one, for `ps` may be absent there.
fn processes() -> Vec<(i32, i32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return processes_of_ps() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // `pid (name) state parent group …`, and the name may hold anything.
        let group = stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, group, String::from_utf8_lossy(&command).replace('\0', " ")))
    })
    .collect()
}

fn processes_of_ps() -> Vec<(i32, i32, String)> {
    let output = Command::new("ps").args(["-axo", "pid=,pgid=,command="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let parse = |line: &str| {
        let (pid, rest) = line.trim_start().split_once(' ')?;
        let (group, command) = rest.trim_start().split_once(' ')?;
        Some((pid.parse().ok()?, group.parse().ok()?, command.to_owned()))
    };
    text.lines().filter_map(parse).collect()
}

/// A port that nobody listens on just now.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
