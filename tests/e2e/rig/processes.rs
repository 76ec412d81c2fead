//! Processes of a stack: starting what must die with us, finding its descendants, signals.
//! Not here: which of them is what (`stack`). Linux: it reads `/proc`.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

pub const SIGINT: i32 = 2;
pub const SIGKILL: i32 = 9;
pub const SIGCONT: i32 = 18;
pub const SIGSTOP: i32 = 19;
const PR_SET_PDEATHSIG: i32 = 1;

// Of the C library that std links anyway: not worth a crate.
unsafe extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
    fn prctl(option: i32, ...) -> i32;
    fn atexit(at_exit: extern "C" fn()) -> i32;
}

/// Sends a signal to one process, or with a negative number to a group; false if there is none.
pub fn signal(pid: i32, number: i32) -> bool {
    // SAFETY: kill takes no pointers. 0, 1 and -1 would hit ourselves, init or everything.
    pid.unsigned_abs() > 1 && unsafe { kill(pid, number) == 0 }
}

/// Whether it runs; a zombie, whom only its parent can bury, doesn't.
pub fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z')
}

pub fn at_exit(run: extern "C" fn()) {
    // SAFETY: the function takes nothing and lives as long as the program.
    unsafe { atexit(run) };
}

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a program that is interrupted when this test binary dies, however it dies. Linux counts the death of
/// the thread that started it, and tests' threads are short-lived: so one thread starts them all.
pub fn spawn(mut command: Command) -> std::io::Result<Child> {
    // SAFETY: prctl is async-signal-safe and touches only the new process.
    unsafe {
        command.pre_exec(|| {
            prctl(PR_SET_PDEATHSIG, SIGINT);
            Ok(())
        });
    }
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::channel();
    starter.send((command, reply)).expect("the starter runs");
    answer.recv().expect("the starter answers")
}

/// Parent and state of a process.
fn stat(pid: i32) -> Option<(i32, char)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Everything that was started below a process, however deep.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((parent, _)) = stat(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let (mut all, mut next) = (Vec::new(), 0);
    all.extend(children.get(&pid).into_iter().flatten());
    while let Some(pid) = all.get(next).copied() {
        all.extend(children.get(&pid).into_iter().flatten());
        next += 1;
    }
    all
}

pub fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether this process listens on the port.
pub fn listens(pid: i32, port: u16) -> bool {
    let table = ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/{pid}/net/{name}")));
    let inodes: Vec<String> = table
        .iter()
        .flatten()
        .flat_map(|text| text.lines().skip(1))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let here = local.rsplit_once(':')?.1 == format!("{port:04X}") && *state == "0A";
            here.then(|| format!("socket:[{inode}]"))
        })
        .collect();
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    links.into_iter().any(|link| inodes.iter().any(|inode| link.to_str() == Some(inode)))
}
