//! Bad tokens, each with its own reason.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::HashAlg;
use serde_json::{Map, Value, json};

use super::super::profile::{Algorithm, IssuerSettings};
use super::*;
use crate::identity::tests::fixture::{BASTION, CLIENT, NOW, Pair, RANDOM, claims, issuer, proof};
use crate::signer::new_key;

const URL: &str = "https://issuer.example";

/// One try: an issuer, its published keys, a token, and what it is shown for.
struct Try {
    settings: IssuerSettings,
    keys: Value,
    header: Value,
    claims: Map<String, Value>,
    showing_key: PrivateKey,
    random: Option<[u8; 32]>,
    flow: Option<Flow>,
    now: Timestamp,
    mangle: fn(String) -> String,
}

fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(Pair::rs256)
}

fn attempt(profile: &str, change: impl FnOnce(&mut Try)) -> Result<Checked, Refused> {
    let settings = issuer(profile, URL);
    let key = new_key("").unwrap();
    let mut attempt = Try {
        claims: claims(&settings, &key, NOW),
        settings,
        keys: json!({"keys": [pair().jwk("k1")]}),
        header: json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}),
        showing_key: key,
        random: Some(RANDOM),
        flow: None,
        now: NOW,
        mangle: |token| token,
    };
    change(&mut attempt);
    let token = (attempt.mangle)(pair().token(&attempt.header, &Value::Object(attempt.claims)));
    let proof = proof(&attempt.showing_key, &token, attempt.now);
    let showing = Showing {
        bastion: BASTION,
        key: attempt.showing_key.public_key(),
        fingerprint: &attempt.showing_key.fingerprint(HashAlg::Sha256).to_string(),
        proof: &proof,
        nonce_random: attempt.random,
        flow: attempt.flow,
        now: attempt.now,
    };
    let raw = raw_checks(token.as_bytes())?;
    let keys = KeySet::parse(attempt.keys.to_string().as_bytes()).unwrap();
    check(&raw, &attempt.settings, &keys, &showing)
}

#[track_caller]
fn refused(profile: &str, reason: Reason, change: impl FnOnce(&mut Try)) -> Refused {
    let refused = attempt(profile, change).expect_err("refused");
    assert_eq!(refused.reason, reason);
    refused
}

#[track_caller]
fn passes(profile: &str, change: impl FnOnce(&mut Try)) -> Checked {
    attempt(profile, change).unwrap_or_else(|refused| panic!("{}", refused.reason))
}

fn set(name: &'static str, value: Value) -> impl FnOnce(&mut Try) {
    move |attempt| drop(attempt.claims.insert(name.into(), value))
}

fn unset(name: &'static str) -> impl FnOnce(&mut Try) {
    move |attempt| drop(attempt.claims.remove(name))
}

#[test]
fn a_good_token_says_who_it_is() {
    let alice = passes("generic", |_| ());
    assert_eq!(
        (alice.seen.subject.as_str(), alice.name.as_str(), alice.flow),
        ("alice", "alice@example.com", Flow::Local)
    );
    assert_eq!(alice.groups, ["dev", "sre"]);
    let job = passes("github", |_| ());
    assert_eq!((job.seen.subject.as_str(), job.name.as_str(), job.flow), ("99", "octo/app@refs/heads/main", Flow::Ci));
    assert_eq!(job.about.get("event_name").map(String::as_str), Some("push"));
    assert_eq!(passes("gitlab", |_| ()).job.as_deref(), Some("1001"));
}

#[test]
fn every_algorithm_of_the_list_verifies() {
    for other in [Pair::ed_dsa(), Pair::es256()] {
        let settings = issuer("generic", URL);
        let key = new_key("").unwrap();
        let token = other.token(&json!({"alg": other.alg(), "kid": "e"}), &claims(&settings, &key, NOW).into());
        let keys = KeySet::parse(json!({"keys": [other.jwk("e")]}).to_string().as_bytes()).unwrap();
        let proof = proof(&key, &token, NOW);
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let showing = Showing {
            bastion: BASTION,
            key: key.public_key(),
            fingerprint: &fingerprint,
            proof: &proof,
            nonce_random: Some(RANDOM),
            flow: None,
            now: NOW,
        };
        check(&raw_checks(token.as_bytes()).unwrap(), &settings, &keys, &showing).unwrap();
    }
}

#[test]
fn a_token_that_its_issuer_did_not_sign_is_refused() {
    let forged = |token: String| {
        let (head, _) = token.rsplit_once('.').unwrap();
        format!("{head}.{}", B64.encode([1; 256]))
    };
    let refusal = refused("generic", Reason::Signature, |t| t.mangle = forged);
    assert_eq!(refusal.seen, None, "nobody vouches for what it says");
    let swapped = |token: String| {
        let parts: Vec<_> = token.split('.').collect();
        let claims = String::from_utf8(B64.decode(parts[1]).unwrap()).unwrap().replace("alice", "admin");
        format!("{}.{}.{}", parts[0], B64.encode(claims), parts[2])
    };
    refused("generic", Reason::Signature, |t| t.mangle = swapped);
    refused("generic", Reason::Algorithm, |t| t.header = json!({"alg": "none"}));
    // The public key as an HMAC secret.
    refused("generic", Reason::Algorithm, |t| t.header = json!({"alg": "HS256", "kid": "k1"}));
    refused("generic", Reason::Algorithm, |t| t.settings.algorithms = vec![Algorithm::Es256]);
    refused("generic", Reason::UnknownKey, |t| t.header = json!({"alg": "ES256", "kid": "k1"}));
    refused("generic", Reason::UnknownKey, |t| t.header = json!({"alg": "RS256", "kid": "../../k1"}));
    refused("generic", Reason::AmbiguousKey, |t| {
        t.keys = json!({"keys": [pair().jwk("k1"), Pair::ed_dsa().jwk("k1")]});
    });
    refused("generic", Reason::Signature, |t| t.keys = json!({"keys": [Pair::rs256().jwk("k1")]}));
    // Wrong audience and wrong signature: nobody vouches for the audience either.
    let refusal = refused("generic", Reason::Signature, |t| {
        t.claims.insert("aud".into(), "other".into());
        t.mangle = forged;
    });
    assert_eq!(refusal.seen, None);
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let refusal = refused("generic", Reason::Audience, set("aud", json!("other")));
    assert_eq!(refusal.seen.unwrap().audience, ["other"], "signed, so it may be said");
    refused("generic", Reason::Audience, set("aud", json!([])));
    refused("generic", Reason::Audience, unset("aud"));
    refused("generic", Reason::ClaimForm, set("aud", json!(7)));
    passes("generic", set("aud", json!([CLIENT])));
    refused("generic", Reason::ForeignAudience, set("aud", json!([CLIENT, "other"])));
    refused("generic", Reason::AuthorizedParty, |t| {
        t.settings.other_audiences = vec!["other".into()];
        t.claims.insert("aud".into(), json!([CLIENT, "other"]));
    });
    passes("generic", |t| {
        t.settings.other_audiences = vec!["other".into()];
        t.claims.insert("aud".into(), json!([CLIENT, "other"]));
        t.claims.insert("azp".into(), CLIENT.into());
    });
    refused("generic", Reason::AuthorizedParty, set("azp", json!("other")));
    refused("generic", Reason::UnknownIssuer, set("iss", json!("https://issuer.example/")));
    refused("generic", Reason::NotAnIdToken, set("typ", json!("Bearer")));
    refused("generic", Reason::TokenType, |t| t.header = json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}));
}

#[test]
fn a_token_of_another_time_is_refused() {
    let at = |seconds: i64| json!(NOW.secs() + seconds);
    passes("generic", set("exp", at(-59)));
    refused("generic", Reason::Expired, set("exp", at(-60)));
    refused("generic", Reason::Expired, set("exp", at(-61)));
    refused("generic", Reason::ClaimForm, unset("exp"));
    refused("generic", Reason::ClaimForm, unset("iat"));
    refused("generic", Reason::ClaimForm, set("exp", json!("tomorrow")));
    passes("generic", set("iat", at(60)));
    refused("generic", Reason::FromTheFuture, set("iat", at(61)));
    refused("generic", Reason::FromTheFuture, set("auth_time", at(61)));
    passes("generic", set("nbf", at(60)));
    refused("generic", Reason::NotYet, set("nbf", at(61)));
    passes("generic", set("iat", at(-660)));
    refused("generic", Reason::TooOld, set("iat", at(-661)));
}

#[test]
fn a_token_bound_to_another_key_is_refused() {
    refused("generic", Reason::Nonce, |t| t.showing_key = new_key("").unwrap());
    refused("generic", Reason::Nonce, |t| t.random = Some([8; 32]));
    refused("generic", Reason::Nonce, |t| t.random = None);
    refused("generic", Reason::ClaimForm, set("nonce", json!(["a"])));
    refused("generic", Reason::NonceMissing, unset("nonce"));
    refused("github", Reason::BoundToAnotherKey, |t| t.showing_key = new_key("").unwrap());
    refused("github", Reason::Audience, set("aud", json!("https://bastion.example.com/ssh")));
    refused("github", Reason::Audience, set("aud", json!("https://other.example.com/ssh#sha256:abc")));
}

#[test]
fn a_device_token_counts_for_less_and_only_where_it_is_allowed() {
    let device = passes("generic", |t| {
        t.settings.device = true;
        t.claims.remove("nonce");
        t.flow = Some(Flow::Local);
    });
    assert_eq!(device.flow, Flow::Device, "the client cannot say otherwise");
    refused("generic", Reason::Nonce, |t| {
        t.settings.device = true;
        t.showing_key = new_key("").unwrap();
    });
}

#[test]
fn another_tenant_is_refused() {
    refused("github", Reason::Tenant, set("repository_owner_id", json!("8")));
    refused("github", Reason::Tenant, unset("repository_owner_id"));
    refused("github", Reason::Tenant, set("repository_owner_id", json!(["7"])));
    // The organisation's name was given up and taken by somebody else: its id is another.
    refused("github", Reason::Tenant, |t| {
        t.claims.insert("repository_owner".into(), json!("octo"));
        t.claims.insert("repository_owner_id".into(), json!("1234"));
    });
    let renamed = passes("github", set("repository", json!("octo/renamed")));
    assert_eq!(renamed.seen.subject, passes("github", |_| ()).seen.subject);
    passes("gitlab", set("namespace_id", json!(7)));
    refused("generic", Reason::Tenant, |t| t.settings.single_tenant = false);
}

#[test]
fn required_claims_are_required_as_text() {
    refused("github", Reason::ClaimMissing, unset("event_name"));
    let require = |value: &str| {
        let value = value.to_owned();
        move |t: &mut Try| drop(t.settings.require.insert("ref_protected".into(), vec![value]))
    };
    refused("gitlab", Reason::ClaimValue, require("true"));
    passes("gitlab", require("false"));
    refused("gitlab", Reason::ClaimMissing, |t| {
        t.settings.require.insert("environment".into(), vec!["production".into()]);
    });
    passes("gitlab", |t| {
        require("true")(t);
        t.claims.insert("ref_protected".into(), json!(true));
    });
    refused("generic", Reason::Subject, |t| {
        t.claims.insert("sub".into(), json!("x".repeat(256)));
    });
    refused("github", Reason::ClaimForm, |t| {
        t.claims.insert("ref".into(), json!("x".repeat(1025)));
    });
}

#[test]
fn groups_are_strings_within_bounds_or_the_sign_in_is_refused() {
    assert_eq!(passes("generic", unset("groups")).groups, [""; 0]);
    assert_eq!(passes("generic", set("groups", json!([]))).groups, [""; 0]);
    refused("generic", Reason::GroupsForm, set("groups", json!("admins")));
    refused("generic", Reason::GroupsForm, set("groups", json!(["a", 7])));
    refused("generic", Reason::GroupsForm, set("groups", json!(["a\nb"])));
    refused("generic", Reason::GroupsTooMany, set("groups", json!((0..201).collect::<Vec<_>>())));
    refused("generic", Reason::GroupsTooMany, set("groups", json!(["x".repeat(129)])));
    refused("generic", Reason::GroupsOverage, |t| {
        t.claims.remove("groups");
        t.claims.insert("_claim_names".into(), json!({"groups": "src1"}));
    });
}

#[test]
fn a_name_is_for_show_and_shows_what_it_is() {
    assert_eq!(passes("generic", set("email_verified", json!(false))).name, "alice");
    assert_eq!(passes("generic", set("email_verified", json!("true"))).name, "alice@example.com");
    let evil = passes("generic", set("email", json!("\u{202e}moc\u{1b}[31m@alice\n")));
    assert_eq!(evil.name, "moc[31m@alice");
    // A look-alike is another subject and so another identity, whatever is shown.
    let other = passes("generic", |t| {
        t.claims.insert("sub".into(), json!("mallory"));
        t.claims.insert("email".into(), json!("аlice@example.com"));
    });
    assert_ne!(other.seen.subject, "alice");
}
