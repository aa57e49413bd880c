//! Sign-in on the connection itself: by page, by device, remembered, and over.

use std::net::IpAddr;

use super::fixture::Answer;
use super::*;
use crate::domain::identity::{Flow, Means};
use crate::identity::pending::{DeviceError, For, PATIENCE, PageError, PageSignIn, Typed};

const BROWSER: [u8; 4] = [203, 0, 113, 7];

fn about(key: &PrivateKey) -> For {
    For { key: key.public_key().clone(), source: source(), client: "SSH-2.0-Test".into() }
}

impl House {
    fn here(&self, key: &PrivateKey) -> Exchange {
        let token = self.token(self.claims(key));
        Exchange { proof: Proof::OnConnection, flow: Some(Flow::Local), ..self.exchange(key, &token) }
    }

    fn wait(&self, key: &PrivateKey) -> (PageSignIn, String) {
        let page = self.identities.wait_for_page(&self.identities.offers()[0], about(key)).unwrap();
        let id = page.link().strip_prefix("https://bastion.example.com/sign-in/").unwrap().to_owned();
        (page, id)
    }

    /// The person signs in at the issuer; state and cookie as their browser has them.
    async fn leave(&self, key: &PrivateKey, id: &str, browser: IpAddr) -> (String, String) {
        let departure = self.identities.page_leaves(id, browser).await.unwrap();
        let asked = |name: &str| departure.to.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(asked("redirect_uri"), "https://bastion.example.com/sign-in/return");
        let mut claims = self.claims(key);
        claims.insert("nonce".into(), asked("nonce").into());
        claims.insert("sub".into(), "alice".into());
        self.server.set("/token", Answer::Json(json!({"id_token": self.token(claims)})));
        (asked("state"), departure.cookie.to_string())
    }

    async fn digits(&self, key: &PrivateKey, id: &str, browser: IpAddr) -> String {
        let (state, cookie) = self.leave(key, id, browser).await;
        let arrival = self.identities.page_returns(&state, &cookie, "code", browser).await.unwrap();
        arrival.digits.to_string()
    }
}

#[tokio::test]
async fn a_key_proved_at_a_sign_in_stands_for_its_person_until_the_sign_in_ends() {
    let house = House::new("generic").await;
    let (key, other) = (key(), key());
    let caller = house.identities.sign_in_here(&house.here(&key)).await.unwrap();
    assert_eq!(house.kinds().await, ["authn.oidc success", "key.remembered success"]);
    assert_eq!((caller.certificate.means, caller.sign_in.flow), (Means::SignIn, Flow::Local));
    house.identities.still_good(&caller).await.unwrap();
    let known = house.identities.remembered(key.public_key(), source()).unwrap();
    assert_eq!((known.identity, known.certificate.means), (caller.identity.clone(), Means::RememberedKey));
    assert_eq!(house.identities.remembered(other.public_key(), source()), Err(Refusal::UnknownKey));
    assert_eq!(house.identities.remembered_keys(&caller).len(), 1);
    // From the registers, and from the log alone.
    for registers in [house.memory.registers(), Memory::new().registers()] {
        let again = house.restarted(registers).await.unwrap();
        assert_eq!(again.remembered(key.public_key(), source()).unwrap().identity, caller.identity);
    }
    house.clock.advance(Duration::from_secs(8 * 3600));
    assert_eq!(house.identities.remembered(key.public_key(), source()), Err(Refusal::UnknownKey));
    assert!(house.identities.still_good(&caller).await.is_err());
}

#[tokio::test]
async fn a_certificate_with_the_serial_of_a_remembered_key_is_refused() {
    let house = House::new("generic").await;
    let issued = house.login(&key()).await;
    let key = key();
    let caller = house.identities.sign_in_here(&house.here(&key)).await.unwrap();
    assert_eq!(caller.certificate.serial, issued.serial + 1, "one sequence");
    let draft =
        certificate::user(&caller.identity, &caller.sign_in, key.public_key(), 2, NOW, Duration::from_secs(600));
    let forged = house.identities.signer().sign_user(draft).unwrap();
    assert_eq!(house.identities.admit(&forged, source()).await, Err(Refusal::Mismatch));
}

#[tokio::test]
async fn revocation_reaches_remembered_keys() {
    let house = House::new("generic").await;
    let (one, two) = (key(), key());
    let caller = house.identities.sign_in_here(&house.here(&one)).await.unwrap();
    let what = Revocation::Serial(caller.certificate.serial);
    house.identities.revoke(what, Text::new("lost"), None).await.unwrap();
    assert_eq!(house.identities.remembered(one.public_key(), source()), Err(Refusal::UnknownKey));
    assert!(house.identities.still_good(&caller).await.is_err());
    house.identities.until_revoked(&caller).await;

    house.clock.advance(Duration::from_secs(1));
    let caller = house.identities.sign_in_here(&house.here(&two)).await.unwrap();
    let who = Revocation::Identity { issuer: house.settings.url.clone(), subject: "alice".into() };
    house.identities.revoke(who, Text::new("left"), None).await.unwrap();
    assert!(house.identities.remembered(two.public_key(), source()).is_err());
    house.identities.until_revoked(&caller).await;
    house.clock.advance(Duration::from_secs(1));
    match house.identities.sign_in_here(&house.here(&key())).await {
        Err(LoginError::Refused { reason, .. }) => assert_eq!(reason, Reason::IdentityRevoked),
        other => panic!("{other:?}"),
    }
    let again = house.restarted(house.memory.registers()).await.unwrap();
    assert!(again.remembered(one.public_key(), source()).is_err());
    assert!(again.remembered(two.public_key(), source()).is_err());
}

#[tokio::test]
async fn a_token_is_used_once_here_too() {
    let house = House::new("generic").await;
    let key = key();
    let exchange = house.here(&key);
    house.identities.sign_in_here(&exchange).await.unwrap();
    match house.identities.sign_in_here(&exchange).await {
        Err(LoginError::Refused { reason, .. }) => assert_eq!(reason, Reason::Replayed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn digits_from_the_page_let_the_connection_in_once() {
    let house = House::new("generic").await;
    let key = key();
    let (mut page, id) = house.wait(&key);
    let facts = house.identities.page_facts(&id).unwrap();
    assert_eq!((facts.source, facts.client.as_str()), (source().ip(), "SSH-2.0-Test"));
    assert_eq!(facts.fingerprint, fingerprint(key.public_key()));
    assert!(matches!(page.typed("").await, Typed::NotYet));
    assert_eq!(house.server.asked(), 0, "no issuer is asked before the person moves");
    let digits = house.digits(&key, &id, BROWSER.into()).await;
    let spaced = format!(" {} {}", &digits[..3], &digits[3..]);
    let Typed::In(caller) = page.typed(&spaced).await else { panic!("not in") };
    assert_eq!((caller.identity.name.as_str(), caller.sign_in.flow), ("alice@example.com", Flow::Local));
    assert!(house.identities.page_facts(&id).is_none());
    assert!(matches!(page.typed(&digits).await, Typed::Over));
    assert!(matches!(house.identities.page_leaves(&id, BROWSER.into()).await, Err(PageError::Gone)));
}

#[tokio::test]
async fn a_browser_elsewhere_makes_the_sign_in_remote() {
    let house = House::new("generic").await;
    let key = key();
    let (mut page, id) = house.wait(&key);
    let digits = house.digits(&key, &id, [198, 51, 100, 9].into()).await;
    let Typed::In(caller) = page.typed(&digits).await else { panic!("not in") };
    assert_eq!(caller.sign_in.flow, Flow::Remote);
}

#[tokio::test]
async fn digits_are_for_the_browser_that_left() {
    let house = House::new("generic").await;
    let key = key();
    let (_page, id) = house.wait(&key);
    let (state, cookie) = house.leave(&key, &id, BROWSER.into()).await;
    for (state, cookie) in [(state.as_str(), "other"), ("other", cookie.as_str()), ("", "")] {
        let returned = house.identities.page_returns(state, cookie, "code", BROWSER.into()).await;
        assert!(matches!(returned, Err(PageError::Gone)));
    }
    house.identities.page_returns(&state, &cookie, "code", BROWSER.into()).await.unwrap();
    // A code comes once, and whoever has digits on the page leaves no more.
    let returned = house.identities.page_returns(&state, &cookie, "code", BROWSER.into()).await;
    assert!(matches!(returned, Err(PageError::Gone)));
    assert!(matches!(house.identities.page_leaves(&id, BROWSER.into()).await, Err(PageError::Done)));
}

#[tokio::test]
async fn three_wrong_answers_end_it_and_so_do_five_minutes() {
    let house = House::new("generic").await;
    let key = key();
    let (mut page, id) = house.wait(&key);
    let digits = house.digits(&key, &id, BROWSER.into()).await;
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert!(matches!(page.typed(wrong).await, Typed::Wrong(2)));
    assert!(matches!(page.typed(wrong).await, Typed::Wrong(1)));
    assert!(matches!(page.typed(wrong).await, Typed::Over));
    assert!(matches!(page.typed(&digits).await, Typed::Over));
    assert!(house.kinds().await.is_empty(), "no token was used");

    let (mut page, id) = house.wait(&key);
    let digits = house.digits(&key, &id, BROWSER.into()).await;
    house.clock.advance(PATIENCE);
    assert!(house.identities.page_facts(&id).is_none());
    assert!(matches!(page.typed(&digits).await, Typed::Over));
}

#[tokio::test]
async fn four_may_wait_from_one_address() {
    let house = House::new("generic").await;
    let key = key();
    let mut waiting: Vec<_> = (0..4).map(|_| house.wait(&key)).collect();
    let offer = &house.identities.offers()[0];
    assert!(house.identities.wait_for_page(offer, about(&key)).is_none());
    waiting.pop();
    assert!(house.identities.wait_for_page(offer, about(&key)).is_some());
}

#[tokio::test]
async fn a_token_for_another_key_is_refused_at_the_prompt() {
    let house = House::new("generic").await;
    let key = key();
    let (mut page, id) = house.wait(&key);
    let (state, cookie) = house.leave(&key, &id, BROWSER.into()).await;
    let claims = house.claims(&key);
    house.server.set("/token", Answer::Json(json!({"id_token": house.token(claims)})));
    let arrival = house.identities.page_returns(&state, &cookie, "code", BROWSER.into()).await.unwrap();
    match page.typed(&arrival.digits).await {
        Typed::Refused(LoginError::Refused { reason, .. }) => assert_eq!(reason, Reason::Nonce),
        _ => panic!("not refused"),
    }
}

#[tokio::test]
async fn the_device_flow_is_only_where_the_config_says_so_and_marked() {
    let house = House::with("generic", |settings| settings.device = true).await;
    let key = key();
    let offer = &house.identities.offers()[0];
    let begun = json!({
        "device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://issuer.example/device",
        "expires_in": 60, "interval": 0,
    });
    house.server.set("/device", Answer::Json(begun));
    let mut claims = house.claims(&key);
    claims.remove("nonce");
    house.server.set("/token", Answer::Json(json!({"id_token": house.token(claims.clone())})));
    let device = house.identities.wait_for_device(offer, about(&key)).await.unwrap();
    assert_eq!(device.told(), ("https://issuer.example/device", "ABCD-EFGH"));
    let caller = device.finish(std::future::pending()).await.unwrap();
    assert_eq!(caller.sign_in.flow, Flow::Device);

    // A bastion that stops waits for nobody.
    let again = house.identities.wait_for_device(offer, about(&key)).await.unwrap();
    house.server.set("/token", Answer::Json(json!({"error": "authorization_pending"})));
    assert!(matches!(again.finish(std::future::ready(())).await, Err(DeviceError::Over)));

    // An issuer that does not say `device` takes no token without a nonce.
    let strict = House::new("generic").await;
    strict.server.set(
        "/device",
        Answer::Json(json!({
            "device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://issuer.example/device",
        })),
    );
    let mut claims = strict.claims(&key);
    claims.remove("nonce");
    strict.server.set("/token", Answer::Json(json!({"id_token": strict.token(claims)})));
    let device = strict.identities.wait_for_device(&strict.identities.offers()[0], about(&key)).await.unwrap();
    assert!(matches!(device.finish(std::future::pending()).await, Err(DeviceError::Login(_))));
}
