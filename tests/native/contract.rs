//! The documents of src/schema are complete and agree with the code, as far as no runtime is needed. Events and answers
//! are validated where tests receive them: `render`, `tests/e2e/rig`.

use chinwag::api::ROUTES;
use chinwag::error::Code;
use chinwag::limits::*;
use chinwag::protocol::client::ClientFrame;
use chinwag::protocol::server::CloseCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use testkit::schema;

/// Of the contract, and not in `ROUTES` yet. Whoever builds one strikes it here.
const ROUTES_TO_COME: &[&str] = &[];

/// Frames without a golden file as yet. Whoever writes one strikes it here.
const GOLDEN_TO_COME: &[&str] = &[];

fn set<'a>(of: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    of.into_iter().map(str::to_owned).collect()
}

/// Exactly these, but for those to come, which must be known and not be there yet.
fn but_for(known: &BTreeSet<String>, there: &BTreeSet<String>, to_come: &[&str], where_: &str) {
    let to_come = set(to_come.iter().copied());
    let built: Vec<_> = to_come.intersection(there).collect();
    assert!(built.is_empty(), "built by now, strike them from the list of those to come: {built:?}");
    let expected: BTreeSet<String> = there.union(&to_come).cloned().collect();
    let lacks: Vec<_> = expected.difference(known).collect();
    assert!(lacks.is_empty(), "{where_} lacks {lacks:?}");
    let lies: Vec<_> = known.difference(&expected).collect();
    assert!(lies.is_empty(), "{where_} tells of {lies:?}, which aren't there");
}

fn name(reference: &Value) -> &str {
    reference["$ref"].as_str().and_then(|to| to.rsplit('/').next()).expect("a reference")
}

/// `type` → the name of the definition, of all that a union is made of.
fn types_of(union: &str) -> BTreeMap<String, String> {
    let all = &schema().protocol["$defs"];
    let mut found = BTreeMap::new();
    for part in all[union]["oneOf"].as_array().expect("a union").iter().map(name) {
        let kind = &all[part]["properties"]["type"];
        match (kind["const"].as_str(), kind["enum"].as_array()) {
            (Some(kind), _) => drop(found.insert(kind.to_owned(), part.to_owned())),
            (None, Some(kinds)) => found.extend(
                kinds.iter().map(|kind| (kind.as_str().expect("a type").to_owned(), part.to_owned())),
            ),
            (None, None) => found.extend(types_of(part)),
        }
    }
    found
}

fn keys(of: &BTreeMap<String, String>) -> BTreeSet<String> {
    of.keys().cloned().collect()
}

/// The golden files: name → lines.
fn golden() -> BTreeMap<String, Vec<Value>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        // The folder of `golden_stored`.
        if path.is_dir() {
            return None;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Some((path.file_stem().unwrap().to_str().unwrap().to_owned(), lines))
    };
    std::fs::read_dir(folder).unwrap().filter_map(file).collect()
}

/// Whether the schema at this place takes anything at all.
fn takes_anything(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| schema.is_empty())
}

/// A line of a golden file, and everything that is like it and wrong.
fn holds(place: &str, definition: &Value, line: &Value) {
    let check = |value: &Value| schema().check(place, value);
    check(line).unwrap_or_else(|wrong| panic!("{wrong}"));
    let fields = line.as_object().unwrap();
    for required in definition["required"].as_array().unwrap() {
        let mut less = fields.clone();
        less.remove(required.as_str().unwrap()).unwrap_or_else(|| panic!("{line} has no {required}"));
        assert!(check(&Value::Object(less)).is_err(), "{place} takes {line} without {required}");
    }
    for field in fields.keys().filter(|field| !takes_anything(&definition["properties"][field])) {
        for odd in [json!([[]]), json!({"odd": {}}), json!(-1.5)] {
            let mut other = fields.clone();
            other.insert(field.clone(), odd.clone());
            assert!(check(&Value::Object(other)).is_err(), "{place} takes {line} with {field} {odd}");
        }
    }
    let mut more = fields.clone();
    more.insert("odd".into(), json!(1));
    assert!(check(&Value::Object(more)).is_err(), "{place} takes {line} with a field that it doesn't know");
}

#[test]
fn both_documents_are_what_they_say_they_are() {
    let wrong = |value: &Value| jsonschema::meta::validate(value).map_err(|error| error.to_string());
    assert_eq!(wrong(&schema().protocol), Ok(()), "JSON Schema 2020-12");
    let openapi = oas3::from_json(chinwag::schema::OPENAPI).expect("OpenAPI 3.1");
    openapi.validate_version().expect("OpenAPI 3.1");
    for (name, one) in schema().openapi["components"]["schemas"].as_object().unwrap() {
        let mut one = one.clone();
        one["$schema"] = schema().protocol["$schema"].clone();
        assert_eq!(wrong(&one), Ok(()), "{name}");
    }
}

#[test]
fn every_golden_frame_is_by_its_definition_and_nothing_near_it_is() {
    let (clients, servers) = (types_of("ClientFrame"), types_of("ServerEvent"));
    for (file, lines) in golden() {
        for line in &lines {
            let (union, types) = match file.split_once('_').unwrap().0 {
                "client" => ("ClientFrame", &clients),
                "server" | "error" => ("ServerEvent", &servers),
                _ => {
                    let definition = &schema().protocol["$defs"]["Close"]["oneOf"][0];
                    holds("protocol.json#/$defs/Close", definition, line);
                    continue;
                }
            };
            let part = &types[line["type"].as_str().unwrap()];
            holds(&format!("protocol.json#/$defs/{part}"), &schema().protocol["$defs"][part], line);
            let union = format!("protocol.json#/$defs/{union}");
            schema().check(&union, line).unwrap_or_else(|wrong| panic!("{wrong}"));
            let mut unknown = line.clone();
            unknown["type"] = json!("nonsense");
            assert!(schema().check(&union, &unknown).is_err(), "{unknown}");
        }
    }
    let batch =
        json!([{"type": "synced", "seq": 1, "oldestSeq": 1, "hasMoreBefore": false}, {"type": "pong"}]);
    let frame = |value: &Value| schema().check("protocol.json#/$defs/ServerFrame", value).is_ok();
    assert!(frame(&batch) && frame(&batch[0]) && !frame(&json!([])) && !frame(&json!([batch])));
}

/// What the room refuses as malformed the schema refuses too, and what it takes the schema takes.
#[test]
fn the_schema_and_the_decoder_agree_on_every_frame_that_is_nearly_right() {
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_992u64),
        json!(""),
        json!("x"),
        json!("y".repeat(4_001)),
        json!([]),
        json!([{}]),
        json!([1]),
        json!({}),
    ];
    let mut looked_at = 0;
    for (file, lines) in golden().iter().filter(|(file, _)| file.starts_with("client_")) {
        let part = &types_of("ClientFrame")[file.trim_start_matches("client_")];
        let known = schema().protocol["$defs"][part]["properties"].as_object().unwrap();
        for line in lines {
            for field in known.keys() {
                let with = |value: &Value| {
                    let mut other = line.clone();
                    other[field] = value.clone();
                    other
                };
                let mut without = line.clone();
                without.as_object_mut().unwrap().remove(field);
                for frame in odd.iter().map(with).chain([without]) {
                    let valid = schema().check("protocol.json#/$defs/ClientFrame", &frame);
                    match ClientFrame::decode(&frame.to_string()) {
                        Ok(_) => assert!(valid.is_ok(), "the room takes it: {valid:?}"),
                        Err(bad) if bad.refusal.code == Code::BadRequest => {
                            assert!(valid.is_err(), "{:?}: {frame}", bad.refusal);
                        }
                        // A value that isn't allowed: the schema may know, or leave it to the room.
                        Err(_) => {}
                    }
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

#[test]
fn every_frame_has_its_definition_and_every_definition_its_frame() {
    // `"type": "x"`, `"type":"x"` and `"type".into(), json!("x")`; those of members are named by their callers.
    let source = include_str!("../../src/protocol/server.rs");
    let named = source.split("\"type\"").skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(|c| ":., ()!".contains(c) || "into json".contains(c));
        rest.strip_prefix('"')?.split_once('"').map(|(kind, _)| kind)
    });
    let named = set(named.chain(["member_added", "member_removed", "member_updated"]));
    assert_eq!(keys(&types_of("ServerEvent")), named);
    let source = include_str!("../../src/protocol/client.rs");
    let names = source.split_once("fn name(&self)").unwrap().1.split_once("\n    }\n").unwrap().0;
    let heard = set(names.split("=> \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)));
    assert_eq!(keys(&types_of("ClientFrame")), heard);
}

#[test]
fn every_definition_of_a_frame_has_its_golden_file() {
    let of = |part: &str, types: BTreeMap<String, String>| {
        types.into_keys().map(|kind| format!("{part}_{kind}")).collect::<BTreeSet<_>>()
    };
    let mut known = of("client", types_of("ClientFrame"));
    known.extend(of("server", types_of("ServerEvent")));
    known.remove("server_error"); // One file a code.
    let there =
        golden().into_keys().filter(|file| file.starts_with("client_") || file.starts_with("server_"));
    but_for(&known, &there.collect(), GOLDEN_TO_COME, "protocol.json");
}

/// `(method, path, operation)`, with `{}` for what has a name in a path.
fn operations() -> Vec<(String, &'static Value)> {
    let paths = schema().openapi["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &'static Value)| {
        let path = nameless(path);
        methods
            .as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn nameless(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_stands_in_openapi_and_no_other() {
    let routes = ROUTES.iter().filter(|(_, path, _)| !path.contains("/dev/"));
    let there = routes.map(|(method, path, _)| format!("{method} {}", nameless(path))).collect();
    let known = operations().into_iter().map(|(name, _)| name).collect();
    but_for(&known, &there, ROUTES_TO_COME, "openapi.json");
}

#[test]
fn every_operation_has_its_name_its_parameters_and_examples_that_are_right() {
    let mut ids = BTreeSet::new();
    let openapi = &schema().openapi;
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let place =
                format!("{}/{method}", path.replace('/', "~1").replace('{', "%7B").replace('}', "%7D"));
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}: a name twice");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let mut named = BTreeSet::new();
            for (at, parameter) in parameters.iter().enumerate() {
                let (place, parameter) = match parameter.get("$ref") {
                    None => (format!("paths/{place}/parameters/{at}"), parameter),
                    Some(_) => (
                        format!("components/parameters/{}", name(parameter)),
                        &openapi["components"]["parameters"][name(parameter)],
                    ),
                };
                if parameter["in"] == "path" {
                    named.insert(parameter["name"].as_str().unwrap().to_owned());
                }
                if let Some(example) = parameter.get("example") {
                    schema().check(&format!("openapi.json#/{place}/schema"), example).unwrap();
                }
            }
            let in_path = path.split(['{', '}']).skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(named, in_path, "{method} {path}");
            if let Some(body) = operation["requestBody"]["content"].get("application/json") {
                let place =
                    format!("openapi.json#/paths/{place}/requestBody/content/application~1json/schema");
                schema().check(&place, &body["example"]).unwrap();
            }
            let statuses = operation["responses"].as_object().unwrap();
            assert!(statuses.contains_key("500") && statuses.contains_key("503"), "{method} {path}");
            let open = operation["security"] == json!([]);
            assert_eq!(statuses.contains_key("401"), !open, "{method} {path}");
        }
    }
}

#[test]
fn every_error_code_stands_under_its_status_and_no_other() {
    let all: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(schema().protocol["$defs"]["ErrorCode"]["enum"], json!(all));
    let responses = schema().openapi["components"]["responses"].as_object().unwrap();
    let (mut status_of, mut named) = (BTreeMap::new(), BTreeSet::new());
    for (name, response) in responses {
        let codes = response
            .pointer("/content/application~1json/schema/allOf/1/properties/error/properties/code/enum")
            .and_then(Value::as_array)
            .unwrap_or_else(|| panic!("{name} has no codes"));
        for code in codes.iter().map(|code| code.as_str().unwrap()) {
            let status = Code::ALL.iter().find(|known| known.name() == code).unwrap().status();
            assert_eq!(*status_of.entry(name.as_str()).or_insert(status), status, "{name}: {code}");
            named.insert(code);
        }
    }
    assert_eq!(named, all.into_iter().collect());
    for (name, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if let Some(response) = response["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
                assert_eq!(status_of[response].to_string(), *status, "{name}: {response}");
            }
        }
    }
}

#[test]
fn every_close_code_is_there_and_every_limit_is_the_one_of_the_code() {
    let of =
        |place: &str| schema().protocol["$defs"].pointer(place).unwrap_or_else(|| panic!("{place}")).clone();
    assert_eq!(of("/Close/oneOf").as_array().unwrap().len(), CloseCode::ALL.len());
    let message = "/MessageFrame/properties";
    let other = "/AttachmentRef/anyOf/1/properties";
    for (place, limit) in [
        (format!("{message}/content/maxLength"), CONTENT_CHARS_MAX),
        (format!("{message}/clientId/maxLength"), CLIENT_ID_CHARS_MAX),
        (format!("{message}/attachments/maxItems"), Limits::default().attachments_per_message as usize),
        (format!("{other}/url/maxLength"), ATTACHMENT_URL_BYTES_MAX),
        (format!("{other}/name/maxLength"), ATTACHMENT_TEXT_CHARS_MAX),
        (format!("{other}/mimeType/maxLength"), ATTACHMENT_TEXT_CHARS_MAX),
        ("/EditFrame/properties/content/maxLength".into(), CONTENT_CHARS_MAX),
        ("/ReactionFrame/properties/emoji/maxLength".into(), EMOJI_BYTES_MAX),
    ] {
        assert_eq!(of(&place), json!(limit), "{place}");
    }
    let limits = serde_json::to_value(Limits::default()).unwrap();
    let limits: BTreeSet<&String> = limits.as_object().unwrap().keys().collect();
    let known = of("/Limits/properties");
    assert_eq!(known.as_object().unwrap().keys().collect::<BTreeSet<_>>(), limits);
    let rooms = &schema().openapi["components"]["schemas"];
    assert_eq!(rooms["NewRoom"]["properties"]["participantIds"]["maxItems"], json!(GROUP_MEMBERS_MAX));
    assert_eq!(rooms["NewRoom"]["properties"]["clientId"]["maxLength"], json!(CLIENT_ID_CHARS_MAX));
    assert_eq!(rooms["NewRoom"]["properties"]["name"]["maxLength"], json!(ROOM_NAME_CHARS_MAX));
    assert_eq!(rooms["Room"]["properties"]["unread"]["maximum"], json!(UNREAD_MAX));
    let search = &schema().openapi["paths"]["/api/chat/search"]["get"]["parameters"];
    assert_eq!(search[0]["schema"]["maxLength"], json!(SEARCH_CHARS_MAX));
    assert_eq!(search[6]["schema"]["default"], json!(SEARCH_PAGE_DEFAULT));
    let limit = &schema().openapi["components"]["parameters"]["limit"]["schema"]["default"];
    assert_eq!(*limit, json!(PAGE_DEFAULT));
}
