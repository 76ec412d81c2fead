//! The two documents of src/schema as validators of every event and every answer that a test receives. They are
//! stricter than for clients: an undocumented field fails here.
//! Not here: whether the documents are complete (`tests/native/contract.rs`).

use chinwag::schema::{OPENAPI, PROTOCOL};
use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const BASE: &str = "chinwag:/";

pub struct Schema {
    pub protocol: Value,
    pub openapi: Value,
    registry: Registry<'static>,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The documents, read and compiled once.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let read = |text| serde_json::from_str(text).expect("JSON");
        let (protocol, openapi): (Value, Value) = (read(PROTOCOL), read(OPENAPI));
        let registry = Registry::new()
            .draft(Draft::Draft202012)
            .add(format!("{BASE}protocol.json"), strict(protocol.clone()))
            .and_then(|registry| registry.add(format!("{BASE}openapi.json"), strict(openapi.clone())))
            .and_then(|registry| registry.prepare())
            .expect("every reference leads somewhere");
        Schema { protocol, openapi, registry, compiled: Mutex::default() }
    })
}

/// Forbids fields that an object schema doesn't name.
fn strict(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.values_mut().for_each(|item| *item = strict(item.take()));
            if map.get("type") == Some(&json!("object")) && map.contains_key("properties") {
                map.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = strict(item.take())),
        _ => {}
    }
    value
}

impl Schema {
    /// Checks a value by the schema at `place` (`protocol.json#/$defs/Message`).
    ///
    /// # Errors  what is wrong with the value.
    pub fn check(&self, place: &str, value: &Value) -> Result<(), String> {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned();
        let validator = compiled.unwrap_or_else(|| {
            let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
            let options = options.with_registry(&self.registry).with_base_uri(format!("{BASE}test.json"));
            let validator = options.build(&json!({"$ref": place}));
            let validator = Arc::new(validator.unwrap_or_else(|error| panic!("{place}: {error}")));
            let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.insert(place.to_owned(), validator.clone());
            validator
        });
        let wrong: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("not by {place}: {}\n{value}", wrong.join("; "))),
        }
    }

    /// Checks an event that the server sent.
    pub fn check_event(&self, event: &Value) -> Result<(), String> {
        self.check("protocol.json#/$defs/ServerEvent", event)
    }

    /// The operation and its place in the document. `path` is the path of a URL.
    pub fn operation(&self, method: &str, path: &str) -> Option<(String, &Value)> {
        let segments: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let fits = |(part, segment): (&&str, &&str)| match part.starts_with('{') {
                true => !segment.is_empty(),
                false => part == segment,
            };
            parts.len() == segments.len() && parts.iter().zip(&segments).all(fits)
        };
        let method = method.to_ascii_lowercase();
        let paths = self.openapi["paths"].as_object()?;
        // A path without parameters wins over one with them.
        let found = paths.iter().filter(|(template, _)| fits(template));
        let (template, of) = found.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((format!("/paths/{}/{method}", template.replace('/', "~1")), of.get(&method)?))
    }

    /// Checks an answer. A path or method that the document doesn't name must be refused.
    ///
    /// # Errors  a status that the operation doesn't name, another content type, a body of another shape.
    pub fn check_answer(
        &self,
        (method, path): (&str, &str),
        status: u16,
        content_type: &str,
        body: &str,
    ) -> Result<(), String> {
        let request = format!("{method} {path} → {status}");
        let json = || serde_json::from_str(body).map_err(|_| format!("{request}: not JSON: {body}"));
        let Some((place, operation)) = self.operation(method, path) else {
            let named = if status == 405 { "MethodNotAllowed" } else { "NotFound" };
            return self.check_json(
                &format!("/components/responses/{named}"),
                &request,
                content_type,
                &json()?,
            );
        };
        let response = &operation["responses"][status.to_string()];
        if response.is_null() {
            return Err(format!("{request}: openapi.json names no such answer\n{body}"));
        }
        let place = match response["$ref"].as_str() {
            Some(place) => place.trim_start_matches('#').to_owned(),
            None => format!("{place}/responses/{status}"),
        };
        let described =
            self.openapi.pointer(&place).ok_or_else(|| format!("{request}: {place} is nowhere"))?;
        match described["content"]["application/json"]["schema"].is_null() || method == "HEAD" {
            true => Ok(()),
            false => self.check_json(&place, &request, content_type, &json()?),
        }
    }

    fn check_json(
        &self,
        response: &str,
        request: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<(), String> {
        if !content_type.starts_with("application/json") {
            return Err(format!("{request}: of type {content_type:?}"));
        }
        let place = format!("openapi.json#{response}/content/application~1json/schema");
        self.check(&place.replace('{', "%7B").replace('}', "%7D"), body)
            .map_err(|wrong| format!("{request}: {wrong}"))
    }
}
