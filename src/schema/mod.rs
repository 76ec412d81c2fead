//! The contract for machines: JSON Schema of every frame, OpenAPI of every route, as `GET /protocol.json` and
//! `GET /openapi.json` serve them. The second refers to the first by its relative address, so each shape stands once.
//! Written by hand; the tests hold the golden files, all that they hear and all that they are answered against them.

pub const PROTOCOL: &str = include_str!("protocol.json");
pub const OPENAPI: &str = include_str!("openapi.json");
