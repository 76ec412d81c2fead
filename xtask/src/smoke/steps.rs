//! The steps of the smoke test: what two people do, and what they must see of it.
//! Not here: their order, and what is printed (`smoke`); which part of a deployment an answer names (`parts`).

use super::deployment::{Answer, NotConnected, Person, Socket};
use super::parts::{Failure, Part};
use super::{Options, Outcome, Seen};
use crate::verify::encoded;
use crate::{inputs, verify};
use anyhow::Result;
use serde_json::{Value, json};
use std::io::Read;
use std::time::{Duration, Instant};
use tungstenite::http::Method;

/// The name of the rooms that are made here, by which what an interrupted run left is found and deleted.
const ROOM_NAME: &str = "chinwag smoke test";
/// Bytes of the uploaded file: more than one piece of the Worker's stream.
const FILE_BYTES: usize = 200 * 1024;
/// Postgres follows within a second or two; a database that was suspended needs longer to wake up.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(20);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Messages that B misses and must receive when they resume.
const MISSED: usize = 3;
/// `HEALTH_QUERY_EVERY_MS` of the Worker.
const HEALTH_KEPT: Duration = Duration::from_secs(10);
/// Between two messages: slower than the limits that a deployment has by default.
const PACE: Duration = Duration::from_millis(250);

pub struct Smoke<'a> {
    options: &'a Options,
    a: Person,
    b: Person,
    /// Makes the texts and ids of this run its own.
    run: String,
    room: Option<String>,
    has_begun: bool,
    sockets: Option<(Socket, Socket)>,
    /// The message that is edited, gets a reaction and is deleted.
    first: String,
    attachment: Option<String>,
    /// Messages with the word that is searched for.
    findable: usize,
    /// The last event that B has seen, and its log.
    seen: (u64, String),
}

impl<'a> Smoke<'a> {
    pub fn new(options: &'a Options, a: Person, b: Person) -> Result<Smoke<'a>> {
        let mut random = [0; 8];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        Ok(Smoke {
            options,
            a,
            b,
            run: inputs::hex(&random),
            room: None,
            has_begun: false,
            sockets: None,
            first: String::new(),
            attachment: None,
            findable: 0,
            seen: (0, String::new()),
        })
    }

    /// Whether there may be something to clean up.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub fn answer(&self) -> Outcome {
        let answer = wanted(self.a.get("/health"), Part::Worker)?;
        if answer["status"] != "ok" {
            return Err(Failure::new(Part::Address, "an answer that is not the Worker's"));
        }
        text("the Worker answers")
    }

    /// A ticket is made without Postgres: only the token counts.
    pub fn check_tokens(&self) -> Outcome {
        for person in [&self.a, &self.b] {
            wanted(person.send_json(Method::POST, "/ws-ticket", &json!({})), Part::Worker)?;
        }
        if self.a.user == self.b.user {
            return Err(Failure::new(Part::Jwt, "both tokens are of one person"));
        }
        text(format!("{} and {} are who they say", self.a.user, self.b.user))
    }

    /// What only a tenant's admin may ask for.
    pub fn check_services(&self) -> Outcome {
        let answer = self.a.get("/health?deep=1").map_err(|e| Failure::unanswered(&e))?;
        if answer.status == 401 {
            let why = "the first token is not of a tenant's admin: Postgres and the queue are not asked for";
            return Ok(Seen::Skipped(why.to_owned()));
        }
        let health = wanted(Ok(answer), Part::Hyperdrive)?;
        for (service, part) in
            [("postgres", Part::Hyperdrive), ("files", Part::R2), ("notifications", Part::Queue)]
        {
            if !["ok", "off"].contains(&health[service].as_str().unwrap_or("not told")) {
                return Err(Failure::new(part, format!("{service}: {}", health[service])));
            }
        }
        let (files, notifications) = (&health["files"], &health["notifications"]);
        text(format!(
            "Postgres answers in {} ms, files {files}, notifications {notifications}",
            health["latencyMs"]
        ))
    }

    pub fn create(&mut self) -> Outcome {
        let left = self.delete_leftovers().map_err(|failure| self.tell_schema_from_network(failure))?;
        self.has_begun = true;
        self.create_room().map_err(|failure| self.tell_schema_from_network(failure))?;
        let left = if left > 0 {
            format!(", and {left} that an interrupted run left are gone")
        } else {
            String::new()
        };
        text(format!("a group of two{left}"))
    }

    /// A database that answers, but not this statement, lacks the migrations.
    fn tell_schema_from_network(&self, failure: Failure) -> Failure {
        if failure.part != Part::Hyperdrive {
            return failure;
        }
        // The last answer is kept for this long.
        std::thread::sleep(HEALTH_KEPT);
        match self.a.get("/health?deep=1") {
            Ok(Answer { status: 200, body, .. }) if body["postgres"] == "ok" => {
                Failure { part: Part::Migrations, ..failure }
            }
            _ => failure,
        }
    }

    fn create_room(&mut self) -> Result<(), Failure> {
        let body = json!({
            "type": "group", "name": ROOM_NAME, "participantIds": [self.a.user, self.b.user], "clientId": self.run,
        });
        let made = wanted(self.a.send_json(Method::POST, "/rooms/create", &body), Part::Worker)?;
        let id = made["room"]["id"].as_str();
        self.room = Some(id.ok_or_else(|| Failure::new(Part::Worker, "a room without an id"))?.to_owned());
        Ok(())
    }

    /// Deletes the rooms of an interrupted run.
    fn delete_leftovers(&self) -> Result<usize, Failure> {
        let list = wanted(self.a.get("/rooms/list?limit=100"), Part::Hyperdrive)?;
        let is_left = |room: &&Value| room["name"] == ROOM_NAME && room["createdBy"] == self.a.user;
        let left: Vec<&Value> = list["rooms"].as_array().into_iter().flatten().filter(is_left).collect();
        for id in left.iter().filter_map(|room| room["id"].as_str()) {
            let path = format!("/rooms/{}", encoded(id));
            wanted(self.a.ask(Method::DELETE, &path, &[], &[]), Part::Worker)?;
        }
        Ok(left.len())
    }

    pub fn join(&mut self) -> Outcome {
        let (mut a, hello) = self.connect(&self.a, "&history=0")?;
        let (b, b_hello) = self.connect(&self.b, "&history=0")?;
        until(&mut a, "user_joined", |event| event["type"] == "user_joined")?;
        self.seen =
            (b_hello["seq"].as_u64().unwrap_or(0), b_hello["epoch"].as_str().unwrap_or_default().to_owned());
        self.sockets = Some((a, b));
        let (per_s, burst) = (&hello["limits"]["messagesPerS"], &hello["limits"]["messagesBurst"]);
        text(format!("both hear hello and synced; {per_s} messages a second, burst {burst}"))
    }

    /// Opens a socket and reads up to `synced`: the socket and its `hello`.
    fn connect(&self, person: &Person, query: &str) -> Result<(Socket, Value), Failure> {
        let mut socket = person.connect(self.room()?, query).map_err(|error| match error {
            NotConnected::Refused(answer) => Failure::of_answer(&answer, Part::Worker),
            NotConnected::Unanswered(error) => Failure::unanswered(&error),
        })?;
        let hello = until(&mut socket, "hello", |event| event["type"] == "hello")?;
        Ok((socket, hello))
    }

    pub fn say(&mut self) -> Outcome {
        let content = format!("smoke{} is a word of this test alone", self.run);
        let start = Instant::now();
        let (ack, _) = self.send_message(json!({"content": content}), "say")?;
        let ms = start.elapsed().as_millis();
        ack["messageId"].as_str().unwrap_or_default().clone_into(&mut self.first);
        text(format!("A has the ack and B the message, at seq {}, within {ms} ms", ack["seq"]))
    }

    /// A sends a message: the ack, and what B hears.
    fn send_message(&mut self, fields: Value, name: &str) -> Result<(Value, Value), Failure> {
        let client_id = format!("{name}-{}", self.run);
        let mut frame = fields;
        frame["type"] = json!("message");
        frame["clientId"] = json!(client_id);
        let (a, b) = self.sockets.as_mut().ok_or_else(no_sockets)?;
        a.send(&frame).map_err(|why| Failure::new(Part::Worker, why))?;
        let ack = until(a, "the ack", |event| event["type"] == "ack" && event["clientId"] == *client_id)?;
        let heard =
            until(b, "the message", |event| event["type"] == "new_message" && event["seq"] == ack["seq"])?;
        self.seen.0 = heard["seq"].as_u64().unwrap_or(0);
        Ok((ack, heard["message"].clone()))
    }

    /// One of the two does something to the first message; the other hears this event of it.
    fn change(&mut self, by_a: bool, frame: Value, heard_as: &str) -> Result<Value, Failure> {
        if self.first.is_empty() {
            return Err(Failure::new(Part::Worker, "there is no message: `say` failed"));
        }
        let (mut frame, client_id) = (frame, format!("{heard_as}-{}", self.run));
        frame["messageId"] = json!(self.first);
        frame["clientId"] = json!(client_id);
        let (a, b) = self.sockets.as_mut().ok_or_else(no_sockets)?;
        let (from, to) = if by_a { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
        from.send(&frame).map_err(|why| Failure::new(Part::Worker, why))?;
        until(from, "the ack", |event| event["type"] == "ack" && event["clientId"] == *client_id)?;
        let event = until(to, heard_as, |event| event["type"] == heard_as)?;
        if !by_a {
            until(b, heard_as, |event| event["type"] == heard_as)?;
        }
        self.seen.0 = event["seq"].as_u64().unwrap_or(0);
        Ok(event)
    }

    pub fn edit(&mut self) -> Outcome {
        let content = format!("smoke{} is a word of this test alone, edited", self.run);
        let event = self.change(true, json!({"type": "edit", "content": content}), "message_updated")?;
        expect(event["message"]["content"] == *content, "the edited message has another content")?;
        text(format!("B sees version {}", event["message"]["version"]))
    }

    pub fn react(&mut self) -> Outcome {
        let frame = json!({"type": "reaction", "emoji": "👍", "action": "add"});
        let event = self.change(false, frame, "reaction_update")?;
        let delta = &event["delta"];
        expect(delta["userId"] == *self.b.user && delta["emoji"] == "👍", "another reaction than B's")?;
        text("A sees B's reaction")
    }

    /// A uploads a file and sends it; B has it whole, and a part of it.
    pub fn upload(&mut self) -> Outcome {
        let mut bytes = vec![0; FILE_BYTES];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes));
        read.map_err(|e| Failure::new(Part::Worker, e.to_string()))?;
        let path = format!("/rooms/{}/attachments", encoded(self.room()?));
        let headers = [("X-File-Name", "smoke.bin"), ("Content-Type", "application/octet-stream")];
        let stored = wanted(self.a.ask(Method::POST, &path, &headers, &bytes), Part::R2)?;
        let id = stored["attachment"]["id"].as_str().unwrap_or_default().to_owned();
        self.attachment = Some(id.clone());
        self.send_message(json!({"content": "a file", "attachments": [{"id": id}]}), "upload")?;
        let path = format!("/attachments/{}", encoded(&id));
        let whole = self.b.get(&path).map_err(|e| Failure::unanswered(&e))?;
        if whole.status != 200 {
            return Err(Failure::of_answer(&whole, Part::R2));
        }
        let part = self.b.ask(Method::GET, &path, &[("Range", "bytes=5-14")], &[]);
        let part = part.map_err(|e| Failure::unanswered(&e))?;
        let is_part = part.status == 206 && Some(part.bytes.as_slice()) == bytes.get(5..15);
        if whole.bytes != bytes || !is_part {
            return Err(Failure::new(Part::R2, "B has another file than A uploaded"));
        }
        text(format!("B has all {} KiB, and a range of them", FILE_BYTES >> 10))
    }

    pub fn delete(&mut self) -> Outcome {
        let event = self.change(true, json!({"type": "delete"}), "message_deleted")?;
        expect(event["messageId"] == *self.first, "another message is deleted")?;
        text("B sees that the message is deleted")
    }

    /// B is away while A writes, and comes back for exactly what they missed.
    pub fn resume(&mut self) -> Outcome {
        let (mut a, b) = self.sockets.take().ok_or_else(no_sockets)?;
        b.close();
        let mut missed = Vec::new();
        for number in 0..MISSED {
            std::thread::sleep(PACE);
            let client_id = format!("resume-{number}-{}", self.run);
            let content = format!("smokes{} {number}", self.run);
            let frame = json!({"type": "message", "content": content, "clientId": client_id});
            a.send(&frame).map_err(|why| Failure::new(Part::Worker, why))?;
            let ack =
                until(&mut a, "the ack", |event| event["type"] == "ack" && event["clientId"] == *client_id)?;
            missed.push(ack["seq"].as_u64().unwrap_or(0));
            self.findable += 1;
        }
        let (since, epoch) = &self.seen;
        let query = format!("&since={since}&epoch={}", encoded(epoch));
        let (mut b, _) = self.connect(&self.b, &query)?;
        let mut replayed = Vec::new();
        until(&mut b, "synced", |event| {
            replayed.extend(event["seq"].as_u64().filter(|_| event["type"] != "synced"));
            event["type"] == "synced"
        })?;
        self.sockets = Some((a, b));
        expect(replayed == missed, &format!("B missed {missed:?} and received {replayed:?}"))?;
        text(format!("B receives the {MISSED} messages they missed, once and in order"))
    }

    pub fn list(&self) -> Outcome {
        let room = self.room()?;
        self.ask_until("the room is in B's list, with its last message", "/rooms/list?limit=100", |list| {
            let rooms = list["rooms"].as_array();
            rooms
                .into_iter()
                .flatten()
                .any(|one| one["id"] == *room && one["lastSeq"].as_u64() >= Some(self.seen.0))
        })
    }

    pub fn unread(&self) -> Outcome {
        let room = self.room()?;
        // The page that begins just before the room: B may have more unread rooms than a page.
        let before = room.char_indices().next_back().map_or("", |(last, _)| &room[..last]);
        let cursor: String = json!(before).to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        self.ask_until("B has unread messages", &format!("/unread?cursor={cursor}"), |unread| {
            let rooms = unread["rooms"].as_array();
            rooms.into_iter().flatten().any(|one| one["roomId"] == *room && one["unread"].as_u64() > Some(0))
        })
    }

    pub fn search(&self) -> Outcome {
        if self.findable == 0 {
            return Ok(Seen::Skipped("there is nothing to find, as `resume` failed".to_owned()));
        }
        let path = format!("/search?q=smokes{}", self.run);
        self.ask_until(&format!("B finds the {} messages of `resume`", self.findable), &path, |found| {
            found["hits"].as_array().is_some_and(|hits| hits.len() == self.findable)
        })
    }

    /// Asks as B until the answer fits: only Postgres knows it, and it follows the room.
    fn ask_until(&self, what: &str, path: &str, fits: impl Fn(&Value) -> bool) -> Outcome {
        let start = Instant::now();
        loop {
            let answer = self.b.get(path);
            let is_over = start.elapsed() > FOLLOWS_WITHIN;
            match answer {
                Ok(Answer { status: 200, body, .. }) if fits(&body) => {
                    return text(format!("{what}, after {} ms", start.elapsed().as_millis()));
                }
                // A database that wakes up refuses for a moment.
                Ok(Answer { status: 200 | 503, .. }) if !is_over => {}
                Ok(Answer { status: 200, .. }) => {
                    let saw = format!("not within {} s: {what}", FOLLOWS_WITHIN.as_secs());
                    return Err(Failure::new(Part::Hyperdrive, saw));
                }
                other => drop(wanted(other, Part::Hyperdrive)?),
            }
            std::thread::sleep(ASK_AGAIN_AFTER);
        }
    }

    pub fn verify(&self) -> Outcome {
        let options = verify::Options {
            url: self.options.url.clone(),
            token: self.options.tokens[0].clone(),
            postgres: self.options.postgres.clone(),
            rooms: vec![self.room()?.to_owned()],
            data: self.options.data.clone(),
        };
        if verify::postgres_url(&options).is_err() {
            return Ok(Seen::Skipped(
                "--postgres URL (or DATABASE_URL) is needed to compare log and Postgres".into(),
            ));
        }
        verify::run(&options).map_err(|e| Failure::new(Part::Hyperdrive, format!("{e:#}")))?;
        text("log and Postgres are equal")
    }

    /// Deletes the room and its files, and looks whether they are gone. A database that fails is tried again for a
    /// while.
    pub fn clean_up(&mut self) -> Outcome {
        if let Some((a, b)) = self.sockets.take() {
            a.close();
            b.close();
        }
        let start = Instant::now();
        let gone = loop {
            match self.delete_room() {
                Err(Failure { part: Part::Hyperdrive, .. }) if start.elapsed() < FOLLOWS_WITHIN => {
                    std::thread::sleep(ASK_AGAIN_AFTER);
                }
                outcome => break outcome,
            }
        };
        gone.map_err(|Failure { part, saw }| {
            let room = self.room.as_deref().unwrap_or("which may have been created");
            let next = "the next run deletes it";
            Failure { part, saw: format!("the room {room} is left behind, {next}: {saw}") }
        })?;
        if let Some(id) = &self.attachment {
            let answer = self.a.get(&format!("/attachments/{}", encoded(id)));
            let answer = answer.map_err(|e| Failure::unanswered(&e))?;
            if answer.status != 404 {
                return Err(Failure::new(Part::R2, format!("the file is still there: {}", answer.status)));
            }
        }
        text("the room and its file are gone")
    }

    fn delete_room(&mut self) -> Result<(), Failure> {
        if self.room.is_none() {
            // The answer was lost or a refusal: the same clientId tells which room it was, if there is one.
            self.create_room()?;
        }
        let path = format!("/rooms/{}", encoded(self.room()?));
        let answer = self.a.ask(Method::DELETE, &path, &[], &[]).map_err(|e| Failure::unanswered(&e))?;
        if answer.status != 200 && answer.body["error"]["code"] != "room_not_found" {
            return Err(Failure::of_answer(&answer, Part::Worker));
        }
        let answer = self.a.get(&path).map_err(|e| Failure::unanswered(&e))?;
        if answer.status == 404 { Ok(()) } else { Err(Failure::of_answer(&answer, Part::Worker)) }
    }

    fn room(&self) -> Result<&str, Failure> {
        self.room.as_deref().ok_or_else(|| Failure::new(Part::Worker, "there is no room"))
    }
}

fn text(saw: impl Into<String>) -> Outcome {
    Ok(Seen::Text(saw.into()))
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(Part::Worker, otherwise)) }
}

fn no_sockets() -> Failure {
    Failure::new(Part::Worker, "there are no sockets: an earlier step failed")
}

/// The body of a 200.
///
/// # Takes  `suspect`: the part that is broken if the answer itself names none.
fn wanted(answer: Result<Answer, super::deployment::Unanswered>, suspect: Part) -> Result<Value, Failure> {
    let answer = answer.map_err(|e| Failure::unanswered(&e))?;
    if answer.status == 200 && answer.body.is_object() {
        Ok(answer.body)
    } else {
        Err(Failure::of_answer(&answer, suspect))
    }
}

/// The next event that fits; those before it are passed over. An `error` frame ends the wait.
fn until(socket: &mut Socket, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Result<Value, Failure> {
    loop {
        let event = socket.event().map_err(|why| Failure::new(Part::Worker, format!("{what}: {why}")))?;
        if fits(&event) {
            return Ok(event);
        }
        if event["type"] == "error" {
            return Err(Failure::of_frame(&event, Part::Worker));
        }
    }
}
