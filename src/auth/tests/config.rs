//! Rules of the configuration: an unsafe one is refused.

use super::*;

#[test]
fn the_defaults_are_hs256_and_the_claim_tenant_id() {
    let config = config(&[]);
    assert_eq!(config.algorithms, [Algorithm::Hs256]);
    assert_eq!(config.tenant_claim, "tenantId");
    assert_eq!((config.jwks_url, config.issuer, config.audience), (None, None, None));
}

#[test]
fn empty_variables_count_as_absent() {
    let vars = "JWT_ALGORITHMS JWT_JWKS_URL JWT_ISSUER JWT_AUDIENCE TENANT_CLAIM ROLES_CLAIM ALLOWED_ORIGINS";
    let vars: Vec<_> = vars.split(' ').map(|name| (name, "")).collect();
    let config = config(&vars);
    assert_eq!(config.algorithms, [Algorithm::Hs256]);
    assert_eq!((config.jwks_url, config.issuer, config.audience), (None, None, None));
    assert_eq!((config.tenant_claim.as_str(), config.roles_claim.as_str()), ("tenantId", "roles"));
}

#[test]
fn unsafe_configurations_are_refused_with_the_variables_name() {
    let url = ("JWT_JWKS_URL", "https://issuer.example/jwks");
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("JWT_SECRET", &[("JWT_SECRET", "")]),
        ("JWT_SECRET", &[("JWT_SECRET", "31 bytes are one less than due.")]),
        ("JWT_SECRET", &[("JWT_SECRET", "                                        ")]),
        ("JWT_SECRET", &[("JWT_SECRET", "short"), ("JWT_ALGORITHMS", "RS256,HS256"), url]),
        ("JWT_ALGORITHMS", &[("JWT_ALGORITHMS", "none")]),
        ("JWT_ALGORITHMS", &[("JWT_ALGORITHMS", "hs256")]),
        ("JWT_ALGORITHMS", &[("JWT_ALGORITHMS", "HS512")]),
        ("JWT_ALGORITHMS", &[("JWT_ALGORITHMS", "HS256,PS256"), url]),
        ("JWT_ALGORITHMS", &[("JWT_ALGORITHMS", " , ")]),
        ("JWT_JWKS_URL", &[("JWT_ALGORITHMS", "RS256")]),
        ("JWT_JWKS_URL", &[("JWT_ALGORITHMS", "HS256, EdDSA")]),
        ("JWT_AUDIENCE", &[("JWT_ALGORITHMS", "RS256"), url]),
        ("JWT_AUDIENCE", &[("JWT_ALGORITHMS", "HS256,ES256"), url]),
        ("JWT_AUDIENCE", &[("JWT_ALGORITHMS", "EdDSA"), url, ("JWT_AUDIENCE", " ")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "http://issuer.example/jwks")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "http://127.0.0.1.example/jwks")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "http://localhost@issuer.example/jwks")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "https://user@issuer.example/jwks")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "file:///etc/passwd")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "/jwks")]),
        ("JWT_JWKS_URL", &[("JWT_JWKS_URL", "issuer.example")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "*")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "https://*.example.com")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "https://a.example, null")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "https://user@app.example.com")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "app.example.com")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "https://app.example.com/path")]),
        ("ALLOWED_ORIGINS", &[("ALLOWED_ORIGINS", "https://app.example.com:port")]),
    ];
    for (name, vars) in cases {
        let error = parse_config(vars).expect_err(&format!("{vars:?}"));
        assert!(error.starts_with(name), "{vars:?}: {error}");
        assert!(!error.contains("31 bytes are"), "the secret is in the message: {error}");
    }
}

#[test]
fn a_secret_is_required_only_for_hs256() {
    let config = config(&[
        ("JWT_SECRET", ""),
        ("JWT_ALGORITHMS", "RS256, ES256 ,EdDSA"),
        ("JWT_JWKS_URL", "https://issuer.example/jwks"),
        ("JWT_AUDIENCE", AUDIENCE),
    ]);
    assert_eq!(config.algorithms, [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]);
}

#[test]
fn a_key_set_may_be_fetched_over_http_from_loopback() {
    for url in ["http://localhost:9/j", "http://127.0.0.1:9/j", "http://127.1.2.3/j", "http://[::1]:9/j"] {
        let config =
            config(&[("JWT_ALGORITHMS", "ES256"), ("JWT_JWKS_URL", url), ("JWT_AUDIENCE", AUDIENCE)]);
        assert_eq!(config.jwks_url.as_deref(), Some(url));
    }
}

#[test]
fn https_is_required_where_loopback_is_not_accepted() {
    assert_eq!(ensure_https("https://hooks.example/chat", false), Ok(()));
    for bad in ["http://127.0.0.1:9/", "http://hooks.example/", "hooks.example", "https://me@hooks.example/"]
    {
        assert!(ensure_https(bad, false).is_err(), "{bad}");
    }
    assert_eq!(ensure_https("http://127.0.0.1:9/", true), Ok(()));
    assert!(ensure_https("http://10.0.0.1/", true).is_err());
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", config(&[])).contains(SECRET));
}
