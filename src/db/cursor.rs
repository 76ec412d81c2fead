//! Pages, and the places between them as text: hexadecimal JSON, opaque and without anything to escape in a query.
//! Not here: what a place is; each page has its own.

use crate::error::{Code, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A page of a room's members or of its audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub items: Vec<Value>,
    pub next_cursor: Option<String>,
}

/// A page as a statement returns it.
#[derive(Deserialize)]
pub(super) struct PageAnswer<C> {
    items: Vec<Value>,
    next: Option<C>,
}

impl<C: Serialize> PageAnswer<C> {
    pub(super) fn page(self) -> Page {
        Page { items: self.items, next_cursor: self.next.map(|next| format(&next)) }
    }
}

pub fn format(place: &impl Serialize) -> String {
    serde_json::to_string(place).unwrap_or_default().bytes().map(|b| format!("{b:02x}")).collect()
}

/// # Takes   `is_valid`: false for what Postgres would refuse, as a refused statement costs the connection.
/// # Errors  `bad_request`: no page returned this cursor.
pub fn parse<T: DeserializeOwned>(text: &str, is_valid: impl Fn(&T) -> bool) -> Result<T, Refusal> {
    let broken = || Refusal::new(Code::BadRequest, "cursor: expected one that a page gave").field("cursor");
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((hex_digit(*high)? << 4) | hex_digit(*low)?),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>().ok_or_else(broken)?;
    let place: T = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    if is_valid(&place) { Ok(place) } else { Err(broken()) }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
