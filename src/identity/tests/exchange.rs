//! Tokens for certificates: once each, recorded, and never forgotten.

use super::*;
use crate::store::{Key, Swap};

#[track_caller]
fn refused(result: Result<Issued, LoginError>, reason: Reason) {
    match result {
        Err(LoginError::Refused { reason: got, .. }) => assert_eq!(got, reason),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("a certificate in place of {reason:?}"),
    }
}

#[tokio::test]
async fn a_token_becomes_a_certificate_that_signs_in() {
    let house = House::new("generic").await;
    let key = key();
    let issued = house.login(&key).await;
    assert_eq!(house.kinds().await, ["authn.oidc success", "authz.decision allow", "cert.issued success"]);
    assert_eq!((issued.serial, issued.certificate.serial()), (1, 1));
    assert_eq!(issued.valid_before, NOW.plus(Duration::from_secs(8 * 3600)));
    assert!(house.identities.knows(&fingerprint(key.public_key())));
    let caller = house.identities.admit(&issued.certificate, source()).await.unwrap();
    assert_eq!(caller.identity, issued.identity);
    assert_eq!(caller.identity.name, "alice@example.com");
    let groups: Vec<_> = caller.identity.groups.iter().map(|group| group.as_str()).collect();
    assert_eq!(groups, ["corp/dev", "corp/sre"]);
    house.identities.still_good(&caller).await.unwrap();
}

#[tokio::test]
async fn a_replayed_token_is_refused_in_every_spelling_and_after_a_restart() {
    let house = House::new("generic").await;
    let key = key();
    let claims = house.claims(&key);
    let (one, two) = (house.token(claims.clone()), house.token(claims));
    assert_ne!(one, two, "two signatures over one text");
    house.identities.login(&house.exchange(&key, &one)).await.unwrap();
    refused(house.identities.login(&house.exchange(&key, &one)).await, Reason::Replayed);
    refused(house.identities.login(&house.exchange(&key, &two)).await, Reason::Replayed);
    let again = house.restarted(house.memory.registers()).await.unwrap();
    refused(again.login(&house.exchange(&key, &one)).await, Reason::Replayed);
    // The store is gone or was restored from before: the log knows.
    let bare = house.restarted(Memory::new().registers()).await.unwrap();
    refused(bare.login(&house.exchange(&key, &one)).await, Reason::Replayed);
}

#[tokio::test]
async fn of_two_at_once_one_gets_a_certificate() {
    let house = House::new("generic").await;
    let key = key();
    let token = house.token(house.claims(&key));
    let exchange = house.exchange(&key, &token);
    let (one, two) = tokio::join!(house.identities.login(&exchange), house.identities.login(&exchange));
    assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
    refused(if one.is_ok() { two } else { one }, Reason::Replayed);
}

#[tokio::test]
async fn serials_stand_in_the_log_in_order() {
    let house = House::new("generic").await;
    let keys: Vec<_> = (0..8).map(|_| key()).collect();
    let tokens: Vec<_> = keys.iter().map(|key| house.token(house.claims(key))).collect();
    let exchanges: Vec<_> = keys.iter().zip(&tokens).map(|(key, token)| house.exchange(key, token)).collect();
    let [a, b, c, d, e, f, g, h] = exchanges.as_slice() else { unreachable!() };
    let login = |exchange| house.identities.login(exchange);
    let (a, b, c, d, e, f, g, h) =
        tokio::join!(login(a), login(b), login(c), login(d), login(e), login(f), login(g), login(h));
    for one in [a, b, c, d, e, f, g, h] {
        one.unwrap();
    }
    let entries = house.entries().await;
    let issued = entries.iter().filter(|entry| entry.kind() == "cert.issued");
    let serials: Vec<u64> = issued.filter_map(|entry| entry.body().number("serial")).collect();
    assert_eq!(serials, (1..=8).collect::<Vec<_>>());
    let again = house.restarted(house.memory.registers()).await.unwrap();
    let key = key();
    let token = house.token(house.claims(&key));
    assert_eq!(again.login(&house.exchange(&key, &token)).await.unwrap().serial, 9);
}

#[tokio::test]
async fn nothing_of_a_token_that_nobody_vouched_for_is_recorded() {
    let house = House::new("generic").await;
    let key = key();
    let mut claims = house.claims(&key);
    claims.insert("sub".into(), json!("planted"));
    claims.insert("aud".into(), json!("planted"));
    let token = house.token(claims);
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", B64.encode([1; 64]));
    refused(house.identities.login(&house.exchange(&key, &forged)).await, Reason::Signature);
    let entries = house.entries().await;
    let entry = entries.last().unwrap();
    assert_eq!((entry.kind(), entry.body().text("reason")), ("authn.oidc", Some("signature")));
    assert_eq!((entry.body().text("issuer"), entry.body().text("subject")), (Some("corp"), Some("")));
    assert!(!String::from_utf8_lossy(entry.bytes()).contains("planted"));
    // From an issuer that is none of ours not even that name.
    let mut claims = house.claims(&key);
    claims.insert("iss".into(), json!("https://evil.example"));
    let foreign = house.token(claims);
    refused(house.identities.login(&house.exchange(&key, &foreign)).await, Reason::UnknownIssuer);
    let entries = house.entries().await;
    assert_eq!(entries.last().unwrap().body().text("issuer"), Some(""));
    assert!(!String::from_utf8_lossy(entries.last().unwrap().bytes()).contains("evil"));
}

#[tokio::test]
async fn what_policy_denies_is_recorded_and_the_token_is_used() {
    let house = House::with("generic", |settings| settings.device = true).await;
    let key = key();
    let mut claims = house.claims(&key);
    claims.remove("nonce");
    let token = house.token(claims);
    let error = house.identities.login(&house.exchange(&key, &token)).await.unwrap_err();
    assert!(matches!(&error, LoginError::Denied { rule: Some(rule), .. } if rule == "no-certificate-from-afar"));
    assert_eq!(house.kinds().await, ["authn.oidc success", "authz.decision deny"]);
    refused(house.identities.login(&house.exchange(&key, &token)).await, Reason::Replayed);
}

#[tokio::test]
async fn a_job_signs_in_with_one_key_and_a_second_one_is_refused() {
    let house = House::new("gitlab").await;
    let (first, second) = (key(), key());
    let mut claims = house.claims(&first);
    claims.insert("exp".into(), json!(NOW.secs() + 3600));
    let token = house.token(claims);
    let issued = house.identities.login(&house.exchange(&first, &token)).await.unwrap();
    assert_eq!(issued.valid_before, NOW.plus(Duration::from_secs(600)));
    refused(house.identities.login(&house.exchange(&second, &token)).await, Reason::SecondKeyForJob);
    // Its token is made once a job: the same key may come again while the token lasts.
    house.clock.advance(Duration::from_secs(1800));
    house.identities.login(&house.exchange(&first, &token)).await.unwrap();
    let again = house.restarted(Memory::new().registers()).await.unwrap();
    refused(again.login(&house.exchange(&second, &token)).await, Reason::SecondKeyForJob);
    // Another job's first use comes within ten minutes of its token.
    let mut late = claims_of_job(&house, &second, "1002");
    late.insert("iat".into(), json!(house.clock.now().secs() - 661));
    let late = house.token(late);
    refused(house.identities.login(&house.exchange(&second, &late)).await, Reason::TooOld);
}

fn claims_of_job(house: &House, key: &PrivateKey, job: &str) -> Map<String, Value> {
    let mut claims = house.claims(key);
    claims.insert("job_id".into(), json!(job));
    claims
}

#[tokio::test]
async fn a_revoked_identity_is_out_at_once_and_stays_out() {
    let house = House::new("generic").await;
    let key = key();
    let issued = house.login(&key).await;
    let caller = house.identities.admit(&issued.certificate, source()).await.unwrap();
    let mut told = house.identities.revocations();
    told.mark_unchanged();
    let alice = Revocation::Identity { issuer: house.settings.url.clone(), subject: "alice".into() };
    assert_eq!(house.identities.revoke(alice, Text::new("left"), None).await.unwrap(), [1]);
    assert!(told.has_changed().unwrap());
    assert_eq!(house.identities.still_good(&caller).await, Err(Refusal::Revoked));
    assert_eq!(house.identities.admit(&issued.certificate, source()).await, Err(Refusal::Revoked));
    assert!(!house.identities.knows(&fingerprint(key.public_key())));
    let token = house.token(claims_of_job(&house, &key, "another"));
    refused(house.identities.login(&house.exchange(&key, &token)).await, Reason::IdentityRevoked);

    for registers in [house.memory.registers(), Memory::new().registers()] {
        let again = house.restarted(registers).await.unwrap();
        assert_eq!(again.admit(&issued.certificate, source()).await, Err(Refusal::Revoked));
        refused(again.login(&house.exchange(&key, &token)).await, Reason::IdentityRevoked);
    }
    house.identities.reinstate(&house.settings.url, "alice", Text::new("a mistake"), None).await.unwrap();
    assert_eq!(house.identities.admit(&issued.certificate, source()).await, Err(Refusal::Revoked), "void stays void");
    let token = house.token(claims_of_job(&house, &key, "again"));
    house.identities.login(&house.exchange(&key, &token)).await.unwrap();
    let unknown = house.identities.revoke(Revocation::Serial(77), Text::new("x"), None).await;
    assert!(matches!(unknown, Err(Error::NotLive)));
}

#[tokio::test]
async fn a_live_certificate_outlives_a_restart_and_the_loss_of_the_registers() {
    let house = House::new("github").await;
    let key = key();
    let issued = house.login(&key).await;
    let caller = house.identities.admit(&issued.certificate, source()).await.unwrap();
    for registers in [house.memory.registers(), Memory::new().registers()] {
        let again = house.restarted(registers).await.unwrap();
        let found = again.admit(&issued.certificate, source()).await.unwrap();
        assert_eq!(found.identity, caller.identity);
        assert_eq!(found.sign_in, caller.sign_in);
    }
    house.clock.advance(Duration::from_secs(600));
    let late = house.restarted(house.memory.registers()).await.unwrap();
    assert_eq!(late.live(), 0);
}

#[tokio::test]
async fn a_log_that_is_older_than_its_registers_is_refused() {
    let house = House::new("generic").await;
    let swap = Swap { key: Key::of(&[b"other"]), expected: None, new: Some("1".into()) };
    house.memory.registers().swap(vec![swap], 99).await.unwrap();
    let error = house.restarted(house.memory.registers()).await.unwrap_err();
    assert!(matches!(error, Error::LogRestored { follows: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_may_not_be_certified_is_refused_before_the_token_is_read() {
    let house = House::new("generic").await;
    let key = key();
    let issued = house.login(&key).await;
    let mut exchange = house.exchange(&key, "no token");
    let certificate = russh::keys::ssh_key::public::KeyData::Certificate(Box::new(issued.certificate));
    exchange.public_key = PublicKey::new(certificate, "");
    refused(house.identities.login(&exchange).await, Reason::KeyIsCertificate);
    // RSA 1024.
    let modulus = [&[0x00, 0xc1], vec![0x11; 127].as_slice()].concat();
    let rsa = russh::keys::ssh_key::public::RsaPublicKey::new(
        russh::keys::ssh_key::Mpint::from_bytes(&[1, 0, 1]).unwrap(),
        russh::keys::ssh_key::Mpint::from_bytes(&modulus).unwrap(),
    );
    if let Ok(rsa) = rsa {
        exchange.public_key = PublicKey::new(russh::keys::ssh_key::public::KeyData::Rsa(rsa), "");
        refused(house.identities.login(&exchange).await, Reason::KeyWeak);
    }
}

#[tokio::test]
async fn a_flood_of_refusals_costs_a_bounded_number_of_records() {
    let house = House::new("generic").await;
    let key = key();
    for _ in 0..60 {
        refused(house.identities.login(&house.exchange(&key, "x.y.z")).await, Reason::TokenShape);
    }
    assert_eq!(house.kinds().await.len(), 20);
    house.clock.advance(Duration::from_secs(60));
    refused(house.identities.login(&house.exchange(&key, "x.y.z")).await, Reason::TokenShape);
    assert_eq!(house.kinds().await.len(), 21);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_lets_nobody_in() {
    let house = House::with("generic", |settings| settings.url = "http://127.0.0.1:1".into()).await;
    let key = key();
    let token = house.token(house.claims(&key));
    refused(house.identities.login(&house.exchange(&key, &token)).await, Reason::KeysUnavailable);
}
