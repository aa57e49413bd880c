//! Issuers that are down, slow, rotating, redirecting or lying.

use serde_json::json;

use super::*;
use crate::drain::Drain;
use crate::identity::tests::fixture::{Answer, Issuer, NOW, issuer};

fn provider(url: &str, change: impl FnOnce(&mut IssuerSettings)) -> (Provider, Clock) {
    let mut settings = issuer("generic", url);
    settings.internal = true;
    change(&mut settings);
    let clock = Clock::manual(NOW);
    (Provider::new(settings, Duration::from_secs(4 * 3600), clock.clone()).unwrap(), clock)
}

async fn find(provider: &Provider, kid: &str) -> Result<bool, FetchError> {
    let keys = provider.keys(Some(kid), Algorithm::EdDsa).await?;
    Ok(keys.find(Some(kid), Algorithm::EdDsa).is_ok())
}

#[tokio::test]
async fn an_unknown_key_costs_one_fetch_in_30_seconds() {
    let drain = Drain::new();
    let (issuer, url) = Issuer::start(&drain).await;
    issuer.keys(&["a"]);
    let (provider, clock) = provider(&url, |_| ());
    assert!(find(&provider, "a").await.unwrap());
    assert_eq!(issuer.asked(), 2, "discovery and keys");
    for kid in ["b", "../../etc/passwd", "c"] {
        assert!(!find(&provider, kid).await.unwrap());
    }
    assert_eq!(issuer.asked(), 2, "asked a moment ago");
    issuer.keys(&["a", "b"]);
    clock.advance(PAUSE);
    assert!(find(&provider, "b").await.unwrap(), "rotated");
    assert_eq!(issuer.asked(), 4);
    let many = [find(&provider, "x"), find(&provider, "y"), find(&provider, "z")];
    clock.advance(PAUSE);
    for one in many {
        assert!(!one.await.unwrap());
    }
    assert_eq!(issuer.asked(), 6, "one flight for all");
}

#[tokio::test]
async fn cached_keys_outlast_an_outage_for_a_while_and_then_nobody_signs_in() {
    let drain = Drain::new();
    let (issuer, url) = Issuer::start(&drain).await;
    issuer.keys(&["a"]);
    let (provider, clock) = provider(&url, |_| ());
    assert!(find(&provider, "a").await.unwrap());
    issuer.down();
    clock.advance(Duration::from_secs(2 * 3600));
    assert!(find(&provider, "a").await.unwrap(), "stale but usable");
    clock.advance(Duration::from_secs(2 * 3600));
    assert!(matches!(find(&provider, "a").await, Err(FetchError::Status(404))));
    issuer.keys(&["a"]);
    issuer.set(
        "/.well-known/openid-configuration",
        Answer::Json(json!({"issuer": url, "jwks_uri": format!("{url}/jwks")})),
    );
    assert!(matches!(find(&provider, "a").await, Err(FetchError::Paused)));
    clock.advance(PAUSE);
    assert!(find(&provider, "a").await.unwrap());
}

#[tokio::test]
async fn an_issuer_that_lies_redirects_or_floods_is_not_believed() {
    let drain = Drain::new();
    let (issuer, url) = Issuer::start(&drain).await;
    issuer.keys(&["a"]);
    let discovery = "/.well-known/openid-configuration";
    let ask = async || find(&provider(&url, |_| ()).0, "a").await.unwrap_err();
    issuer.set(discovery, Answer::Json(json!({"issuer": format!("{url}/"), "jwks_uri": format!("{url}/jwks")})));
    assert!(matches!(ask().await, FetchError::Issuer { .. }));
    issuer.set(discovery, Answer::Redirect("/elsewhere"));
    assert!(matches!(ask().await, FetchError::Status(307)));
    issuer.set(discovery, Answer::Large);
    assert!(matches!(ask().await, FetchError::TooLong));
    issuer.set(discovery, Answer::Json(json!({"issuer": url, "jwks_uri": "file:///etc/passwd"})));
    assert!(matches!(ask().await, FetchError::Address));
    issuer.set(discovery, Answer::Json(json!({"issuer": url, "jwks_uri": format!("{url}/jwks")})));
    issuer.keys(&[]);
    assert!(matches!(ask().await, FetchError::Document("the key set")));
}

#[tokio::test]
async fn an_inner_address_is_not_reached_unless_the_issuer_is_internal() {
    for url in ["https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1", "https://10.0.0.1", "http://1.1.1.1"] {
        let (provider, _) = provider(url, |settings| settings.internal = false);
        let error = find(&provider, "a").await.unwrap_err();
        let text = format!("{:?}", error);
        assert!(matches!(error, FetchError::Address) || text.contains("Address"), "{url}: {text}");
    }
}

#[test]
fn special_addresses_are_not_public() {
    for ip in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ] {
        assert!(!is_public(ip.parse().unwrap()), "{ip}");
    }
    for ip in ["1.1.1.1", "140.82.112.3", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
        assert!(is_public(ip.parse().unwrap()), "{ip}");
    }
}
