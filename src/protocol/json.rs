//! Strict JSON, and the fields of an object.
//! Not here: which fields a frame or a body has (`client`, `api`).

use crate::error::{Code, Refusal};
use crate::ids::INTEGER_MAX;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// JSON in which no object repeats a key (ERR-1). serde_json itself refuses lone surrogates, nesting past 128 and
/// invalid UTF-8.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Build;
        impl<'de> Visitor<'de> for Build {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
                Ok(Value::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_str<E>(self, v: &str) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_string<E>(self, v: String) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Strict(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut map = Map::new();
                while let Some((key, Strict(value))) = access.next_entry::<String, Strict>()? {
                    if map.insert(key, value).is_some() {
                        return Err(serde::de::Error::custom("a key is repeated"));
                    }
                }
                Ok(Value::Object(map))
            }
        }
        deserializer.deserialize_any(Build).map(Strict)
    }
}

/// The fields of one JSON object, taken by name; each error has the code of ERR-1.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// # Errors  `bad_json` if the text isn't strict JSON, `bad_request` if it isn't an object.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match serde_json::from_str::<Strict>(text) {
            Ok(Strict(Value::Object(map))) => Ok(Self(map)),
            Ok(_) => Err(Refusal::new(Code::BadRequest, "expected a JSON object")),
            Err(e) => Err(Refusal::new(Code::BadJson, format!("not JSON: {e}"))),
        }
    }

    /// A text field that stays in place; `None` if it is absent or of another type.
    pub(super) fn peek_text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        // A field that is null counts as absent: JavaScript clients send `undefined` and `null` alike.
        self.0.remove(name).filter(|v| !v.is_null())
    }

    /// Whether the field is there and not `null`.
    pub fn has_field(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub fn text_opt(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                // Postgres refuses U+0000 in text (docs/PLATFORM.md, Postgres through Hyperdrive), so it must not be
                // acked.
                Err(Refusal::invalid(name, "holds a NUL character"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::bad_field(name, "text")),
        }
    }

    /// Like `text_opt`, where `null` clears what is stored: it is the empty text.
    pub fn text_to_store(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let is_null = self.0.get(name).is_some_and(Value::is_null);
        Ok(self.text_opt(name)?.or_else(|| is_null.then(String::new)))
    }

    pub fn text(&mut self, name: &str) -> Result<String, Refusal> {
        self.text_opt(name)?.ok_or_else(|| Refusal::bad_field(name, "text"))
    }

    pub fn flag_opt(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Refusal::bad_field(name, "true or false")),
        }
    }

    pub fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        self.flag_opt(name)?.ok_or_else(|| Refusal::bad_field(name, "true or false"))
    }

    pub fn integer_opt(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match whole_number(&value) {
                Some(n) if n <= INTEGER_MAX => Ok(Some(n)),
                _ => Err(Refusal::bad_field(name, "an integer from 0 to 2^53-1")),
            },
        }
    }

    pub fn integer(&mut self, name: &str) -> Result<u64, Refusal> {
        self.integer_opt(name)?.ok_or_else(|| Refusal::bad_field(name, "an integer from 0 to 2^53-1"))
    }

    pub fn list_opt(&mut self, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(Refusal::bad_field(name, "a list")),
        }
    }

    /// The objects of a list. An absent list is empty.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Fields>, Refusal> {
        let items = self.list_opt(name)?.unwrap_or_default();
        let object = |item| match item {
            Value::Object(map) => Ok(Fields(map)),
            _ => Err(Refusal::bad_field(name, "a list of objects")),
        };
        items.into_iter().map(object).collect()
    }

    /// The fields of an object; the outer `None`: absent. `null` clears what is stored: the inner `None`.
    pub fn object_to_store(&mut self, name: &str) -> Result<Option<Option<Fields>>, Refusal> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::Object(map)) => Ok(Some(Some(Fields(map)))),
            Some(_) => Err(Refusal::bad_field(name, "an object")),
        }
    }

    /// A value of any type, as it was sent.
    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

/// The number if it is whole: JSON has one kind of numbers, so 7.0 and 7e0 are the integer 7.
fn whole_number(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=INTEGER_MAX as f64).contains(n));
    value.as_u64().or_else(|| float().map(|n| n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_strict_json_is_bad_json() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
        for bad in ["", "{", "{\"a\":1,\"a\":2}", "{\"x\":{\"a\":1,\"a\":2}}", "{\"a\":\"\\ud800\"}", &deep] {
            assert_eq!(Fields::parse(bad).unwrap_err().code, Code::BadJson, "{bad}");
        }
        for other in ["[]", "[{\"type\":\"ping\"}]", "1", "null", "\"x\""] {
            assert_eq!(Fields::parse(other).unwrap_err().code, Code::BadRequest, "{other}");
        }
    }

    #[test]
    fn an_integer_is_0_to_2_53_minus_1() {
        for (text, good) in [
            ("0", true),
            ("9007199254740991", true),
            ("9007199254740992", false),
            ("1.0", true),
            ("1e3", true),
            ("9007199254740992.0", false),
            ("-0.5", false),
        ] {
            assert_eq!(Fields::parse(&format!("{{\"n\":{text}}}")).unwrap().integer("n").is_ok(), good);
        }
        for bad in ["-1", "1.5", "\"1\"", "true", "[]"] {
            let refusal = Fields::parse(&format!("{{\"n\":{bad}}}")).unwrap().integer("n").unwrap_err();
            assert_eq!((refusal.code, refusal.field.as_deref()), (Code::BadRequest, Some("n")), "{bad}");
        }
    }
}
