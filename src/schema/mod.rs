//! The contract for machines: `protocol.json` is a JSON Schema of every frame, `openapi.json` an OpenAPI document of
//! every route. OpenAPI refers to the JSON Schema by its relative address, so that each shape is defined once. Both are
//! written by hand; the tests validate the golden files, every received frame and every REST answer against them.
//! Not here: the routes that serve them (`api::schema`).

pub const PROTOCOL: &str = include_str!("protocol.json");
pub const OPENAPI: &str = include_str!("openapi.json");
