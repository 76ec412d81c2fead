//! Rules of grants to download a file: for one file and one person, until they expire, and signed here.

use super::*;

fn alice() -> Identity {
    let (tenant, user) = (TenantId::parse("acme").expect("an id"), UserId::parse("alice").expect("an id"));
    Identity { tenant_role: Some(Role::Admin), ..Identity::of(tenant, user, NOW) }
}

fn code(outcome: Result<Identity, Refusal>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code)
}

#[test]
fn file_8_a_grant_is_of_one_file_and_one_person_and_ends() {
    let config = config(&[]);
    let grant = config.sign_download(&alice(), "r1.07", NOW + 300_000).expect("a grant");
    let known = config.verify_download("r1.07", &grant, NOW + 299_999).expect("alice");
    assert_eq!((known.user.as_str(), known.tenant.as_str(), known.tenant_role), ("alice", "acme", None));
    assert_eq!(code(config.verify_download("r1.07", &grant, NOW + 300_000)), Some(Code::TokenExpired));
    let unauthenticated = Some(Code::Unauthenticated);
    assert_eq!(code(config.verify_download("r1.08", &grant, NOW)), unauthenticated, "another file");
    for (at, byte) in grant.bytes().enumerate() {
        let mut changed = grant.clone().into_bytes();
        changed[at] = if byte == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("text");
        // The last character of base64 has bits that mean nothing; the decoder refuses them.
        assert_eq!(code(config.verify_download("r1.07", &changed, NOW)), unauthenticated, "{at}");
    }
    for bad in [
        "",
        ".",
        "x",
        "x.y",
        &grant[..grant.len() - 1],
        &format!("{grant}A"),
        grant.trim_end_matches(|c| c != '.'),
    ] {
        assert_eq!(code(config.verify_download("r1.07", bad, NOW)), unauthenticated, "{bad}");
    }
    let token = Pair::hs256(SECRET.as_bytes()).token(None, &claims());
    assert_eq!(code(config.verify_download("r1.07", &token, NOW)), unauthenticated, "a token is no grant");
    assert!(verify(&grant, &config, &Jwks::default(), NOW).is_err(), "a grant is no token");
}

#[test]
fn grants_are_signed_with_a_secret_of_their_own_or_by_default_with_one_derived_from_jwt_secret() {
    let of = |vars: &[(&str, &str)]| {
        let config = parse_config(vars).expect("a config");
        config.sign_download(&alice(), "r1.07", NOW + 1)
    };
    let own = ("DOWNLOAD_SECRET", "a secret of the downloads, long enough");
    let jwks = [
        ("JWT_ALGORITHMS", "RS256"),
        ("JWT_JWKS_URL", "https://issuer.example/jwks"),
        ("JWT_AUDIENCE", AUDIENCE),
        ("JWT_SECRET", ""),
    ];
    let only_jwks = of(&jwks).map_err(|refusal| refusal.code);
    assert_eq!(only_jwks, Err(Code::UpstreamUnavailable), "nothing to sign with");
    let with_own = of(&[&jwks[..], &[own]].concat()).expect("a grant");
    assert_eq!(Ok(with_own), of(&[own]), "it goes before JWT_SECRET");
    assert_ne!(of(&[]), of(&[own]));
    let error = parse_config(&[("DOWNLOAD_SECRET", "short")]).expect_err("too short");
    assert!(error.starts_with("DOWNLOAD_SECRET") && !error.contains("short\""), "{error}");
    assert!(!format!("{:?}", config(&[own])).contains("secret of the downloads"));
}
