//! The language of the transcripts: on the left what is done, on the right what each person then receives.
//!
//! An action stands at the margin. What is received follows after two blanks or more, or on lines further in; a line
//! that would pass column 120 goes on in the next one, further in still. `UPDATE_TRANSCRIPTS=1` writes what was
//! received into the source: look at every line of the difference.
//!
//! What is joined by ` & ` happens within one turn. A name with `'` is another connection of the same person.
//!
//! | action | what it does |
//! |--|--|
//! | `join [as legacy] [since=N [epoch=E]] [history=N] [expires_ms=N] [tenant=T]` | connects |
//! | `leave` `lag` `fall silent` `send binary` | the socket closes · reads nothing · sends nothing any more · sends bytes |
//! | `> message "TEXT" [OPTION…]` | sends a frame; options `#CLIENTID thread=N reply=N base=V files=U,U +room` |
//! | `> edit N "TEXT"` `> delete N` `> react E N` `> unreact E N` | … about message N, with the same options |
//! | `> typing on` `> typing off` `> read N` `> ping T` `> auth NAME+SECONDS` `> {JSON}` | … of another kind |
//! | `post message "TEXT"` `patch N "TEXT"` `delete N` `react E N` `unreact E N` `report N` | the same over REST |
//! | `resolve delete N` `resolve mute NAME` `resolve ban NAME` | what a tenant's moderator does about a report |
//! | `page [before= after= around= at= limit= threadId=]` `thread N [before= limit=]` `versions N` | reads over REST |
//! | `reactors E N [after= limit=]` | lists who reacted, over REST |
//! | `pin N` `unpin N` `pins` | pins message N, over REST · unpins it · lists the pinned messages |
//! | `readers N` | lists who has read up to message N, over REST |
//! | `read N` `unread N` | sets the own read marker over REST |
//! | `reserve U [SIZE]` `store U` `finish U` `fail U` `upload U…` `get U` | the steps of an upload; all of them; a download |
//! | `add NAME…` `remove NAME` `quit` `make NAME ROLE` | changes who is in the room |
//! | `mute NAME [for N s]` `unmute NAME` `ban NAME [for N s]` `unban NAME` `slow to N s` | moderates |
//! | `set {JSON}` `notify LEVEL` | changes the room's settings · one's own notifications |
//! | `outbox` `retry` `discard N` | looks at the outbox · sends quarantined rows again · gives one up |
//! | `panic` | the object panics within this turn |
//!
//! | direction | what happens |
//! |--|--|
//! | `(N s pass)` `(N ms pass)` | time passes; what is due happens |
//! | `(the room is evicted)` `(the room crashes)` `(the room panics)` | memory is lost · sockets too · by a panic |
//! | `(the room is rebuilt)` | storage is lost, and the log is rebuilt from Postgres |
//! | `(the room is archived)` `(the room is deleted)` `(history is visible since join)` | Postgres has the room changed |
//! | `(NAME is removed)` `(NAME becomes ROLE)` `(NAME joined at N)` | … or its people |
//! | `(Postgres fails [with STATE])` `(Postgres hangs)` `(Postgres loses replies)` `(Postgres recovers)` | its faults |
//! | `(Postgres is set back to N)` `(Postgres accepts poison)` | an older backup · what refused rows is repaired |
//! | `(the hung batch commits)` `(the hung batch is refused)` | the oldest batch without an answer gets one |
//! | `(Postgres is watched)` `(the list is watched)` `(the queue is watched)` | the transcript shows them |
//! | `(the list is away)` `(the bucket is away)` `(the queue is away)`, `back` | they can't be reached |
//! | `(the disk fails at statement N)` | the Nth statement from now fails |
//!
//! Not here: the actions (`actions`, `frames`), the directions (`directions`), the words for what is received
//! (`render`).

use crate::rig::Rig;
use std::panic::Location;
use std::sync::Mutex;

/// Where what is received begins, from the margin.
const COLUMN: usize = 46;
const WIDTH: usize = 120;

impl Rig {
    /// Does what stands on the left and compares with what stands on the right.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let caller = Location::caller();
        let margin = script.lines().filter(|l| !l.trim().is_empty()).map(indent).min().unwrap_or(0);
        let mut played = String::from("\n");
        for line in script.lines().filter(|l| !l.trim().is_empty() && indent(l) == margin) {
            let action = action_of(line.trim());
            self.act(action);
            played += &layout(margin, action, &std::mem::take(&mut self.heard));
        }
        let is_same = words(script).eq(words(&played));
        let end = script.rfind('\n').map_or("", |at| &script[at + 1..]);
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            if format!("{played}{end}") != script {
                update(caller.file(), script, &format!("{played}{end}"));
            }
        } else if !is_same {
            let mut pairs = words(script).zip(words(&played));
            let first = pairs.position(|(expected, actual)| expected != actual).unwrap_or_default();
            let from =
                |text| words(text).skip(first.saturating_sub(8)).take(16).collect::<Vec<_>>().join(" ");
            self.lawful = false;
            let (expected, actual) = (from(script), from(&played));
            panic!(
                "{caller}: another conversation\nexpected … {expected} …\nplayed   … {actual} …\n{played}"
            );
        }
    }

    /// Does these things, a line each; nobody looks at what is received.
    pub fn prepare(&mut self, script: &str) {
        script.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.act(line));
        self.heard.clear();
    }

    /// Does one thing; what is received stays to be looked at.
    pub fn play_freely(&mut self, action: &str) {
        self.act(action);
    }

    fn act(&mut self, action: &str) {
        if let Some(direction) = action.strip_prefix('(') {
            self.direct(direction.trim_end_matches(')'));
        } else {
            for (at, action) in action.split(" & ").enumerate() {
                let (name, what) = action.split_once(' ').expect("somebody does something");
                if at > 0 && names_message(what) {
                    self.process_frames();
                }
                self.person_does(name, what);
            }
        }
        self.turn();
    }
}

/// Whether an action is about a message, which may have been sent within this turn.
fn names_message(what: &str) -> bool {
    let actions = ["> react", "> unreact", "> edit", "> delete"];
    actions.iter().any(|action| what.starts_with(action))
        || what.contains("thread=")
        || what.contains("reply=")
}

/// An action and what was received, within the width.
fn layout(margin: usize, action: &str, heard: &[(String, String)]) -> String {
    let (mut text, mut line) = (String::new(), format!("{}{action}", " ".repeat(margin)));
    for (who, what) in heard {
        if line.chars().count() + 2 > margin + COLUMN {
            text += &format!("{line}\n");
            line.clear();
        }
        line += &" ".repeat(margin + COLUMN - line.chars().count());
        line += &format!("{who} <");
        for word in what.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                text += &format!("{line}\n");
                line = " ".repeat(margin + COLUMN + 3);
            }
            line += &format!(" {word}");
        }
        text += &format!("{line}\n");
        line.clear();
    }
    if !line.is_empty() {
        text += &format!("{line}\n");
    }
    text
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What stands before two blanks.
fn action_of(line: &str) -> &str {
    line.split_once("  ").map_or(line, |(action, _)| action)
}

fn update(file: &str, script: &str, played: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let source = std::fs::read_to_string(file).unwrap();
    // A loop plays one script several times.
    if source.contains(played) && !source.contains(script) {
        return;
    }
    assert_eq!(source.matches(script).count(), 1, "{file}: the same script twice");
    std::fs::write(file, source.replacen(script, played, 1)).unwrap();
}
