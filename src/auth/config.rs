//! The configuration of authentication, read from the deployment's variables and refused as a whole when it is unsafe.
//! Not here: reading the variables (the shell passes a getter), and the contents of tokens (`token`).

use super::download::{DownloadKey, not_granted};
use super::identity::Identity;
use super::signature::{Algorithm, Secret};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::SECRET_BYTES_MIN;
use sha2::{Digest, Sha256};

/// What a deployment accepts. A value exists only if it is safe to serve with it.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    pub algorithms: Vec<Algorithm>,
    /// Present whenever HS256 is accepted.
    pub(super) secret: Option<Secret>,
    /// Present whenever another algorithm is accepted.
    pub jwks_url: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub tenant_claim: String,
    /// The claim that lists a person's roles over the tenant.
    pub roles_claim: String,
    pub(super) allowed_origins: Vec<Origin>,
    /// SHA-256 of `HEALTH_TOKEN`: this type has a `Debug`, and hashes compare without telling how much was right.
    health_token_hash: Option<[u8; 32]>,
    /// `None`: no downloads are signed.
    pub(super) download_key: Option<DownloadKey>,
}

impl AuthConfig {
    /// Whether this is the deployment's `HEALTH_TOKEN`, which opens `GET /health?deep=1` and nothing else.
    pub fn is_health_token(&self, token: &str) -> bool {
        self.health_token_hash.is_some_and(|hash| hash == <[u8; 32]>::from(Sha256::digest(token)))
    }

    /// A grant for this person to download this file, as the query parameter `grant`.
    ///
    /// # Errors  `upstream_unavailable`: this deployment has no secret to sign with.
    pub fn sign_download(
        &self,
        caller: &Identity,
        attachment: &str,
        expires_ms: UnixMs,
    ) -> Result<String, Refusal> {
        let message = "this deployment signs no downloads: DOWNLOAD_SECRET is missing";
        let missing = || Refusal::new(Code::UpstreamUnavailable, message);
        self.download_key.as_ref().ok_or_else(missing)?.sign(caller, attachment, expires_ms)
    }

    /// The person to whom this file was granted; see `DownloadKey::verify`.
    pub fn verify_download(&self, attachment: &str, grant: &str, now: UnixMs) -> Result<Identity, Refusal> {
        self.download_key.as_ref().ok_or_else(not_granted)?.verify(attachment, grant, now)
    }

    /// Reads `JWT_SECRET JWT_ALGORITHMS JWT_JWKS_URL JWT_ISSUER JWT_AUDIENCE TENANT_CLAIM ROLES_CLAIM ALLOWED_ORIGINS
    /// HEALTH_TOKEN DOWNLOAD_SECRET`; an empty variable counts as absent.
    ///
    /// # Errors  what is wrong, for the oplog; the Worker then answers 503 to every request.
    pub fn parse(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name| get(name).filter(|value| !value.trim().is_empty());
        let text = |name| get(name).map(|value| value.trim().to_owned());

        let algorithms = list(text("JWT_ALGORITHMS").as_deref().unwrap_or("HS256"))
            .map(|name| {
                Algorithm::from_name(name)
                    .ok_or_else(|| format!("JWT_ALGORITHMS: {name:?} is none of HS256, RS256, ES256, EdDSA"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if algorithms.is_empty() {
            return Err("JWT_ALGORITHMS: names no algorithm".into());
        }

        // Not trimmed: the issuer signs with the exact bytes.
        let secret = get("JWT_SECRET");
        let own = get("DOWNLOAD_SECRET");
        if own.as_ref().is_some_and(|own| own.len() < SECRET_BYTES_MIN) {
            return Err(format!("DOWNLOAD_SECRET: shorter than {SECRET_BYTES_MIN} bytes"));
        }
        let long_enough = secret.clone().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        let download_key = own.or(long_enough).and_then(|secret| DownloadKey::derive(&secret));
        let secret = if algorithms.contains(&Algorithm::Hs256) {
            let secret = secret.ok_or("JWT_SECRET: missing, and HS256 is accepted")?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err(format!("JWT_SECRET: shorter than {SECRET_BYTES_MIN} bytes"));
            }
            Some(Secret::new(&secret))
        } else {
            None
        };

        let (jwks_url, audience) = (text("JWT_JWKS_URL"), text("JWT_AUDIENCE"));
        if let Some(url) = &jwks_url {
            ensure_https(url, true).map_err(|why| format!("JWT_JWKS_URL: {why}"))?;
        }
        if let Some(asymmetric) = algorithms.iter().find(|a| **a != Algorithm::Hs256) {
            let missing = |name: &str| format!("{name}: missing, and {} is accepted", asymmetric.name());
            jwks_url.as_ref().ok_or_else(|| missing("JWT_JWKS_URL"))?;
            // An issuer signs the tokens of all its applications with one key: without an audience, a token that was
            // made for another application opens this one.
            audience.as_ref().ok_or_else(|| missing("JWT_AUDIENCE"))?;
        }

        let allowed_origins = list(text("ALLOWED_ORIGINS").as_deref().unwrap_or_default())
            .map(|origin| {
                Origin::parse(origin)
                    .ok_or_else(|| format!("ALLOWED_ORIGINS: {origin:?} is not like https://app.example.com"))
            })
            .collect::<Result<Vec<_>, _>>()?;

        Ok(Self {
            algorithms,
            secret,
            jwks_url,
            issuer: text("JWT_ISSUER"),
            audience,
            tenant_claim: text("TENANT_CLAIM").unwrap_or_else(|| "tenantId".into()),
            roles_claim: text("ROLES_CLAIM").unwrap_or_else(|| "roles".into()),
            allowed_origins,
            download_key,
            health_token_hash: text("HEALTH_TOKEN").map(|token| Sha256::digest(token).into()),
        })
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Refuses a URL of the configuration whose other side, or what is sent to it, somebody on the way could replace.
///
/// # Takes   `loopback_http`: whether http to a loopback address, which has no way, is accepted as well.
/// # Errors  what is wrong, without the name of the variable.
pub fn ensure_https(url: &str, loopback_http: bool) -> Result<(), &'static str> {
    let uri = url.parse::<http::Uri>().map_err(|_| "not a URL")?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or("not an absolute URL")?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err("needs a plain host, without a user");
    }
    match scheme {
        "https" => Ok(()),
        "http" if loopback_http && is_loopback(authority.host()) => Ok(()),
        _ if loopback_http => Err("must be https (http only to a loopback address)"),
        _ => Err("must be https"),
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A web origin: scheme, host and port, with the default port filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// `None` unless the text is a scheme, a host and at most a port. `null` and `*` are no origins.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri = text.parse::<http::Uri>().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?;
        let bare = !authority.as_str().contains(['@', '*'])
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none();
        if !bare || authority.host().is_empty() {
            return None;
        }
        let port = port_of(authority, &scheme)?;
        Some(Self { host: authority.host().to_ascii_lowercase(), port, scheme })
    }

    /// Whether the request's `Host` is this origin: the page comes from this server.
    pub(super) fn is_host(&self, host: &str) -> bool {
        host.parse::<http::uri::Authority>().is_ok_and(|authority| {
            authority.host().eq_ignore_ascii_case(&self.host)
                && port_of(&authority, &self.scheme) == Some(self.port)
        })
    }
}

/// The port, or the scheme's default. The outer `None` means that the port is no number.
fn port_of(authority: &http::uri::Authority, scheme: &str) -> Option<Option<u16>> {
    let after_host = authority.as_str().rsplit(']').next().unwrap_or_default();
    match (after_host.contains(':'), scheme) {
        (true, _) => authority.port_u16().map(Some),
        (false, "https") => Some(Some(443)),
        (false, "http") => Some(Some(80)),
        (false, _) => Some(None),
    }
}
