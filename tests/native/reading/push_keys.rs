//! Web Push: encryption against RFC 8291, and who pushes. Not here: who is notified (`push`).

use super::push::{Services, vapid};
use crate::db::DAY_MS;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chinwag::push::{Agreement, Crypto, DeviceKeys, Tokens, Vapid, encrypt};
use testkit::push as other_side;

/// RFC 8291, section 5 and appendix A.
#[tokio::test]
async fn push_1_a_body_is_that_of_the_rfc() {
    struct Example;
    impl Crypto for Example {
        async fn agree(&self, _: &[u8]) -> Option<Agreement> {
            let decode = |text: &str| BASE64.decode(text).expect("base64url");
            Some(Agreement {
                public_key: decode(
                    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
                ),
                shared: decode("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
                salt: decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().expect("16 bytes"),
            })
        }
        async fn seal(&self, key: &[u8], nonce: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
            Some(other_side::seal(key, nonce, plain))
        }
        async fn sign(&self, _: &str, _: &[u8]) -> Option<Vec<u8>> {
            None
        }
    }
    let keys = DeviceKeys::parse(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    );
    let body = encrypt(&Example, &keys.expect("keys"), b"When I grow up, I want to be a watermelon").await;
    assert_eq!(
        BASE64.encode(body.expect("encrypted")),
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl\
         7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    );
    assert!(DeviceKeys::parse("BCVx", "BTBZMqHH6r4Tts7J_aSIgg").is_none());
}

#[tokio::test]
async fn push_2_a_token_names_the_service_and_is_kept_for_an_hour() {
    let (tokens, vapid, services) = (Tokens::default(), vapid(), Services::default());
    let ask = |origin: &'static str, now: u64| tokens.authorization(&vapid, &services, origin, now);
    let first = ask("https://a.example:8443", DAY_MS).await.expect("a token");
    let (claims, key) = other_side::verify(&first);
    assert_eq!(key, vapid.public_key());
    assert_eq!(claims["aud"], "https://a.example:8443");
    assert_eq!(claims["sub"], "mailto:ops@example.com");
    assert_eq!(claims["exp"], (DAY_MS + 12 * 3_600_000) / 1000);
    assert_eq!(ask("https://a.example:8443", DAY_MS + 3_599_999).await.as_ref(), Some(&first));
    assert_eq!(services.signatures.get(), 1);
    assert_ne!(ask("https://a.example:8443", DAY_MS + 3_600_000).await.as_ref(), Some(&first));
    assert_ne!(ask("https://b.example", DAY_MS).await.as_ref(), Some(&first));
    assert_eq!(services.signatures.get(), 3);
}

#[test]
fn push_2_variables_are_checked_and_name_what_is_wrong() {
    let [public, private] = other_side::vapid_keys("chinwag");
    let parse = |public: &str, private: &str, subject: &str| {
        let vars = [("VAPID_PUBLIC_KEY", public), ("VAPID_PRIVATE_KEY", private), ("VAPID_SUBJECT", subject)];
        let vars: Vec<_> = vars.map(|(name, value)| (name, value.to_owned())).to_vec();
        Vapid::parse(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
            .map(|vapid| vapid.is_some())
    };
    assert_eq!(parse("", " ", ""), Ok(false));
    assert_eq!(parse(&public, &private, "https://chat.example.com/contact"), Ok(true));
    for (public, private, subject, named) in [
        ("", private.as_str(), "mailto:ops@example.com", "VAPID_PUBLIC_KEY: missing"),
        (&public, &public, "mailto:ops@example.com", "VAPID_PRIVATE_KEY: expected"),
        (&private, &private, "mailto:ops@example.com", "VAPID_PUBLIC_KEY: expected"),
        (&public, &private, "ops@example.com", "VAPID_SUBJECT: expected"),
        (&public, &private, "mailto:root@localhost", "VAPID_SUBJECT: expected"),
    ] {
        let why = parse(public, private, subject).expect_err(named);
        assert!(why.starts_with(named), "{why}");
    }
}
