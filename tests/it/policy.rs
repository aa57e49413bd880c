//! Who may do what where: every answer is recorded before anything follows from it.

use std::time::Duration;

use sallyport::demo::issuer::Person;
use sallyport::domain::event::Outcome;

use crate::support::stock::Client;
use crate::support::{Setup, World, shown};

/// Refused without a word about whether there is such a place.
async fn no_such(client: &Client, login: &str, target: &str) {
    let output = client.run(&format!("{login}+{target}"), "true").await;
    let line = format!("sallyport: no target '{target}' for you\n");
    assert_eq!(shown(&output), (Some(126), String::new(), line), "{login}+{target}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_target_and_a_forbidden_one_read_the_same() {
    let world = World::start().await;
    let (bob, carol) = (world.person(Person::Bob).await, world.person(Person::Carol).await);
    no_such(&bob, "deploy", "db1").await;
    no_such(&bob, "deploy", "db2").await;
    no_such(&bob, "mallory", "web1").await;
    no_such(&bob, "", "db1").await;
    no_such(&carol, "deploy", "web1").await;
    assert_eq!(bob.run("deploy+web1", "exit 3").await.status.code(), Some(3));
    assert!(world.db.attempts().is_empty());
    assert_eq!(world.web.attempts().len(), 1);
    let left = world.stop().await;
    let denied: Vec<_> =
        left.log.of("authz.decision").into_iter().filter(|one| one.outcome() == Outcome::Deny).collect();
    assert_eq!(denied.len(), 5, "each is in the ledger");
    let (forbidden, unknown) = (denied[0], denied[1]);
    assert!(forbidden.target().unwrap().text("host").is_some_and(|host| !host.is_empty()));
    assert_eq!(unknown.target().unwrap().text("name"), Some("db2"));
    assert!(denied.iter().all(|one| one.actor().text("name").is_some()));
    assert_eq!(left.log.of("session.start").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_a_terminal_has_a_line_of_its_own() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let (code, out) = bob.terminal("deploy+db1", &[], &[], (80, 24)).ends().await;
    assert_eq!(code, Some(126));
    assert!(out.contains("\r\nsallyport: no target 'db1' for you\r\n"), "{out:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_runs_commands_at_the_target_that_expects_it_and_nothing_else() {
    let world = World::start().await;
    let job = world.pipeline().await;
    let output = job.run("deploy+db1", "echo deployed").await;
    assert_eq!(shown(&output), (Some(0), "deployed\n".into(), String::new()));
    no_such(&job, "root", "db1").await;
    no_such(&job, "deploy", "web1").await;
    let shell = crate::support::stock::finish(job.command("deploy+db1", &["-T"], &[]), b"id\n").await;
    assert_eq!((shell.status.code(), shell.stdout.as_slice()), (Some(126), b"".as_slice()));
    assert_eq!((world.db.runs().len(), world.web.runs().len()), (1, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rule_that_permits_nobody_reaches_anything() {
    const ONLY_CERTIFICATES: &str =
        "@id(\"certify\") permit (principal, action == Sallyport::Action::\"certify\", resource);\n";
    let world = Setup { policy: Some(ONLY_CERTIFICATES), ..Setup::new() }.start().await;
    let (alice, job) = (world.person(Person::Alice).await, world.pipeline().await);
    no_such(&alice, "deploy", "web1").await;
    no_such(&alice, "root", "db1").await;
    no_such(&job, "deploy", "db1").await;
    assert!(world.web.attempts().is_empty() && world.db.attempts().is_empty());
    world.stop().await;
}

const WITH_EXCEPTIONS: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") @max_session("1s")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("no-reboot") forbid (principal, action == Sallyport::Action::"exec", resource) when { context.command.raw == "reboot now" };
@id("two-heads") @require_approval("1") @approver_groups("admins")
forbid (principal, action == Sallyport::Action::"exec", resource)
when { context.command.raw == "rm -rf x" } unless { context.approval.count >= 1 };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_may_reach_a_target_hears_which_rule_forbids_a_command() {
    let world = Setup { policy: Some(WITH_EXCEPTIONS), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "reboot now").await;
    let line = "sallyport: denied by no-reboot; ask those who keep the policy\n";
    assert_eq!(shown(&output), (Some(126), String::new(), line.into()));
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    let outcomes: Vec<_> = left
        .log
        .of("authz.decision")
        .iter()
        .filter(|one| one.body().text("action") == Some("exec"))
        .map(|one| one.outcome())
        .collect();
    assert_eq!(outcomes, [Outcome::Deny]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_cut_when_it_has_had_its_time() {
    let world = Setup { policy: Some(WITH_EXCEPTIONS), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.run("deploy+web1", "echo begun; exec sleep 1000").await;
    let line = "sallyport: the session was cut: it has reached the longest time that the policy allows\n";
    assert_eq!(shown(&output), (Some(255), "begun\n".into(), line.into()));
    let session = world.ended(1).await[0].session;
    world.web.idle().await;
    let left = world.stop().await;
    let end = left.log.one(session, "session.end");
    assert_eq!((end.body().text("reason"), end.body().text("detail")), (Some("limit"), Some("max_session")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_at_a_target_before_the_decision_is_on_the_disk() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    // Reaching the target may run ahead; signing in there may not.
    world.web_wire.is_dialled(1).await;
    world.memory.faults().stall();
    let mut talk = library.exec("echo ran").await;
    assert!(talk.until(|got| !got.answers.is_empty()).await.answers[0]);
    assert!(!talk.hears_within(Duration::from_millis(500)).await, "{:?}", talk.got);
    assert!(world.web.attempts().is_empty());
    world.memory.faults().mend();
    assert_eq!(talk.ends().await.out, "ran\n");
    drop(library);
    let session = world.ended(1).await[0].session;
    let serial = world.web.attempts()[0].serial;
    let log = world.log().await;
    let (decision, issued) = (log.one(session, "authz.decision"), log.one(session, "cert.issued"));
    assert!(decision.seq() < issued.seq());
    assert_eq!(issued.body().text("serial").unwrap(), serial.to_string());
    world.stop().await;
}
