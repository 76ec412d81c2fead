//! A JWT for the running stack, signed with the secret that its `stack.json` names. HS256 and nothing else: what
//! the Worker accepts beyond that is its own tests' matter.

use crate::config::Claims;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Options {
    pub sub: String,
    pub tenant: String,
    pub name: Option<String>,
    pub roles: Vec<String>,
    pub ttl_s: i64,
    pub data: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        let data = crate::root().join(".dev");
        Options {
            sub: String::new(),
            tenant: "dev".into(),
            name: None,
            roles: Vec::new(),
            ttl_s: 86_400,
            data,
        }
    }
}

/// The command `token`.
pub fn run(options: Options) -> Result<()> {
    let stack = read_stack(&options.data)?;
    let text = |name: &str| stack[name].as_str().with_context(|| format!("stack.json has no {name}"));
    let claims = Claims { tenant: text("tenantClaim")?.into(), roles: text("rolesClaim")?.into() };
    println!("{}", sign_token(&options, &claims, text("jwtSecret")?)?);
    Ok(())
}

/// The token of one person, for a stack with these claims and this secret.
pub fn sign_token(options: &Options, names: &Claims, secret: &str) -> Result<String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    sign(&claims(options, names, now_s), secret)
}

fn read_stack(data: &Path) -> Result<Value> {
    let path = data.join("stack.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("no stack is running over {}: start one with `cargo xtask dev`", data.display())
    })?;
    serde_json::from_str(&text).context("stack.json")
}

/// A negative time to live makes an expired token, which tests want.
fn claims(options: &Options, names: &Claims, now_s: i64) -> Value {
    let mut claims = json!({ "sub": options.sub, "iat": now_s, "exp": now_s.saturating_add(options.ttl_s) });
    claims[&names.tenant] = json!(options.tenant);
    if let Some(name) = &options.name {
        claims["name"] = json!(name);
    }
    if !options.roles.is_empty() {
        claims[&names.roles] = json!(options.roles);
    }
    claims
}

fn sign(claims: &Value, secret: &str) -> Result<String> {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_example_of_rfc_7515_does() {
        // Appendix A.1: its key and its signing input, checked through the same Mac.
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(input.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn puts_the_tenant_and_roles_under_the_stacks_own_claims_and_leaves_out_what_was_not_asked_for() {
        let options =
            Options { sub: "alice".into(), roles: vec!["admin".into()], ttl_s: -60, ..Options::default() };
        let names = Claims { tenant: "org".into(), roles: "rights".into() };
        let claims = claims(&options, &names, 1_000);
        assert_eq!(
            claims,
            json!({"sub": "alice", "iat": 1_000, "exp": 940, "org": "dev", "rights": ["admin"]})
        );
    }
}
