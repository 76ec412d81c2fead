//! What bare workerd lacks of the platform: rate limits and a bucket, each a few lines of JavaScript in memory, and a Worker
//! in another process than its objects.
//! Not here: how well they count and keep; `wrangler dev` has better ones, which take milliseconds of the server's core
//! for each request.

use super::server::quoted;
use crate::inputs;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

pub const SERVICES: &str = r#",
    (name = "bucket", worker = (modules = [(name = "bucket.js", esModule = embed "bucket.js")], compatibilityDate = "2026-11-17"))"#;
pub const EXTENSIONS: &str = r#"extensions = [(modules = [
    (name = "chinwag:rates", internal = true, esModule = embed "rates.js"),
    (name = "chinwag:objects", internal = true, esModule = embed "objects.js")])]"#;

pub fn write(dir: &Path) -> Result<()> {
    inputs::write_atomically(&dir.join("rates.js"), include_str!("platform/rates.js"))?;
    inputs::write_atomically(&dir.join("objects.js"), include_str!("platform/objects.js"))?;
    inputs::write_atomically(&dir.join("object_service.js"), include_str!("platform/object_service.js"))?;
    inputs::write_atomically(&dir.join("bucket.js"), include_str!("platform/bucket.js"))
}

/// The service that lets another process in to the objects, by binding and class.
pub fn object_service(objects: &[(String, String)]) -> String {
    let bindings = objects.iter().map(|(name, class)| {
        let (name, class) = (quoted(name), quoted(class));
        format!(r#"(name = {name}, durableObjectNamespace = (className = {class}, serviceName = "worker"))"#)
    });
    format!(
        r#",
    (name = "object_service", worker = (modules = [(name = "object_service.js", esModule = embed "object_service.js")], compatibilityDate = "2026-11-17",
      bindings = [{}]))"#,
        bindings.collect::<Vec<_>>().join(", ")
    )
}

/// The bindings of the objects of the process that serves them at `port`, and the service that they go through.
pub fn objects_behind(port: u16, objects: &[(String, String)]) -> (Vec<String>, String) {
    let binding = |(name, _): &(String, String)| {
        let (name, kind) = (quoted(name), quoted(&quoted(name)));
        format!(
            r#"(name = {name}, wrapped = (moduleName = "chinwag:objects", innerBindings = [(name = "service", service = "object_service"), (name = "kind", json = {kind})]))"#
        )
    };
    let service =
        format!(r#", (name = "object_service", external = (address = "127.0.0.1:{port}", http = ()))"#);
    (objects.iter().map(binding).collect(), service)
}

/// The bindings of wrangler.toml that these are.
pub fn bindings(toml: &Value) -> Result<Vec<String>> {
    let mut bindings = Vec::new();
    for rate in toml["ratelimits"].as_array().context("ratelimits in wrangler.toml")? {
        let name = rate["name"].as_str().context("a rate's name")?;
        let inner = ["limit", "period"]
            .map(|field| format!("(name = \"{field}\", json = \"{}\")", rate["simple"][field]));
        bindings.push(format!(
            "(name = {}, wrapped = (moduleName = \"chinwag:rates\", innerBindings = [{}]))",
            quoted(name),
            inner.join(", ")
        ));
    }
    for bucket in toml["r2_buckets"].as_array().into_iter().flatten() {
        let name = bucket["binding"].as_str().context("a bucket's name")?;
        bindings.push(format!("(name = {}, r2Bucket = \"bucket\")", quoted(name)));
    }
    Ok(bindings)
}
