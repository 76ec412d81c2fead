//! Pins: who pins what, and that clients, log, model and Postgres agree on them in the end.
//! Not here: how the log is made (`log_checks`), and messages (`world::content_model`).

use crate::plan::{PEOPLE, ROOMS};
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored, state};
use crate::token::token;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::Tab;
use crate::world::network::HttpOutcome;
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The row of the table `state`.
const PINS: i64 = 5;

impl World {
    /// The room's owner pins or unpins a message that the tab knows.
    pub fn set_pin(self: &Rc<Self>, tab: usize, nth: usize, pin: bool) {
        let Some(message) = self.find_known(tab, nth, |_, _| true) else { return };
        let room = self.clients.tab(tab).room;
        let token = token(ROOMS[room].0, PEOPLE[0], self.clock.now() + 60_000);
        let path = self.clients.tab(tab).room_path(&format!("/pins/{}", message.id));
        let method = if pin { http::Method::PUT } else { http::Method::DELETE };
        let got = self.request_and_wait(HttpRequest::new(method, path, token, None));
        let is_done = matches!(got, Some(HttpOutcome::Json(200, _)));
        if is_done {
            self.recorder.count("pins set");
        }
        // Without an answer it may have been done, or be done yet.
        let refused = matches!(got, Some(HttpOutcome::Json(400..500, _)));
        self.model.room(room, |model| {
            if is_done {
                model.pins.insert(message.id, Some(pin));
            } else if !refused {
                model.pins.insert(message.id, None);
            }
        });
    }
}

fn ids(pins: &Value) -> Vec<String> {
    let pins = pins["pins"].as_array().into_iter().flatten();
    pins.filter_map(|pin| pin["id"].as_str().map(str::to_owned)).collect()
}

/// Whoever is connected and has heard of the pins has the room's list.
pub fn client_agrees(world: &World, tab: &Tab) -> CheckResult {
    let (Some(known), true) = (&tab.pins, tab.is_live()) else { return Ok(()) };
    let mut of_room = ids(&state(world, tab.room, PINS));
    of_room.reverse();
    match *known == of_room {
        true => Ok(()),
        false => Err((Checker::Pins, format!("{} knows {known:?} of {of_room:?}", tab.name()))),
    }
}

/// The room's list is what was asked for, without deleted messages, and that of Postgres.
pub fn pins_agree(world: &World, room: usize, log: &Log) -> CheckResult {
    let list = ids(&state(world, room, PINS));
    let messages = log.values().filter_map(Stored::message);
    let there: BTreeSet<&str> = messages.filter(|m| m.deleted_at.is_none()).map(|m| m.id.as_str()).collect();
    if let Some(id) = list.iter().find(|id| !there.contains(id.as_str())) {
        return Err((Checker::Pins, format!("{id} is pinned, and there is no such message")));
    }
    let wrong = world.model.room(room, |model| {
        let mut asked = model.pins.iter().filter(|(id, _)| there.contains(id.as_str()));
        asked
            .find(|(id, pin)| pin.is_some_and(|pin| pin != list.contains(id)))
            .map(|(id, pin)| (id.clone(), *pin))
    });
    if let Some((id, pin)) = wrong {
        return Err((Checker::Pins, format!("{id}: {pin:?} was answered, the list is {list:?}")));
    }
    let in_postgres: Vec<String> =
        world.backends.rows(room, |rows| rows.postgres.pins.iter().map(|pin| pin.id.clone()).collect());
    match in_postgres == list {
        true => Ok(()),
        false => Err((Checker::Pins, format!("{list:?} are pinned, in Postgres {in_postgres:?}"))),
    }
}
