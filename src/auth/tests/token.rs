//! Rules of one token under HS256: each attack is a row, with a valid signature unless the row is about the signature.

use super::*;
use crate::limits::TOKEN_BYTES_MAX;

fn issuer() -> Pair {
    Pair::hs256(SECRET.as_bytes())
}

fn checked(token: &str, config: &AuthConfig) -> String {
    outcome(verify(token, config, &Jwks::default(), NOW))
}

/// Each row: a description, the claim, its value, the expected outcome.
fn table(config: &AuthConfig, rows: &[(&str, &str, Value, &str)]) {
    for (what, name, value, expected) in rows {
        let token = issuer().token(None, &claims_with(name, value.clone()));
        assert_eq!(checked(&token, config), *expected, "{what}");
    }
}

const REFUSED: &str = "unauthenticated";
const ALICE: &str = "alice@acme";

#[test]
fn a_minted_token_is_accepted_and_identifies_its_subject() {
    let claims =
        json!({"sub": "alice", "tenantId": "acme", "exp": NOW_S + 60, "name": " Alice ", "roles": ["admin"]});
    let token = mint_hs256(SECRET, &claims).expect("a token");
    let identity = verify(&token, &config(&[]), &Jwks::default(), NOW).expect("accepted");
    assert_eq!((identity.user.as_str(), identity.tenant.as_str()), ("alice", "acme"));
    assert_eq!(identity.name.as_deref(), Some("Alice"));
    assert_eq!(identity.tenant_role, Some(Role::Admin));
    assert_eq!(identity.expires_ms, (NOW_S + 60) * 1000);
}

#[test]
fn exp_is_required_and_is_seconds_that_milliseconds_can_hold() {
    let last_s = crate::ids::INTEGER_MAX / 1000;
    table(
        &config(&[]),
        &[
            ("missing", "exp", Value::Null, REFUSED),
            ("a text", "exp", json!((NOW_S + 60).to_string()), REFUSED),
            ("a fraction", "exp", json!(NOW_S as f64 + 60.5), ALICE),
            ("a whole number spelled as a fraction", "exp", json!(NOW_S as f64 + 60.0), ALICE),
            ("a fraction of the past", "exp", json!(NOW_S as f64 - 30.5), "token_expired"),
            ("negative", "exp", json!(-1), REFUSED),
            ("a negative fraction", "exp", json!(-0.5), REFUSED),
            ("true", "exp", json!(true), REFUSED),
            ("a list", "exp", json!([NOW_S + 60]), REFUSED),
            ("2^64 - 1", "exp", json!(u64::MAX), REFUSED),
            ("1e300", "exp", json!(1e300), REFUSED),
            ("past what milliseconds can hold", "exp", json!(last_s + 1), REFUSED),
            ("the last that they can", "exp", json!(last_s), ALICE),
            ("a fraction past it", "exp", json!(last_s as f64 + 0.5), REFUSED),
            ("zero", "exp", json!(0), "token_expired"),
        ],
    );
    for exp in ["null", "NaN", "Infinity", "1e999", "0x7fffffff", "99999999999999999999999"] {
        let token = issuer()
            .sign(r#"{"alg":"HS256"}"#, &format!(r#"{{"sub":"alice","tenantId":"acme","exp":{exp}}}"#));
        assert_eq!(checked(&token, &config(&[])), REFUSED, "exp {exp}");
    }
}

#[test]
fn a_token_expires_30_seconds_after_its_exp() {
    for (ago_s, expected) in
        [(0, ALICE), (29, ALICE), (30, "token_expired"), (31, "token_expired"), (59, "token_expired")]
    {
        table(&config(&[]), &[(&format!("{ago_s} s ago"), "exp", json!(NOW_S - ago_s), expected)]);
    }
    let token = issuer().token(None, &claims_with("exp", json!(NOW_S - 30)));
    let just_before = verify(&token, &config(&[]), &Jwks::default(), NOW - 1).expect("within the leeway");
    assert!(!just_before.is_expired(NOW - 1) && just_before.is_expired(NOW));
    let token = issuer().token(None, &claims_with("exp", json!(NOW_S as f64 + 0.25)));
    let identity = verify(&token, &config(&[]), &Jwks::default(), NOW).expect("accepted");
    assert_eq!(identity.expires_ms, NOW + 250, "to the millisecond");
}

#[test]
fn an_expired_token_with_another_error_is_refused_for_that_error() {
    let mut claims = claims_with("exp", json!(NOW_S - 600));
    claims["sub"] = json!(7);
    assert_eq!(checked(&issuer().token(None, &claims), &config(&[])), REFUSED);
    let stranger = Pair::hs256(b"another secret that is long enough too");
    assert_eq!(checked(&stranger.token(None, &claims_with("exp", json!(1))), &config(&[])), REFUSED);
}

#[test]
fn nbf_in_the_future_is_refused_past_the_leeway() {
    table(
        &config(&[]),
        &[
            ("past", "nbf", json!(NOW_S - 1), ALICE),
            ("30 s ahead", "nbf", json!(NOW_S + 30), ALICE),
            ("31 s ahead", "nbf", json!(NOW_S + 31), REFUSED),
            ("a text", "nbf", json!("0"), REFUSED),
            ("a fraction", "nbf", json!(1.5), ALICE),
            ("29.9 s ahead", "nbf", json!(NOW_S as f64 + 29.9), ALICE),
            ("30.1 s ahead", "nbf", json!(NOW_S as f64 + 30.1), REFUSED),
            ("iat with a fraction", "iat", json!(NOW_S as f64 - 0.5), ALICE),
            ("negative", "nbf", json!(-1), REFUSED),
            ("huge", "nbf", json!(u64::MAX), REFUSED),
        ],
    );
}

#[test]
fn iss_is_one_text_and_the_configured_one() {
    let config = config(&[("JWT_ISSUER", "https://issuer.example")]);
    table(
        &config,
        &[
            ("ours", "iss", json!("https://issuer.example"), ALICE),
            ("missing", "iss", Value::Null, REFUSED),
            ("a stranger", "iss", json!("https://stranger.example"), REFUSED),
            ("another spelling", "iss", json!("https://issuer.example/"), REFUSED),
            (
                "a list with ours and a stranger",
                "iss",
                json!(["https://issuer.example", "stranger"]),
                REFUSED,
            ),
            ("a list of ours", "iss", json!(["https://issuer.example"]), REFUSED),
            ("empty", "iss", json!(""), REFUSED),
            ("a number", "iss", json!(1), REFUSED),
        ],
    );
}

#[test]
fn aud_is_the_configured_one_or_a_list_with_it() {
    let config = config(&[("JWT_AUDIENCE", "chat")]);
    table(
        &config,
        &[
            ("ours", "aud", json!("chat"), ALICE),
            ("ours among others", "aud", json!(["billing", "chat"]), ALICE),
            ("missing", "aud", Value::Null, REFUSED),
            ("a stranger", "aud", json!("billing"), REFUSED),
            ("strangers", "aud", json!(["billing", "chats"]), REFUSED),
            ("none", "aud", json!([]), REFUSED),
            ("ours beside what is no text", "aud", json!(["chat", 1]), REFUSED),
            ("an object", "aud", json!({"chat": true}), REFUSED),
        ],
    );
}

#[test]
fn iss_and_aud_are_checked_only_if_configured() {
    table(
        &config(&[]),
        &[("iss", "iss", json!("anybody"), ALICE), ("aud", "aud", json!(["anything"]), ALICE)],
    );
}

#[test]
fn sub_and_tenant_are_ids_of_1_to_128_characters_without_controls() {
    for name in ["sub", "tenantId"] {
        for bad in [
            Value::Null,
            json!(""),
            json!(7),
            json!(true),
            json!(["alice"]),
            json!({"id": "alice"}),
            json!("a\nb"),
            json!("a\u{0}"),
            json!("\u{85}"),
            json!("x".repeat(129)),
            json!("."),
            json!(".."),
        ] {
            table(&config(&[]), &[(&format!("{name} {bad}"), name, bad.clone(), REFUSED)]);
        }
    }
    let long = "ä".repeat(128);
    table(&config(&[]), &[("128 of them", "sub", json!(long), &format!("{long}@acme"))]);
}

#[test]
fn the_tenant_is_read_only_from_the_configured_claim() {
    let config = config(&[("TENANT_CLAIM", "https://acme.example/org")]);
    assert_eq!(checked(&issuer().token(None, &claims()), &config), REFUSED);
    table(&config, &[("there", "https://acme.example/org", json!("other"), "alice@other")]);
}

#[test]
fn roles_over_the_tenant_are_moderator_and_admin_from_a_list_of_texts() {
    let role = |roles: Value| {
        let token = issuer().token(None, &claims_with("roles", roles));
        verify(&token, &config(&[]), &Jwks::default(), NOW).map(|identity| identity.tenant_role)
    };
    for (roles, expected) in [
        (json!([]), None),
        (json!(["moderator"]), Some(Role::Moderator)),
        (json!(["moderator", "admin", "moderator"]), Some(Role::Admin)),
        (json!(["editor", "owner", "member", "Admin", "admin "]), None),
    ] {
        assert_eq!(role(roles.clone()), Ok(expected), "{roles}");
    }
    let renamed = config(&[("ROLES_CLAIM", "https://acme.example/roles")]);
    for (claim, expected) in [("https://acme.example/roles", Some(Role::Admin)), ("roles", None)] {
        let token = issuer().token(None, &claims_with(claim, json!(["admin"])));
        let identity = verify(&token, &renamed, &Jwks::default(), NOW).expect("accepted");
        assert_eq!(identity.tenant_role, expected, "{claim}");
    }
    for wrong in [json!("admin"), json!({"admin": true}), json!(["admin", 1]), json!(7)] {
        assert!(matches!(role(wrong.clone()), Err(VerifyError::Refused(_))), "{wrong}");
    }
}

#[test]
fn an_invalid_name_is_left_out_and_the_token_is_accepted() {
    for bad in [json!(""), json!("  "), json!(7), json!("a\u{7}b"), json!("x".repeat(129))] {
        let token = issuer().token(None, &claims_with("name", bad.clone()));
        let identity = verify(&token, &config(&[]), &Jwks::default(), NOW).expect("accepted");
        assert_eq!(identity.name, None, "{bad}");
    }
}

#[test]
fn the_header_names_an_accepted_algorithm_exactly() {
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":null}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "{}",
        "",
    ] {
        let token = issuer().sign(header, &claims().to_string());
        assert_eq!(checked(&token, &config(&[])), REFUSED, "{header}");
        let (signed, _) = token.rsplit_once('.').expect("three parts");
        assert_eq!(checked(&format!("{signed}."), &config(&[])), REFUSED, "{header} unsigned");
    }
}

#[test]
fn crit_is_refused_with_any_value() {
    for crit in [r#"["exp"]"#, r#"["b64"],"b64":false"#, "[]", "null", r#""x""#, "[1]"] {
        let token = issuer().sign(&format!(r#"{{"alg":"HS256","crit":{crit}}}"#), &claims().to_string());
        assert_eq!(checked(&token, &config(&[])), REFUSED, "crit {crit}");
    }
}

#[test]
fn a_kid_is_a_text_and_a_secret_needs_none() {
    for (kid, expected) in [(r#""any""#, ALICE), ("7", REFUSED), ("null", REFUSED), (r#"["a"]"#, REFUSED)] {
        let token = issuer().sign(&format!(r#"{{"alg":"HS256","kid":{kid}}}"#), &claims().to_string());
        assert_eq!(checked(&token, &config(&[])), expected, "kid {kid}");
    }
}

#[test]
fn keys_and_urls_in_the_header_are_ignored() {
    let theirs = Pair::hs256(b"the attacker's own secret, long enough");
    for member in [
        r#""jwk":{"kty":"oct","k":"dGhlIGF0dGFja2Vy"}"#,
        r#""jku":"https://attacker.example/jwks""#,
        r#""x5u":"https://attacker.example/cert""#,
        r#""kid":"/dev/null""#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        assert_eq!(checked(&theirs.sign(&header, &claims().to_string()), &config(&[])), REFUSED, "{member}");
    }
}

#[test]
fn a_signature_covers_every_byte() {
    let token = issuer().token(None, &claims());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let other_claims = base64url(claims_with("sub", json!("mallory")).to_string().as_bytes());
    for forged in [
        format!("{header}.{other_claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{signature}A"),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("{token}, {token}"),
        String::new(),
        ".".into(),
        "..".into(),
        "ä.ö.ü".into(),
    ] {
        assert_eq!(checked(&forged, &config(&[])), REFUSED, "{forged}");
    }
    for stranger in [b"".as_slice(), b"a secret of the tests, long enougH", b"null"] {
        let token = Pair::hs256(stranger).token(None, &self::claims());
        assert_eq!(checked(&token, &config(&[])), REFUSED, "{stranger:?}");
    }
}

#[test]
fn claims_are_one_object_without_repeated_keys_and_with_valid_text() {
    let twice = format!(r#"{{"sub":"alice","sub":"bob","tenantId":"acme","exp":{}}}"#, NOW_S + 60);
    let surrogate = format!(r#"{{"sub":"\ud800","tenantId":"acme","exp":{}}}"#, NOW_S + 60);
    let deep = format!(
        r#"{{"x":{}{},"sub":"a","tenantId":"acme","exp":{}}}"#,
        "[".repeat(200),
        "]".repeat(200),
        NOW_S + 60
    );
    for claims in [&twice, &surrogate, &deep, "[]", "null", "7", r#""alice""#, "", "{", "{}"] {
        let token = issuer().sign(r#"{"alg":"HS256"}"#, claims);
        assert_eq!(checked(&token, &config(&[])), REFUSED, "{claims}");
    }
}

#[test]
fn a_token_larger_than_8_kib_is_refused_unread() {
    let padded = |bytes: usize| issuer().token(None, &claims_with("pad", json!("x".repeat(bytes))));
    let small = padded(5_900);
    assert!(small.len() <= TOKEN_BYTES_MAX);
    assert_eq!(checked(&small, &config(&[])), ALICE);
    let large = padded(6_100);
    assert!(large.len() > TOKEN_BYTES_MAX);
    assert_eq!(checked(&large, &config(&[])), REFUSED);
}

#[test]
fn refusals_contain_nothing_of_the_token_or_the_configuration() {
    let config = config(&[("JWT_ISSUER", "https://issuer.example"), ("JWT_AUDIENCE", "chat")]);
    for token in [
        "",
        "a.b.c",
        &issuer().token(None, &claims()),
        &issuer().token(None, &claims_with("iss", json!("them"))),
    ] {
        let refusal = Refusal::from(verify(token, &config, &Jwks::default(), NOW).expect_err("refused"));
        for hidden in [SECRET, "issuer.example", "chat", "alice", "them"] {
            assert!(!refusal.message.contains(hidden), "{}", refusal.message);
        }
    }
}
