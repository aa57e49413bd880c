//! Jump mode: the stock `ssh -J`, and clients that would like to be somebody else inside the jump.

use std::sync::Arc;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::PrivateKeyWithHashAlg;
use sallyport::demo::issuer::Person;
use sallyport::domain::Digest;
use sallyport::domain::event::Outcome;

use crate::support::stock::finish;
use crate::support::{World, shown};

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_jumps_and_its_session_is_recorded_like_any_other() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = finish(bob.jump(&world, &[], "deploy@web1", &["echo out; echo err >&2; cat; exit 7"]), b"in\n").await;
    assert_eq!(shown(&output), (Some(7), "out\nin\n".into(), "err\n".into()));
    let replay = world.replay().await;
    assert_eq!((replay.out(), replay.err.as_slice()), ("out\nin\n".into(), b"err\n".as_slice()));
    assert_eq!(world.ended(1).await[0].target, "web1");
    let left = world.stop().await;
    let start = left.log.of("session.start")[0].body();
    let (inner, outer) = (start.text("connection").unwrap(), start.text("outer").unwrap());
    assert!(inner.len() == 16 && outer.len() == 16 && inner != outer);
    assert!(start.text("originator").is_some_and(|from| from.contains(':')));
    let methods: Vec<_> = left.log.of("authn.ssh").iter().map(|entry| entry.body().text("method")).collect();
    assert_eq!(methods, [Some("certificate"), Some("certificate")], "the outer connection, and the inner one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_the_target_and_a_second_jump_shows_the_same_certificate() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    for name in ["deploy@web1.internal", "deploy@web1"] {
        let output = finish(bob.jump(&world, &[], name, &["echo $USER"]), b"").await;
        assert_eq!(shown(&output), (Some(0), "deploy\n".into(), String::new()), "{name}");
    }
    assert!(world.ended(2).await.iter().all(|one| one.target == "web1" && one.login == "deploy"));
    let left = world.stop().await;
    let hosts = left.log.of("cert.issued").iter().filter(|one| one.body().text("authority") == Some("host")).count();
    assert_eq!(hosts, 2, "the bastion's own, and one for both jumps");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_judges_what_is_done_through_a_jump() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    for name in ["deploy@db1", "mallory@web1", "deploy+db1@web1"] {
        let target = name.rsplit_once('@').unwrap().1;
        let output = finish(bob.jump(&world, &[], name, &["true"]), b"").await;
        let line = format!("sallyport: no target '{target}' for you\n");
        assert_eq!(shown(&output), (Some(126), String::new(), line), "{name}");
    }
    assert!(world.db.attempts().is_empty() && world.web.attempts().is_empty());
    let left = world.stop().await;
    let denied = left.log.of("authz.decision").iter().filter(|one| one.outcome() == Outcome::Deny).count();
    assert_eq!((denied, left.log.of("session.start").len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exactly_a_target_is_refused_by_name_and_never_dialled() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let address = world.web_wire.address();
    let (own, by_address) = (format!("127.0.0.1:{}", bob.port), address.to_string());
    let places = ["db2:22", "web1:23", "WEB1:22", "web1.:22", "web1.internal.:22", "127.0.0.1:22", &own, &by_address];
    for place in places {
        let output = bob.with("console", &["-W", place], &[]).await;
        let (code, out, err) = shown(&output);
        assert_eq!((code, out.as_str()), (Some(255), ""), "{place}");
        let name = place.strip_suffix(":22").unwrap_or(place);
        assert!(err.contains(&format!("sallyport: no target '{name}' for you")), "{place}: {err}");
    }
    assert_eq!((world.web_wire.dialled(), world.db_wire.dialled()), (0, 0));
    let left = world.stop().await;
    // The first one let bob have his certificate.
    let decided = left.log.of("authz.decision").into_iter().skip(1);
    let denied: Vec<_> = decided.map(|one| (one.outcome(), one.body().text("action"))).collect();
    assert_eq!(denied, vec![(Outcome::Deny, Some("jump")); places.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_to_a_target_already_jumps_no_further() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let outer = bob.bare("console").await;
    let mut inner = outer.jump("web1").await;
    assert!(inner.signs_in(&bob).await);
    assert!(inner.0.channel_open_direct_tcpip("db1", 22, "127.0.0.1", 1).await.is_err());
    assert_eq!(inner.run("exit 3").await.status, Some(3), "the connection goes on");
    let by_name = bob.bare("deploy+web1").await;
    assert!(by_name.0.channel_open_direct_tcpip("web1", 22, "127.0.0.1", 1).await.is_err());
    drop((inner, outer, by_name));
    let left = world.stop().await;
    let start = left.log.of("session.start")[0].body();
    assert_eq!(start.text("originator"), Some("10.9.8.7:4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_jump_only_the_same_person_signs_in_and_nobody_without_a_proof() {
    let world = World::start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let outer = bob.bare("console").await;

    let mut inner = outer.jump("web1").await;
    assert!(!matches!(inner.0.authenticate_none("deploy").await, Ok(AuthResult::Success)));
    let asked = inner.0.authenticate_keyboard_interactive_start("deploy", None).await;
    assert!(matches!(asked, Ok(KeyboardInteractiveAuthResponse::Failure { .. })), "{asked:?}");
    assert!(!inner.signs_in(&alice).await, "somebody else's certificate");
    let plain = |key: &Arc<russh::keys::PrivateKey>| PrivateKeyWithHashAlg::new(key.clone(), None);
    let answer = inner.0.authenticate_publickey("deploy", plain(&alice.key)).await;
    assert!(!matches!(answer, Ok(AuthResult::Success)), "somebody else's key");
    let answer = inner.0.authenticate_publickey("deploy", plain(&bob.key)).await;
    assert!(matches!(answer, Ok(AuthResult::Success)), "the key that was proved outside: {answer:?}");
    assert_eq!(inner.run("exit 4").await.status, Some(4));
    drop((inner, outer));

    // Outside of a jump the bare key of a certificate is nobody.
    let mut direct = bob.stranger().await;
    let answer = direct.0.authenticate_publickey("deploy+web1", plain(&bob.key)).await;
    assert!(!matches!(answer, Ok(AuthResult::Success)));
    drop(direct);
    let left = world.stop().await;
    assert_eq!(left.log.failures().get("another-identity"), Some(&1));
    let methods: Vec<_> = left.log.of("authn.ssh").iter().filter_map(|one| one.body().text("method")).collect();
    assert_eq!(methods, ["certificate", "key of the outer connection"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_pass_both_ways_through_a_jump_and_are_recorded() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut noise = vec![0; 10 << 20];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let output = finish(bob.jump(&world, &["-oRekeyLimit=1M"], "deploy@web1", &["cat"]), &noise).await;
    assert_eq!(output.status.code(), Some(0), "{:?}", String::from_utf8_lossy(&output.stderr));
    let replay = world.replay().await;
    let digest = Digest::of(&noise);
    assert_eq!(output.stdout.len(), noise.len());
    assert_eq!(
        (Digest::of(&output.stdout), Digest::of(&replay.input), Digest::of(&replay.out)),
        (digest, digest, digest)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_ends_with_the_connection_it_came_through() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let outer = bob.bare("console").await;
    let mut inner = outer.jump("web1").await;
    assert!(inner.signs_in(&bob).await);
    let mut talk = inner.exec("echo ready; cat").await;
    talk.until(|got| got.out == "ready\n").await;
    outer.0.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    drop(outer);
    let ended = world.ended(1).await;
    assert_eq!(ended[0].target, "web1");
    drop((talk, inner));
    world.stop().await;
}
