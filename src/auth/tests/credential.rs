//! Rules of an upgrade's credentials: which of the four places counts, and from which web page.

use super::*;
use http::{HeaderMap, HeaderName, HeaderValue};

const HOST: (&str, &str) = ("host", "chat.example.com");
const OWN_PAGE: (&str, &str) = ("origin", "https://chat.example.com");

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let lines = lines.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"))
    });
    // Unlike `collect`, `append` keeps a name that comes twice.
    lines.fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

/// The credential of an upgrade as text: `bearer tok`, `ticket t v1`, or the code of the refusal.
fn found(lines: &[(&'static str, &str)], query: &str) -> String {
    let config = config(&[("ALLOWED_ORIGINS", "https://app.example.com, http://localhost:5173/")]);
    let spelled = |upgrade: Upgrade| {
        let credential = match upgrade.credential {
            Credential::Bearer(token) => format!("bearer {token}"),
            Credential::Ticket(ticket) => format!("ticket {ticket}"),
        };
        format!("{credential}{}", if upgrade.chat_v1 { " v1" } else { "" })
    };
    match upgrade_credential(&headers(lines), query, &config) {
        Ok(upgrade) => spelled(upgrade),
        Err(refusal) => refusal.code.name().to_owned(),
    }
}

#[test]
fn the_first_credential_that_is_present_counts() {
    let authorization = ("authorization", "Bearer header");
    let subprotocol = ("sec-websocket-protocol", "chat.v1, bearer.protocol");
    let cookie = ("cookie", "chat_token=cookie");
    let query = "roomId=r&ticket=t";
    assert_eq!(found(&[HOST, OWN_PAGE, authorization, subprotocol, cookie], query), "bearer header v1");
    assert_eq!(found(&[HOST, OWN_PAGE, subprotocol, cookie], query), "bearer protocol v1");
    assert_eq!(found(&[HOST, OWN_PAGE, cookie], query), "ticket t");
    assert_eq!(found(&[HOST, OWN_PAGE, cookie], "roomId=r"), "bearer cookie");
    assert_eq!(found(&[HOST, OWN_PAGE], "roomId=r"), "unauthenticated");
    assert_eq!(found(&[], ""), "unauthenticated");
}

#[test]
fn an_empty_credential_is_not_skipped() {
    assert_eq!(found(&[("authorization", "Bearer")], "ticket=t"), "bearer ");
    assert_eq!(found(&[("authorization", "Bearer  ")], "ticket=t"), "bearer ");
    assert_eq!(found(&[("sec-websocket-protocol", "chat.v1, bearer.")], "ticket=t"), "bearer  v1");
    assert_eq!(found(&[HOST, OWN_PAGE, ("cookie", "chat_token=c")], "ticket="), "ticket ");
}

#[test]
fn authorization_accepts_only_the_bearer_scheme_in_any_case() {
    assert_eq!(found(&[("authorization", "bearer tok")], ""), "bearer tok");
    assert_eq!(found(&[("authorization", "BEARER   tok ")], ""), "bearer tok");
    assert_eq!(found(&[("authorization", "Basic YTpi")], ""), "unauthenticated");
    assert_eq!(found(&[("authorization", "Bearertok")], ""), "unauthenticated");
    assert_eq!(found(&[("authorization", "Basic YTpi")], "ticket=t"), "ticket t");
    assert_eq!(bearer(&headers(&[("authorization", "Bearer tok")])).as_deref(), Ok("tok"));
    for lines in [&[][..], &[("cookie", "chat_token=c")], &[("authorization", "tok")]] {
        assert_eq!(
            bearer(&headers(lines)).expect_err("REST takes the header alone").code,
            Code::Unauthenticated
        );
    }
}

#[test]
fn chat_v1_is_selected_when_it_is_offered_and_never_the_token() {
    let offered = |list: &str| found(&[("sec-websocket-protocol", list)], "ticket=t");
    assert_eq!(offered("chat.v1, bearer.tok"), "bearer tok v1");
    assert_eq!(offered("bearer.tok,chat.v1"), "bearer tok v1");
    assert_eq!(offered("bearer.tok"), "bearer tok");
    assert_eq!(offered("chat.v1"), "ticket t v1");
    assert_eq!(offered("chat.v2, Chat.V1, graphql-ws"), "ticket t");
    let lines = [("sec-websocket-protocol", "chat.v1"), ("sec-websocket-protocol", "bearer.tok")];
    assert_eq!(found(&lines, ""), "bearer tok v1", "a list over two lines");
}

#[test]
fn a_ticket_is_percent_decoded() {
    assert_eq!(found(&[], "ticket=a%2Fb%3D%3D&x=1"), "ticket a/b==");
    assert_eq!(found(&[], "%74icket=t"), "ticket t");
    assert_eq!(found(&[], "Ticket=t&tickets=t"), "unauthenticated");
    assert_eq!(found(&[], "ticket=%ff%zz"), "ticket \u{fffd}%zz", "which no ticket is");
}

#[test]
fn two_different_credentials_in_one_place_are_refused() {
    for lines in [
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")][..],
        &[("sec-websocket-protocol", "bearer.a, bearer.b")],
        &[HOST, OWN_PAGE, ("cookie", "chat_token=a; chat_token=b")],
        &[HOST, OWN_PAGE, ("cookie", "chat_token=a"), ("cookie", "chat_token=b")],
    ] {
        assert_eq!(found(lines, ""), "unauthenticated", "{lines:?}");
    }
    assert_eq!(found(&[], "ticket=a&ticket=b"), "unauthenticated");
    assert_eq!(found(&[], "ticket=a&ticket=a"), "ticket a");
}

#[test]
fn a_cookie_counts_only_from_an_allowed_page() {
    let cookie = ("cookie", "theme=dark; chat_token=c; x=y");
    assert_eq!(found(&[HOST, OWN_PAGE, cookie], ""), "bearer c");
    assert_eq!(found(&[HOST, ("origin", "https://app.example.com"), cookie], ""), "bearer c");
    assert_eq!(found(&[HOST, cookie], ""), "unauthenticated", "without an Origin");
    assert_eq!(found(&[HOST, ("origin", "https://evil.example"), cookie], ""), "forbidden");
    assert_eq!(
        found(&[HOST, OWN_PAGE, ("cookie", "xchat_token=c; Chat_Token=c; chat_token")], ""),
        "unauthenticated"
    );
}

#[test]
fn a_foreign_origin_is_403_with_any_credential() {
    let token = ("authorization", "Bearer tok");
    for origin in [
        "null",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://app.example.com@evil.example",
        "https://evil.example@app.example.com",
        "https://xapp.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://chat.example.com:8443",
        "http://localhost:5174",
        "https://localhost:5173",
        "app.example.com",
        "*",
        "",
        "https://chat.example.com, https://evil.example",
    ] {
        assert_eq!(found(&[HOST, ("origin", origin), token], ""), "forbidden", "{origin:?}");
    }
    assert_eq!(
        found(&[HOST, OWN_PAGE, ("origin", "https://evil.example"), token], ""),
        "forbidden",
        "two of them"
    );
    assert_eq!(found(&[("origin", "https://evil.example")], ""), "forbidden", "before the missing token");
    assert_eq!(found(&[OWN_PAGE, token], ""), "forbidden", "no Host to be the same as");
}

#[test]
fn the_own_host_listed_origins_and_requests_without_origin_are_allowed() {
    let token = ("authorization", "Bearer tok");
    for (host, origin) in [
        ("chat.example.com", "https://chat.example.com"),
        ("chat.example.com", "https://CHAT.example.com:443"),
        ("chat.example.com:443", "https://chat.example.com"),
        ("127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("[::1]:8787", "http://[::1]:8787"),
        ("[::1]", "http://[::1]:80"),
        ("chat.example.com", "https://app.example.com"),
        ("chat.example.com", "https://App.Example.Com:443"),
        ("chat.example.com", "http://localhost:5173"),
    ] {
        assert_eq!(
            found(&[("host", host), ("origin", origin), token], ""),
            "bearer tok",
            "{origin} at {host}"
        );
    }
    assert_eq!(found(&[HOST, token], ""), "bearer tok", "a server or a native app");
}

#[test]
fn user_id_in_the_query_must_be_the_tokens_sub() {
    let identity = verify(
        &Pair::hs256(SECRET.as_bytes()).token(None, &claims_with("sub", json!("alice smith"))),
        &config(&[]),
        &Jwks::default(),
        NOW,
    )
    .expect("accepted");
    for query in ["", "roomId=r", "userId=alice+smith", "roomId=r&userId=alice%20smith"] {
        assert_eq!(refuse_other_user(query, &identity), Ok(()), "{query}");
    }
    for query in
        ["userId=bob", "userId=", "userId=alice%20smith&userId=bob", "user%49d=bob", "userId=Alice+smith"]
    {
        assert_eq!(refuse_other_user(query, &identity).expect_err(query).code, Code::Forbidden, "{query}");
    }
}

#[test]
fn debug_shows_no_credential() {
    let shown = format!("{:?}{:?}", Credential::Bearer("tok".into()), Credential::Ticket("tik".into()));
    assert!(!shown.contains("tok") && !shown.contains("tik"), "{shown}");
}
