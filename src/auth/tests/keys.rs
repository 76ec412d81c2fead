//! Rules of public keys: real RS256, ES256 and EdDSA keys, and every way to pass one off for another.

use super::*;

fn all_three() -> [Pair; 3] {
    [Pair::rs256(), Pair::es256(7), Pair::eddsa(7)]
}

#[test]
fn each_algorithm_verifies_a_token_with_its_own_key() {
    for pair in all_three() {
        let jwks = fetched(&[pair.jwk("k1")]);
        let checked = |token: &str| outcome(verify(token, &jwks_config(), &jwks, NOW));
        let token = pair.token(Some("k1"), &claims());
        let name = pair.algorithm.name();
        assert_eq!(checked(&token), "alice@acme", "{name}");
        assert_eq!(checked(&pair.token(None, &claims())), "alice@acme", "{name}: the only key that fits");
        assert_eq!(checked(&pair.token(Some("k2"), &claims())), "unauthenticated", "{name}: another kid");
        assert_eq!(
            checked(&pair.token(Some("k1"), &claims_with("exp", json!(1)))),
            "token_expired",
            "{name}"
        );
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        assert_eq!(
            checked(&format!("{signed}.{flipped}{}", &signature[1..])),
            "unauthenticated",
            "{name}: forged"
        );
        assert_eq!(checked(&format!("{signed}.")), "unauthenticated", "{name}: unsigned");
    }
}

#[test]
fn a_public_key_is_not_accepted_as_a_secret() {
    let both = config(&[
        ("JWT_ALGORITHMS", "HS256,RS256,ES256,EdDSA"),
        ("JWT_JWKS_URL", "https://issuer.example/j"),
        ("JWT_AUDIENCE", AUDIENCE),
    ]);
    for pair in all_three() {
        let jwk = pair.jwk("k1");
        let jwks = fetched(std::slice::from_ref(&jwk));
        // What an attacker knows: the key set's texts, and the bytes they stand for.
        for member in ["n", "x", "y"] {
            let Some(text) = jwk[member].as_str() else { continue };
            let bytes = EncodingKey::from_urlsafe_base64_secret(&padded(text)).expect("base64url");
            for secret in [text.as_bytes(), bytes.as_bytes(), jwk.to_string().as_bytes()] {
                for config in [&both, &jwks_config()] {
                    let token = Pair::hs256(secret).token(Some("k1"), &claims());
                    assert_eq!(outcome(verify(&token, config, &jwks, NOW)), "unauthenticated", "{member}");
                }
            }
        }
    }
}

fn padded(text: &str) -> String {
    format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
}

#[test]
fn a_key_verifies_only_its_own_algorithm() {
    let jwks = fetched(&[Pair::rs256().jwk("rsa"), Pair::es256(7).jwk("ec"), Pair::eddsa(7).jwk("ed")]);
    for pair in all_three() {
        for kid in ["rsa", "ec", "ed"] {
            for algorithm in ["HS256", "RS256", "ES256", "EdDSA", "RS512", "PS256", "ES384", "none"] {
                let header = json!({"alg": algorithm, "kid": kid}).to_string();
                let expected = algorithm == pair.algorithm.name() && pair.jwk(kid) == jwk_named(kid);
                let token = pair.sign(&header, &claims().to_string());
                let accepted = verify(&token, &jwks_config(), &jwks, NOW).is_ok();
                assert_eq!(accepted, expected, "{} signs as {header}", pair.algorithm.name());
            }
        }
    }
}

fn jwk_named(kid: &str) -> Value {
    match kid {
        "rsa" => Pair::rs256().jwk(kid),
        "ec" => Pair::es256(7).jwk(kid),
        _ => Pair::eddsa(7).jwk(kid),
    }
}

#[test]
fn only_configured_algorithms_are_accepted() {
    let only_eddsa = config(&[
        ("JWT_ALGORITHMS", "EdDSA"),
        ("JWT_JWKS_URL", "https://issuer.example/j"),
        ("JWT_AUDIENCE", AUDIENCE),
    ]);
    let jwks = fetched(&[Pair::es256(7).jwk("ec"), Pair::eddsa(7).jwk("ed")]);
    let checked = |token: String| outcome(verify(&token, &only_eddsa, &jwks, NOW));
    assert_eq!(checked(Pair::eddsa(7).token(Some("ed"), &claims())), "alice@acme");
    assert_eq!(checked(Pair::es256(7).token(Some("ec"), &claims())), "unauthenticated");
    // The secret is set in these tests, and all the same not accepted.
    assert_eq!(checked(Pair::hs256(SECRET.as_bytes()).token(None, &claims())), "unauthenticated");
}

#[test]
fn without_a_kid_two_matching_keys_are_refused() {
    let (one, two) = (Pair::es256(1), Pair::es256(2));
    let jwks = fetched(&[one.jwk("k1"), two.jwk("k2"), Pair::eddsa(1).jwk("k3")]);
    let checked = |token: String| outcome(verify(&token, &jwks_config(), &jwks, NOW));
    assert_eq!(checked(one.token(None, &claims())), "unauthenticated");
    assert_eq!(checked(Pair::eddsa(1).token(None, &claims())), "alice@acme");
    assert_eq!(checked(two.token(Some("k2"), &claims())), "alice@acme");
    assert_eq!(checked(two.token(Some("k1"), &claims())), "unauthenticated");
}

/// The key set holds this JWK in place of the sound one; what it would prove is not proved.
fn refuses(pair: &Pair, what: &str, change: impl Fn(&mut Value)) {
    let mut jwk = pair.jwk("k1");
    change(&mut jwk);
    let jwks = fetched(&[jwk, Pair::eddsa(99).jwk("sound")]);
    assert!(jwks.find(Some("k1"), pair.algorithm).is_none(), "{what}");
    assert!(jwks.find(Some("sound"), Algorithm::EdDsa).is_some(), "{what}: the others stay");
}

#[test]
fn keys_of_other_uses_and_kinds_are_skipped() {
    for pair in all_three() {
        refuses(&pair, "for encryption", |jwk| jwk["use"] = json!("enc"));
        refuses(&pair, "for signing only", |jwk| jwk["key_ops"] = json!(["sign"]));
        refuses(&pair, "operations of a wrong type", |jwk| jwk["key_ops"] = json!("verify"));
        refuses(&pair, "for another algorithm", |jwk| jwk["alg"] = json!("RS512"));
        refuses(&pair, "for a secret's algorithm", |jwk| jwk["alg"] = json!("HS256"));
        refuses(&pair, "a secret", |jwk| *jwk = json!({"kty": "oct", "kid": "k1", "k": base64url(&[7; 32])}));
        refuses(&pair, "an unknown kind", |jwk| jwk["kty"] = json!("AKP"));
        refuses(&pair, "a kid that is no text", |jwk| jwk["kid"] = json!(1));
        refuses(&pair, "no object", |jwk| *jwk = json!("k1"));
        let mut marked = pair.jwk("k1");
        marked["use"] = json!("sig");
        marked["key_ops"] = json!(["verify"]);
        marked.as_object_mut().expect("an object").remove("alg");
        assert!(fetched(&[marked]).find(Some("k1"), pair.algorithm).is_some(), "for signatures");
    }
}

#[test]
fn weak_and_broken_keys_are_skipped_without_a_panic() {
    let n = |bytes: usize| json!(base64url(&vec![0xff; bytes]));
    refuses(&Pair::rs256(), "RSA of 1,024 bits", |jwk| jwk["n"] = n(128));
    refuses(&Pair::rs256(), "RSA of 2,047 bits", |jwk| {
        jwk["n"] = json!(base64url(&[&[0x7f][..], &[0xff; 255]].concat()))
    });
    refuses(&Pair::rs256(), "RSA padded with zeros", |jwk| {
        jwk["n"] = json!(base64url(&[vec![0; 128], vec![0xff; 128]].concat()));
    });
    refuses(&Pair::rs256(), "RSA of 8,192 bits", |jwk| jwk["n"] = n(1024));
    for e in [&[1][..], &[0, 1], &[0], &[], &[2], &[1, 0, 0]] {
        refuses(&Pair::rs256(), &format!("RSA with e = {e:?}"), |jwk| jwk["e"] = json!(base64url(e)));
    }
    refuses(&Pair::rs256(), "no modulus", |jwk| jwk["n"] = json!(null));
    refuses(&Pair::es256(7), "a point off the curve", |jwk| jwk["y"] = json!(base64url(&[1; 32])));
    refuses(&Pair::es256(7), "a short coordinate", |jwk| jwk["x"] = json!(base64url(&[1; 31])));
    refuses(&Pair::es256(7), "another curve", |jwk| jwk["crv"] = json!("P-384"));
    for bytes in [0, 1, 31, 33, 64] {
        refuses(&Pair::eddsa(7), "Ed25519 of a wrong size", |jwk| {
            jwk["x"] = json!(base64url(&vec![1; bytes]))
        });
    }
    refuses(&Pair::eddsa(7), "Ed448", |jwk| jwk["crv"] = json!("Ed448"));
    refuses(&Pair::eddsa(7), "not base64url", |jwk| jwk["x"] = json!("+/+/"));
}
