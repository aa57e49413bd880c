//! The client's agent and display: whether they go along, and what is recorded of it. How they are used, cases with a real
//! sshd show.

use sallyport::demo::issuer::Person;
use sallyport::domain::event::Outcome;

use super::support::{Setup, World};

const LENT: &str = r#"
@id("all") permit (principal, action in [Sallyport::Action::"exec", Sallyport::Action::"agent", Sallyport::Action::"x11"], resource is Sallyport::Target);
@id("in") permit (principal, action == Sallyport::Action::"certify", resource);
@id("not-there") forbid (principal, action in [Sallyport::Action::"agent", Sallyport::Action::"x11"], resource == Sallyport::Target::"db1");
"#;

/// It is the client's secret.
const COOKIE: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

async fn asks(world: &World, user: &str) -> Vec<bool> {
    let bob = world.person(Person::Bob).await;
    let library = bob.bare(user).await;
    let mut talk = library.open().await;
    talk.write.agent_forward(true).await.unwrap();
    talk.write.request_x11(true, false, "MIT-MAGIC-COOKIE-1", COOKIE, 0).await.unwrap();
    talk.until(|got| got.answers.len() == 2).await;
    talk.write.exec(true, "echo on").await.unwrap();
    talk.write.eof().await.unwrap();
    let got = talk.ends().await;
    assert_eq!((got.out.as_str(), got.status), ("on\n", Some(0)));
    got.answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lent_goes_along_where_a_rule_permits_it_and_a_session_without_goes_on() {
    let world = Setup { policy: Some(LENT), ..Setup::new() }.start().await;
    // That target takes neither, as a target may.
    assert_eq!(asks(&world, "deploy+web1").await, [true, true, true]);
    let ended = world.ended(1).await;
    let replay = world.replay_of(ended[0].session).await;
    assert_eq!(
        replay.markers,
        ["the target does not take a forwarded agent", "the target does not take a forwarded display", "exit 0"]
    );
    assert_eq!(asks(&world, "deploy+db1").await, [false, false, true]);
    let refused = world.ended(2).await.into_iter().find(|one| one.target == "db1").unwrap();
    let replay = world.replay_of(refused.session).await;
    assert_eq!(
        replay.markers,
        [
            "the agent is not forwarded: no rule permits it here",
            "the display is not forwarded: no rule permits it here",
            "exit 0"
        ]
    );

    let left = world.stop().await;
    let decided = left.log.of("authz.decision");
    let loan = |session, action| {
        let of = decided.iter().filter(|one| one.session() == Some(session));
        let mut asked = of.filter(|one| one.body().text("action") == Some(action));
        asked.next().map(|one| one.outcome() == Outcome::Allow)
    };
    let issued = left.log.of("cert.issued");
    for (action, option) in [("agent", "permit-agent-forwarding"), ("x11", "permit-X11-forwarding")] {
        assert_eq!((loan(ended[0].session, action), loan(refused.session, action)), (Some(true), Some(false)));
        let permits = |session| {
            let one = issued.iter().find(|one| one.session() == Some(session)).unwrap();
            one.body().texts("options").unwrap().contains(&option)
        };
        assert!(permits(ended[0].session) && !permits(refused.session), "{option}");
    }
    assert!(left.log.of("channel.agent").is_empty() && left.log.of("channel.display").is_empty());
}
