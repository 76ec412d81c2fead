//! Requests made from openapi.json: each operation with its parameters and examples, and each input that it must
//! refuse. `rig::http` checks every answer against the document.
//! Not here: what the answers mean (the tests of each subject).

use crate::rig::{Answer, Tenant, client::encoded, client::text};
use chinwag::api::ROUTES;
use serde_json::{Value, json};
use testkit::schema;

/// One operation of the document that the Worker has.
struct Operation {
    method: String,
    path: String,
    of: &'static Value,
}

fn operations() -> Vec<Operation> {
    let nameless = |path: &str| {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    let built = |method: &str, path: &str| {
        ROUTES.iter().any(|(m, p, _)| m.as_str() == method && nameless(p) == nameless(path))
    };
    let mut all = Vec::new();
    for (path, methods) in schema().openapi["paths"].as_object().expect("paths") {
        for (method, of) in methods.as_object().expect("methods") {
            let operation = Operation { method: method.to_uppercase(), path: path.clone(), of };
            if built(&operation.method, path) {
                all.push(operation);
            }
        }
    }
    all
}

impl Operation {
    fn id(&self) -> &str {
        self.of["operationId"].as_str().expect("an id")
    }

    /// Of a WebSocket; the others are requests below `/api/chat`.
    fn is_upgrade(&self) -> bool {
        !self.path.starts_with("/api/chat")
    }

    fn is_open(&self) -> bool {
        self.of["security"] == json!([])
    }

    fn parameters(&self, place: &str) -> Vec<Value> {
        let all = self.of["parameters"].as_array().cloned().unwrap_or_default();
        let whole = |parameter: Value| match parameter["$ref"].as_str() {
            Some(to) => schema().openapi.pointer(to.trim_start_matches('#')).expect("a parameter").clone(),
            None => parameter,
        };
        all.into_iter().map(whole).filter(|parameter| parameter["in"] == place).collect()
    }

    fn json_body(&self) -> Option<&Value> {
        self.of["requestBody"]["content"].get("application/json")
    }

    /// The schema of the body, whether it stands there or elsewhere.
    fn body_schema(&self) -> Option<&Value> {
        let here = &self.json_body()?["schema"];
        match here["$ref"].as_str() {
            Some(to) => schema().openapi.pointer(to.trim_start_matches('#')),
            None => Some(here),
        }
    }
}

/// A room with a message and a file in it, and who asks.
struct World {
    tenant: Tenant,
    room: String,
    message: String,
    attachment: String,
}

impl World {
    async fn new() -> World {
        let tenant = Tenant::shared();
        let room = tenant.group(&["alice", "bob", "carol"]).await;
        let sent = json!({"content": "hello", "clientId": "c0"});
        let sent = tenant.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(sent)).await.ok();
        let known = json!({"title": "Baker"});
        tenant.rest_as(&tenant.admin_token(), "PUT", "/people/bob", Some(known)).await.ok();
        let mut world =
            World { message: text(&sent["message"]["id"]), tenant, room, attachment: String::new() };
        if let Some(upload) = operations().into_iter().find(|operation| operation.id() == "uploadAttachment")
        {
            world.attachment = text(&world.ask(&upload, &Asking::default()).await.ok()["attachment"]["id"]);
        }
        world
    }

    fn named(&self, name: &str) -> Option<&str> {
        Some(match name {
            "room" | "roomId" => &self.room,
            "message" | "root" => &self.message,
            "attachment" => &self.attachment,
            "user" => "bob",
            "report" | "subscription" => "unknown",
            _ => return None,
        })
    }

    /// The owner, who is the tenant's admin too, may do everything but leave.
    fn token(&self, operation: &Operation) -> String {
        match operation.id() {
            "leaveRoom" => self.tenant.token("bob"),
            _ => self.tenant.token_with("alice", json!({"roles": ["admin"]})),
        }
    }

    async fn ask(&self, operation: &Operation, asking: &Asking<'_>) -> Answer {
        let value = |parameter: &Value| {
            let name = parameter["name"].as_str().expect("a name");
            let example = parameter["example"].as_str().map(str::to_owned);
            let example = example.or_else(|| parameter.get("example").map(Value::to_string));
            self.named(name).map(str::to_owned).or(example)
        };
        let mut path = operation.path.trim_start_matches("/api/chat").to_owned();
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().expect("a name");
            let value = value(&parameter).unwrap_or_else(|| panic!("{}: what is {name}?", operation.id()));
            path = path.replace(&format!("{{{name}}}"), &encoded(&value));
        }
        let mut query = Vec::new();
        for parameter in operation.parameters("query") {
            let name = parameter["name"].as_str().expect("a name");
            let wanted = parameter["required"] == true || parameter.get("example").is_some();
            match asking.query {
                Some((odd, value)) if odd == name => query.push(format!("{name}={}", encoded(value))),
                _ if wanted => {
                    let value = value(&parameter).unwrap_or_else(|| panic!("{}: {name}?", operation.id()));
                    query.push(format!("{name}={}", encoded(&value)));
                }
                _ => {}
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let token = asking.token.clone().unwrap_or_else(|| self.token(operation));
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Authorization", authorization.as_str())];
        if asking.token.as_deref() == Some("") {
            headers.clear();
        }
        let given: Vec<(String, String)> = operation
            .parameters("header")
            .iter()
            .filter_map(|parameter| Some((text(&parameter["name"]), value(parameter)?)))
            .collect();
        headers.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let body = match (&asking.body, operation.json_body()) {
            (Some(body), _) => Some(body.clone()),
            (None, Some(json)) => Some(json["example"].to_string()),
            (None, None) => operation.of.get("requestBody").map(|_| "a file's bytes".to_owned()),
        };
        if body.is_some() {
            let json = if operation.json_body().is_some() { "application/json" } else { "text/plain" };
            headers.push(("Content-Type", asking.content_type.unwrap_or(json)));
        }
        self.tenant.raw(&operation.method, &path, &headers, body.as_deref().map(str::as_bytes)).await
    }
}

/// How a request is to differ from what the document says.
#[derive(Default)]
struct Asking<'a> {
    /// Empty: none at all.
    token: Option<String>,
    query: Option<(&'a str, &'a str)>,
    body: Option<String>,
    content_type: Option<&'a str>,
}

/// No row is in quarantine that could be discarded, nothing was reported, and the shared stack sends no pushes.
const NOTHING_TO_DO: [(&str, u16, &str); 4] = [
    ("discardRow", 404, "message_not_found"),
    ("resolveReport", 404, "not_found"),
    ("getPushKey", 503, "upstream_unavailable"),
    ("unsubscribeFromPush", 404, "not_found"),
];

#[tokio::test]
async fn every_operation_does_what_it_is_there_for() {
    let mut done = 0;
    for operation in operations().iter().filter(|operation| !operation.is_upgrade()) {
        let answer = World::new().await.ask(operation, &Asking::default()).await;
        match NOTHING_TO_DO.iter().find(|(id, ..)| *id == operation.id()) {
            Some((_, status, code)) => drop(answer.refusal(*status, code)),
            None => assert_eq!(answer.status, 200, "{}: {answer:?}", operation.id()),
        }
        done += 1;
    }
    assert!(done >= 12, "{done}");
}

#[tokio::test]
async fn every_operation_refuses_strangers() {
    let world = World::new().await;
    let other = Tenant::shared();
    for operation in operations().iter().filter(|operation| !operation.is_open() && !operation.is_upgrade()) {
        let nobody = Asking { token: Some(String::new()), ..Asking::default() };
        let answer = world.ask(operation, &nobody).await;
        match operation.method.as_str() {
            // It has no body.
            "HEAD" => assert_eq!(answer.status, 401, "{}", operation.id()),
            _ => drop(answer.refusal(401, "unauthenticated")),
        }
        if !operation.path.contains("{room}") && !operation.path.contains("{attachment}") {
            continue;
        }
        // It removes from one's own list alone, also what is in a room that one has left (SAVED-1).
        if operation.id() == "unsaveMessage" {
            continue;
        }
        let code = if operation.path.contains("{room}") { "room_not_found" } else { "attachment_not_found" };
        let admin = other.admin_token();
        for token in [world.tenant.token("mallory"), other.token("alice"), admin] {
            let stranger = Asking { token: Some(token), ..Asking::default() };
            let answer = world.ask(operation, &stranger).await;
            match operation.method.as_str() {
                "HEAD" => assert_eq!(answer.status, 404, "{}", operation.id()),
                _ => drop(answer.refusal(404, code)),
            }
        }
    }
}

#[tokio::test]
async fn every_operation_refuses_what_its_schemas_do() {
    let world = World::new().await;
    let refused = async |operation: &Operation, asking: Asking<'_>, code: &str, field: Option<&str>| {
        let status = if code == "unsupported_media_type" { 415 } else { 400 };
        let error = world.ask(operation, &asking).await.refusal(status, code);
        assert_eq!(error["field"].as_str(), field, "{}: {error}", operation.id());
    };
    for operation in operations().iter().filter(|operation| !operation.is_upgrade()) {
        for parameter in operation.parameters("query") {
            let name = parameter["name"].as_str().expect("a name");
            let of = &parameter["schema"];
            let seq = of["$ref"].as_str().is_some_and(|to| to.ends_with("/Seq"));
            if of["type"] != "integer" && !seq && name != "cursor" {
                continue; // Any text is of the right type.
            }
            let odd = Asking { query: Some((name, "odd")), ..Asking::default() };
            refused(operation, odd, "bad_request", Some(name)).await;
        }
        let Some(body) = operation.body_schema() else { continue };
        let with = |body: &str| Asking { body: Some(body.to_owned()), ..Asking::default() };
        refused(operation, with("{"), "bad_json", None).await;
        refused(operation, with("[]"), "bad_request", None).await;
        let odd = Asking { content_type: Some("text/html"), ..Asking::default() };
        refused(operation, odd, "unsupported_media_type", None).await;
        let example = &operation.json_body().expect("a body")["example"];
        for (field, of) in body["properties"].as_object().expect("properties") {
            let required = body["required"].as_array().is_some_and(|all| all.contains(&json!(field)));
            let mut other = example.clone();
            if required {
                other.as_object_mut().expect("an object").remove(field);
                refused(operation, with(&other.to_string()), "bad_request", Some(field)).await;
            }
            // What takes anything is ignored.
            if of != &json!({}) {
                other[field] = json!({"odd": [[]]});
                refused(operation, with(&other.to_string()), "bad_request", Some(field)).await;
            }
        }
    }
}

#[tokio::test]
async fn the_documents_are_served_to_anybody_and_say_what_the_source_says() {
    let t = Tenant::shared();
    for (path, document) in [("/openapi.json", &schema().openapi), ("/protocol.json", &schema().protocol)] {
        let answer = t.raw("GET", path, &[], None).await;
        assert_eq!(answer.ok(), *document);
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
        let refused = t.raw("POST", path, &[], None).await;
        refused.refusal(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
        let head = t.raw("HEAD", path, &[], None).await;
        // Without a body the runtime leaves out its length, which HTTP allows.
        assert_eq!((head.status, head.header("content-type")), (200, answer.header("content-type")));
    }
}
