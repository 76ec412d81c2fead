//! The configuration a stack runs by: wrangler.toml with this stack's Worker, database, vars and secret put in.
//!
//! Each stack has its own file in its own folder, so that stacks don't share a Worker and a secret never comes
//! near a tracked file.

use crate::{inputs, root};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Environment of a stack: how often its queue tries a notification again.
const QUEUE_RETRIES: &str = "CHINWAG_QUEUE_RETRIES";

/// Environment of a stack: the bindings that its Worker lacks, as wrangler.toml names their tables, with commas.
const WITHOUT: &str = "CHINWAG_WITHOUT";

/// The variable `LIMITS` of a stack in which one person does what many do: nobody is refused for a rate.
pub const NO_RATES: &str = r#"{"messagesPerS":1e6,"messagesBurst":1000000,"reactionsPerS":1e6,"reactionsBurst":1000000,"framesPerS":1e6,"framesBurst":1000000,"pagesPerS":1e6,"pagesBurst":1000000,"doorRates":false}"#;

pub struct Stack<'a> {
    /// The stack's folder; the Worker is in `dir/worker`.
    pub dir: &'a Path,
    pub postgres_url: &'a str,
    pub jwt_secret: &'a str,
    pub vars: &'a [(String, String)],
    /// Features to rebuild the Worker with when the source changes; `None` runs what `dir/worker` holds.
    pub rebuild: Option<&'a [String]>,
    /// Secrets of the developer's own `.dev.vars`.
    pub more_secrets: &'a [(String, String)],
}

/// wrangler.toml as JSON.
pub fn read_wrangler_toml() -> Result<Value> {
    let path = root().join("wrangler.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).context("wrangler.toml")
}

/// The names of the claims that a stack reads, with the stack's overrides.
pub struct Claims {
    pub tenant: String,
    pub roles: String,
}

impl Claims {
    pub fn read(vars: &[(String, String)]) -> Result<Claims> {
        let config = read_wrangler_toml()?;
        let name = |variable: &str| {
            let overridden = vars.iter().rev().find(|(name, _)| name == variable);
            let value = overridden.map(|(_, value)| value.as_str()).or(config["vars"][variable].as_str());
            value.map(str::to_owned).with_context(|| format!("wrangler.toml has no {variable}"))
        };
        Ok(Claims { tenant: name("TENANT_CLAIM")?, roles: name("ROLES_CLAIM")? })
    }
}

/// Writes `dir/wrangler.json` and `dir/.dev.vars`.
pub fn write(stack: &Stack) -> Result<()> {
    let mut config = read_wrangler_toml()?;
    let fields = config.as_object_mut().context("wrangler.toml is no table")?;
    fields.remove("env");
    let watched =
        fields.remove("build").and_then(|mut build| build["watch_dir"].as_array_mut().map(std::mem::take));
    let watched = watched.context("wrangler.toml: build.watch_dir is a list")?;
    fields.insert("main".into(), json!(stack.dir.join("worker/index.js")));
    if let Some(features) = stack.rebuild {
        let exe = std::env::current_exe()?;
        let (exe, out) = (exe.display().to_string(), stack.dir.join("worker").display().to_string());
        // wrangler joins these to the config's folder even if they are absolute.
        let up: PathBuf = stack.dir.components().skip(1).map(|_| "..").collect();
        let root = root();
        let below = up.join(root.strip_prefix("/").unwrap_or(&root));
        let watch = watched.iter().filter_map(Value::as_str).map(|path| below.join(path)).collect::<Vec<_>>();
        config["build"] = json!({
            "command": format!("{} build --rebuild --out {} --features {}", quote_for_shell(&exe), quote_for_shell(&out), quote_for_shell(&features.join(","))),
            "cwd": root,
            "watch_dir": watch,
        });
    }
    config["assets"]["directory"] = json!(root().join("web/dist"));
    config["hyperdrive"][0]["localConnectionString"] = json!(stack.postgres_url);
    // So that a test may see a dead letter within seconds.
    if let Some(retries) = std::env::var_os(QUEUE_RETRIES) {
        config["queues"]["consumers"][0]["max_retries"] = retries.to_string_lossy().parse::<u64>()?.into();
    }
    let without = std::env::var(WITHOUT).unwrap_or_default();
    for table in without.split(',').filter(|table| !table.is_empty()) {
        let removed = config.as_object_mut().and_then(|fields| fields.remove(table));
        removed.with_context(|| format!("{WITHOUT}: wrangler.toml has no {table}"))?;
    }
    for (name, value) in stack.vars {
        config["vars"][name.as_str()] = json!(value);
    }
    inputs::write_atomically(&stack.dir.join("wrangler.json"), &serde_json::to_string_pretty(&config)?)?;
    let mut secrets = String::new();
    for (name, value) in stack.more_secrets.iter().filter(|(name, _)| name != "JWT_SECRET") {
        secrets += &format!("{name}={}\n", dotenv_value(value)?);
    }
    secrets += &format!("JWT_SECRET={}\n", dotenv_value(stack.jwt_secret)?);
    inputs::write_atomically(&stack.dir.join(".dev.vars"), &secrets)
}

fn quote_for_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// dotenv has no escape that works for every quote, so take the one that the value doesn't hold.
fn dotenv_value(value: &str) -> Result<String> {
    match ['\'', '`', '"'].into_iter().find(|quote| !value.contains(*quote)) {
        Some('"') if value.contains('\\') => {
            bail!("a secret with all three quotes and a backslash can't be passed on")
        }
        Some(quote) => Ok(format!("{quote}{value}{quote}")),
        None => bail!("a secret with all three kinds of quotes can't be passed on"),
    }
}

/// The secrets of the project's `.dev.vars`, if the developer made one.
pub fn read_dev_vars() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(".dev.vars")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().into(), value.trim().trim_matches(['"', '\'', '`']).into()))
        .filter(|(_, value): &(String, String)| !value.is_empty())
        .collect()
}

/// The stack's own secret: made once, kept in its folder.
pub fn load_or_create_secret(dir: &Path) -> Result<String> {
    let path = dir.join("jwt-secret");
    if let Ok(secret) = std::fs::read_to_string(&path) {
        return Ok(secret);
    }
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let secret = inputs::hex(&bytes);
    inputs::write_atomically(&path, &secret)?;
    Ok(secret)
}
