//! Takes the place of the crate `stringprep` (Cargo.toml, `[patch.crates-io]`): `saslprep` for printable ASCII, which it
//! leaves as it is. The crate's Unicode tables were 75 KiB of the compressed Worker, for one password.
//! Not here: other texts. `postgres-protocol` sends a password that is refused here byte by byte, as PostgreSQL itself
//! does with one that is no valid UTF-8.

use std::borrow::Cow;

/// A text with other characters than printable ASCII.
#[derive(Debug)]
pub struct Error;

/// SASLprep (RFC 4013) maps and prohibits nothing in printable ASCII.
pub fn saslprep(text: &str) -> Result<Cow<'_, str>, Error> {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_plain { Ok(Cow::Borrowed(text)) } else { Err(Error) }
}
