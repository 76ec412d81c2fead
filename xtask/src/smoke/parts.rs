//! The parts of a deployment that can be broken, how an answer names one, and the line of README.md that mends it.

use super::deployment::{Answer, Unanswered};
use serde_json::Value;

const README: &str = include_str!("../../../README.md");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing of ours answers at this URL.
    Address,
    /// The Worker refuses to serve with its variables.
    Configuration,
    Jwt,
    Hyperdrive,
    Migrations,
    R2,
    Queue,
    Limits,
    /// Everything else: the Worker's log has the cause.
    Worker,
}

impl Part {
    #[cfg(test)]
    const ALL: [Self; 9] = [
        Self::Address,
        Self::Configuration,
        Self::Jwt,
        Self::Hyperdrive,
        Self::Migrations,
        Self::R2,
        Self::Queue,
        Self::Limits,
        Self::Worker,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "the address",
            Self::Configuration => "the configuration",
            Self::Jwt => "JWT",
            Self::Hyperdrive => "Hyperdrive",
            Self::Migrations => "the migrations",
            Self::R2 => "R2",
            Self::Queue => "Queue",
            Self::Limits => "limits",
            Self::Worker => "the Worker",
        }
    }

    /// The text that the line of README.md holds.
    fn anchor(self) -> &'static str {
        match self {
            Self::Address => "npx wrangler deploy --env production",
            Self::Configuration => "Without a valid combination the Worker answers",
            Self::Jwt => "| `JWT_SECRET` (secret)",
            Self::Hyperdrive => "npx wrangler hyperdrive create",
            Self::Migrations => "cargo xtask migrate --url",
            Self::R2 => "npx wrangler r2 bucket create",
            Self::Queue => "npx wrangler queues create",
            Self::Limits => "| `LIMITS` |",
            Self::Worker => "The Worker logs one JSON line",
        }
    }

    /// Where README.md says how it is mended, with that line.
    pub fn remedy(self) -> String {
        let mut heading = "";
        for (number, line) in (1..).zip(README.lines()) {
            heading = line.strip_prefix("## ").unwrap_or(heading);
            if line.contains(self.anchor()) {
                return format!("README.md:{number} ({heading}): {line}");
            }
        }
        "README.md".to_owned()
    }
}

/// Why a step failed: the part that is broken, and what was seen of it.
#[derive(Debug)]
pub struct Failure {
    pub part: Part,
    pub saw: String,
}

impl Failure {
    pub fn new(part: Part, saw: impl Into<String>) -> Failure {
        Failure { part, saw: saw.into() }
    }

    /// A request that got no answer of HTTP.
    pub fn unanswered(error: &Unanswered) -> Failure {
        Failure::new(Part::Address, error.0.clone())
    }

    /// An answer that this step didn't want. What the Worker's own words name is broken; else `suspect`.
    pub fn of_answer(answer: &Answer, suspect: Part) -> Failure {
        let error = &answer.body["error"];
        let saw = match error["code"].as_str() {
            Some(code) => {
                format!("{} {code}: {}", answer.status, error["message"].as_str().unwrap_or_default())
            }
            None => format!("{} without an error of the contract", answer.status),
        };
        Failure::new(part_of(answer.status, error, suspect), saw)
    }

    /// An `error` frame.
    pub fn of_frame(frame: &Value, suspect: Part) -> Failure {
        let code = frame["code"].as_str().unwrap_or_default();
        let part = if code == "rate_limited" { Part::Limits } else { suspect };
        Failure::new(part, format!("error {code}: {}", frame["message"].as_str().unwrap_or_default()))
    }
}

fn part_of(status: u16, error: &Value, suspect: Part) -> Part {
    let message = error["message"].as_str().unwrap_or_default();
    let says = |words: &str| message.contains(words);
    match status {
        _ if !error.is_object() => Part::Address,
        401 => Part::Jwt,
        429 => Part::Limits,
        500 => Part::Worker,
        503 if says("not configured") => Part::Configuration,
        503 if says("token's key") => Part::Jwt,
        503 if says("database") => Part::Hyperdrive,
        503 if says("files") => Part::R2,
        _ => suspect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_part_has_one_line_of_the_readme() {
        for part in Part::ALL {
            let lines = README.lines().filter(|line| line.contains(part.anchor())).count();
            assert_eq!(lines, 1, "{part:?}");
            assert!(part.remedy().contains(part.anchor()), "{part:?}: {}", part.remedy());
        }
    }

    #[test]
    fn an_answer_names_the_broken_part() {
        let named = |status, message: &str| {
            let body = json!({"error": {"code": "x", "message": message}});
            Failure::of_answer(&Answer { status, body, bytes: Vec::new() }, Part::Queue).part
        };
        assert_eq!(named(503, "the database can't be reached, try again"), Part::Hyperdrive);
        assert_eq!(named(503, "this deployment keeps no files: the binding FILES is missing"), Part::R2);
        assert_eq!(named(503, "the bucket of files can't be reached, try again"), Part::R2);
        assert_eq!(named(503, "this deployment is not configured; its log says"), Part::Configuration);
        assert_eq!(named(401, "the token's signature is wrong"), Part::Jwt);
        assert_eq!(named(429, "slower"), Part::Limits);
        assert_eq!(named(404, "there is no such room"), Part::Queue);
        let page = Answer { status: 200, body: Value::Null, bytes: b"<html>".to_vec() };
        assert_eq!(Failure::of_answer(&page, Part::Queue).part, Part::Address);
    }
}
