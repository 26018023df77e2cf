//! Requests and responses.

use patchcord::web::softphone::ASSETS;

use super::{Wish, server};

#[tokio::test]
async fn every_file_of_the_page_is_served_with_its_type_and_a_strict_policy() {
    let server = server(Wish::default()).await;
    for asset in ASSETS {
        let response = server.ask("GET", asset.path, &[], "").await;
        assert_eq!(response.status, 200, "{}", asset.path);
        assert_eq!(response.body.as_bytes(), asset.body);
        assert_eq!(response.header("content-type"), Some(asset.content_type));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        assert!(response.header("permissions-policy").unwrap().contains("microphone=(self)"));
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let tag = response.header("etag").unwrap();
        let again = server.ask("GET", asset.path, &[("If-None-Match", tag)], "").await;
        assert_eq!((again.status, again.body.as_str()), (304, ""));
    }
    assert_eq!(server.ask("GET", "/no-such-file", &[], "").await.status, 404);
}

#[tokio::test]
async fn the_page_uses_no_inline_script_or_style_that_its_policy_forbids() {
    let page = ASSETS.into_iter().find(|a| a.path == "/").unwrap();
    let text = std::str::from_utf8(page.body).unwrap();
    assert!(!text.contains("<script>") && !text.contains("<style>") && !text.contains(" style=\""));
    assert!(!text.contains(" onclick=") && !text.contains("javascript:"));
}

#[tokio::test]
async fn health_and_dial_hints_are_told() {
    let server = server(Wish::default()).await;
    let health = server.ask("GET", "/health", &[], "").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let hints = server.ask("GET", "/dial-hints", &[], "").await.json();
    assert_eq!(hints["hints"][0]["to"], "echo");
    server.http.drain();
    let health = server.ask("GET", "/health", &[], "").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("draining")));
}

#[tokio::test]
async fn a_password_or_the_permission_to_be_a_guest_gives_a_token() {
    let server = server(Wish::default()).await;
    let response = server.ask("POST", "/session", &[], r#"{"user":"alice","password":"pencil"}"#).await;
    let json = response.json();
    assert_eq!((response.status, &json["user"], &json["expires_in"]), (200, &"alice".into(), &60.into()));
    assert_eq!(json["token"].as_str().unwrap().len(), 32);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let guest = server.ask("POST", "/session", &[], "{}").await.json();
    assert_eq!(guest["user"], "web");
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_in_is_named() {
    let server = server(Wish { guest: false, ..Wish::default() }).await;
    for (body, status, code) in [
        ("", 400, "bad-json"),
        ("[]", 400, "bad-json"),
        (r#"{"user":"alice"}"#, 400, "bad-json"),
        (r#"{"user":"alice","password":"wrong"}"#, 401, "bad-password"),
        (r#"{"user":"mallory","password":""}"#, 401, "bad-password"),
        ("{}", 401, "no-guests"),
    ] {
        let response = server.ask("POST", "/session", &[], body).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (status, Some(code)), "{body}");
        assert!(response.json()["text"].is_string());
    }
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(5000));
    assert_eq!(server.ask("POST", "/session", &[], &long).await.status, 413);
}

#[tokio::test]
async fn a_guessed_password_is_not_looked_at_after_ten_wrong_ones() {
    let server = server(Wish::default()).await;
    let wrong = r#"{"user":"alice","password":"guess"}"#;
    let guesses = (0..10).map(|_| server.ask("POST", "/session", &[], wrong));
    for response in futures_util::future::join_all(guesses).await {
        assert_eq!(response.status, 401);
    }
    let right = server.ask("POST", "/session", &[], r#"{"user":"alice","password":"pencil"}"#).await;
    assert_eq!((right.status, right.json()["code"].as_str()), (429, Some("too-many-attempts")));
}

#[tokio::test]
async fn a_strangers_page_cannot_sign_in_nor_become_a_guest_by_rebinding_its_name() {
    let server = server(Wish::default()).await;
    let stranger = server.ask("POST", "/session", &[("Origin", "https://evil.example")], "{}").await;
    assert_eq!((stranger.status, stranger.json()["code"].as_str()), (403, Some("forbidden-origin")));
    let rebound = [("Host", "evil.example:8080"), ("Origin", "http://evil.example:8080")];
    assert_eq!(server.ask("POST", "/session", &rebound, "{}").await.status, 403);
    assert_eq!(server.ask("POST", "/session", &[("Host", "evil.example")], "{}").await.status, 403);
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_sign_in_and_load_the_module() {
    let server = server(Wish::default()).await;
    let origin = ("Origin", "https://app.example.org");
    let preflight = server.ask("OPTIONS", "/session", &[origin], "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example.org"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type"));
    let signed_in = server.ask("POST", "/session", &[origin], "{}").await;
    assert_eq!(signed_in.status, 200);
    assert_eq!(signed_in.header("access-control-allow-origin"), Some("https://app.example.org"));
    let module = server.ask("GET", "/patchcord.js", &[origin], "").await;
    assert_eq!(module.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(
        server.ask("GET", "/phone.js", &[], "").await.header("cross-origin-resource-policy"),
        Some("same-origin")
    );
    let stranger = server.ask("OPTIONS", "/session", &[("Origin", "https://evil.example")], "").await;
    assert_eq!((stranger.status, stranger.header("access-control-allow-origin")), (403, None));
}
