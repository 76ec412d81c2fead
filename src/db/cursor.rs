//! Places between pages as text: hexadecimal JSON, opaque and without anything to escape in a query.
//! Not here: what a place is; each page knows its own.

use crate::error::{Code, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn text(place: &impl Serialize) -> String {
    serde_json::to_string(place).unwrap_or_default().bytes().map(|b| format!("{b:02x}")).collect()
}

/// # Takes   `sound`: what Postgres would refuse must not get there, as a refused statement costs the connection.
/// # Errors  `bad_request`: not one that a page gave.
pub fn parse<T: DeserializeOwned>(text: &str, sound: impl Fn(&T) -> bool) -> Result<T, Refusal> {
    let broken = || Refusal::new(Code::BadRequest, "cursor: expected one that a page gave").field("cursor");
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((hex_digit(*high)? << 4) | hex_digit(*low)?),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>().ok_or_else(broken)?;
    let place: T = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    if sound(&place) { Ok(place) } else { Err(broken()) }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
