//! The configuration of authentication, read from the deployment's variables and refused as a whole when it is unsafe.
//! Not here: reading the variables (the shell passes a getter), and the contents of tokens (`token`).

use crate::limits::SECRET_BYTES_MIN;
use jsonwebtoken::DecodingKey;
use sha2::{Digest, Sha256};

/// The algorithms of PROTOCOL.md, "2. Identity". A token with any other is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) fn to_crate(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// What a deployment accepts. A value exists only if it is safe to serve with it.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    pub algorithms: Vec<Algorithm>,
    /// Present whenever HS256 is accepted; the crate's `Debug` redacts it.
    pub(super) secret: Option<DecodingKey>,
    /// Present whenever another algorithm is accepted.
    pub jwks_url: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub tenant_claim: String,
    pub(super) allowed_origins: Vec<Origin>,
    /// SHA-256 of `HEALTH_TOKEN`: this type has a `Debug`, and hashes compare without telling how much was right.
    health_token_hash: Option<[u8; 32]>,
}

impl AuthConfig {
    /// Whether this is the deployment's `HEALTH_TOKEN`, which opens `GET /health?deep=1` and nothing else.
    pub fn is_health_token(&self, token: &str) -> bool {
        self.health_token_hash.is_some_and(|hash| hash == <[u8; 32]>::from(Sha256::digest(token)))
    }

    /// Reads `JWT_SECRET JWT_ALGORITHMS JWT_JWKS_URL JWT_ISSUER JWT_AUDIENCE TENANT_CLAIM ALLOWED_ORIGINS
    /// HEALTH_TOKEN`; an empty variable counts as absent.
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
        let secret = if algorithms.contains(&Algorithm::Hs256) {
            let secret = secret.ok_or("JWT_SECRET: missing, and HS256 is accepted")?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err(format!("JWT_SECRET: shorter than {SECRET_BYTES_MIN} bytes"));
            }
            Some(DecodingKey::from_secret(secret.as_bytes()))
        } else {
            None
        };

        let jwks_url = text("JWT_JWKS_URL");
        if let Some(url) = &jwks_url {
            ensure_safe_jwks_url(url)?;
        } else if let Some(asymmetric) = algorithms.iter().find(|a| **a != Algorithm::Hs256) {
            return Err(format!("JWT_JWKS_URL: missing, and {} is accepted", asymmetric.name()));
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
            audience: text("JWT_AUDIENCE"),
            tenant_claim: text("TENANT_CLAIM").unwrap_or_else(|| "tenantId".into()),
            allowed_origins,
            health_token_hash: text("HEALTH_TOKEN").map(|token| Sha256::digest(token).into()),
        })
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Who can change the key set on its way can sign any token. So the URL must be https, or http to a loopback address.
fn ensure_safe_jwks_url(url: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("JWT_JWKS_URL: {why}"));
    let Ok(uri) = url.parse::<http::Uri>() else { return bad("not a URL") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return bad("not an absolute URL");
    };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return bad("needs a plain host, without a user");
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(authority.host()) => Ok(()),
        _ => bad("must be https (http only to a loopback address)"),
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
