//! Where a push may be sent: the endpoints that people may post. Not here: sending.

use crate::auth;
use crate::limits::PUSH_ENDPOINT_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Top-level names of networks that are not public.
const PRIVATE_NAMES: &[&str] =
    &["local", "localhost", "internal", "intranet", "lan", "home", "corp", "arpa", "onion"];

/// Whether the Worker may post to this URL: https, to a public address or name.
///
/// # Takes  `loopback_http`: http to a loopback address is accepted as well, as dev builds need it.
/// # Errors  what is wrong with it.
pub fn ensure_endpoint(url: &str, loopback_http: bool) -> Result<(), &'static str> {
    if url.len() > PUSH_ENDPOINT_BYTES_MAX || !url.is_ascii() {
        return Err("too long, or not ASCII");
    }
    auth::ensure_https(url, loopback_http)?;
    let uri = url.parse::<http::Uri>().map_err(|_| "not a URL")?;
    let is_https = uri.scheme_str() == Some("https");
    // Plain http has passed only because it goes to a loopback address.
    (!is_https || uri.host().is_some_and(is_public)).then_some(()).ok_or("not a public address")
}

fn is_public(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(is_public_v6);
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(v4) => is_public_v4(v4),
            IpAddr::V6(v6) => is_public_v6(v6),
        };
    }
    // A URL's last label that is a number makes the whole an IPv4 address, in one of its old forms.
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    let begins_as_name = last.starts_with(|c: char| c.is_ascii_alphabetic());
    begins_as_name && !PRIVATE_NAMES.contains(&last.to_ascii_lowercase().as_str())
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || is_shared
        || is_benchmark
        || (a == 192 && b == 0))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Of the whole space only 2000::/3 is given out; tunnels in it lead to IPv4 addresses.
    let [a, b, ..] = address.segments();
    a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0 || b == 0xdb8))
}

/// The id of a subscription: the same endpoint is the same device.
pub fn subscription_id(endpoint: &str) -> String {
    let digest = Sha256::digest(endpoint.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.get(..18).unwrap_or_default())
}

/// Scheme, host and port, as they stand: the audience of a token.
pub fn origin(endpoint: &str) -> Option<&str> {
    let host_at = endpoint.find("://")?.saturating_add(3);
    let end = endpoint.get(host_at..)?.find(['/', '?', '#']).map(|at| host_at.saturating_add(at));
    endpoint.get(..end.unwrap_or(endpoint.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_posted_to() {
        for url in
            ["https://fcm.googleapis.com/fcm/send/x", "https://8.8.8.8/x", "https://[2606:4700::1]:8443/x"]
        {
            assert_eq!(ensure_endpoint(url, false), Ok(()), "{url}");
        }
        for url in [
            "http://push.example.com/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://169.254.169.254/latest",
            "https://192.168.1.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[2002:7f00:1::]/",
            "https://intern/",
            "https://a.local./",
            "https://metadata.google.internal/",
            "https://user@example.com/",
            "ftp://example.com/",
            "https://100.64.1.1/",
            "x",
        ] {
            assert!(ensure_endpoint(url, false).is_err(), "{url}");
        }
        assert!(ensure_endpoint("http://127.0.0.1:9000/x", true).is_ok());
        assert!(ensure_endpoint("http://push.example.com/x", true).is_err());
        assert!(ensure_endpoint("https://127.0.0.1/x", true).is_err());
    }

    #[test]
    fn an_origin_has_the_port() {
        assert_eq!(origin("https://a.example:8443/x/y?z"), Some("https://a.example:8443"));
        assert_eq!(origin("https://a.example"), Some("https://a.example"));
    }
}
