//! A command that is held: nothing runs before people agree, and what they agreed to runs once.

use std::time::Duration;

use sallyport::demo::issuer::Person;
use sallyport::domain::Digest;
use sallyport::domain::event::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

use crate::support::stock::Client;
use crate::support::{Setup, World, shown, until};

const HELD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("hold-removal") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource)
unless { context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

async fn world() -> World {
    Setup { policy: Some(HELD), ..Setup::new() }.start().await
}

/// The line that tells of a hold, and the id in it.
async fn held(err: &mut BufReader<ChildStderr>) -> (String, String) {
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.expect("nothing was held").unwrap();
    let id = line.strip_prefix("sallyport: held ").unwrap_or_else(|| panic!("{line:?}"));
    let id = id.split(':').next().unwrap().to_owned();
    (line, id)
}

fn stderr(child: &mut Child) -> BufReader<ChildStderr> {
    BufReader::new(child.stderr.take().unwrap())
}

async fn digest(approver: &Client, id: &str) -> String {
    let listed = approver.run("console", "approvals --json").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let all = listed["approvals"].as_array().unwrap();
    let one = all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {listed}"));
    one["digest"].as_str().unwrap()[..8].to_owned()
}

/// The states that requests came to, in order.
async fn resolved(world: &World, count: usize) -> Vec<(String, String)> {
    until("the end of requests", async || {
        let log = world.log().await;
        let word = |one: &sallyport::ledger::entry::Entry, name| one.body().text(name).unwrap().to_owned();
        let all: Vec<_> =
            log.of("approval.resolved").into_iter().map(|one| (word(one, "state"), word(one, "reason"))).collect();
        (all.len() >= count).then_some(all)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_runs_once_after_somebody_else_agreed_to_exactly_that() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut child = bob.start("deploy+web1", &[], "cat; echo removed; exit 3");
    child.stdin.take().unwrap().write_all(b"from bob\n").await.unwrap();
    let mut err = stderr(&mut child);
    let (line, id) = held(&mut err).await;
    assert!(line.contains(": needs 1 approval, expires in 15 min ("), "{line}");
    assert!(line.ends_with(&format!(" approve {id}; Ctrl-C cancels\n")) && line.is_ascii(), "{line}");
    assert!(world.web.runs().is_empty());
    let blind = alice.run("console", &format!("approve {id}")).await;
    assert_eq!(blind.status.code(), Some(2), "nothing was shown to her: {:?}", shown(&blind));
    let wrong = alice.run("console", &format!("approve {id} --digest 00000000")).await;
    assert_eq!(wrong.status.code(), Some(1), "{:?}", shown(&wrong));
    let first = digest(&alice, &id).await;
    let approve = format!("approve {id} --digest {first} --comment 'agreed'");
    let own = bob.run("console", &approve).await;
    assert_eq!(shown(&own).2, "sallyport: nobody votes on what they asked for themselves\n");
    assert_eq!(own.status.code(), Some(4));
    let done = alice.run("console", &approve).await;
    assert_eq!(done.status.code(), Some(0), "{:?}", shown(&done));
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"from bob\nremoved\n".as_slice()));
    let late = alice.run("console", &approve).await;
    assert_eq!(late.status.code(), Some(1), "{:?}", shown(&late));
    assert_eq!(world.web.runs().len(), 1);
    let session = world.ended(1).await[0].session;
    let left = world.stop().await;
    let kinds: Vec<_> = left.log.0.iter().map(|one| one.kind()).collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap_or_else(|| panic!("no {kind}"));
    let order = ["approval.requested", "approval.voted", "approval.resolved", "approval.used", "session.start"];
    assert!(order.windows(2).all(|two| at(two[0]) < at(two[1])), "{kinds:?}");
    let decisions: Vec<_> =
        left.log.of("authz.decision").into_iter().filter(|one| one.body().text("action") == Some("exec")).collect();
    let passes: Vec<_> = decisions.iter().map(|one| (one.outcome(), one.body().text("pass").unwrap())).collect();
    assert_eq!(passes, [(Outcome::Hold, "hypothetical"), (Outcome::Allow, "final")]);
    let issued = left.log.one(session, "cert.issued").body().texts("options").unwrap().join("\n");
    let forced = format!("force-command=sha256:{}", Digest::of(b"cat; echo removed; exit 3"));
    assert!(issued.contains(&forced), "{issued}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_heard_with_its_reason_and_not_asked_again() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut child = bob.start("deploy+web1", &[], "echo removed");
    drop(child.stdin.take());
    let mut err = stderr(&mut child);
    let (_, id) = held(&mut err).await;
    let no = alice.run("console", &format!("deny {id} --reason 'not on a Friday'")).await;
    assert_eq!(no.status.code(), Some(0), "{:?}", shown(&no));
    let mut line = String::new();
    err.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("sallyport: denied by ") && line.contains("not on a Friday"), "{line}");
    let status = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(126));
    let again = bob.run("deploy+web1", "echo removed").await;
    let line = "sallyport: nobody was asked: the same was denied less than 10 minutes ago\n";
    assert_eq!(shown(&again), (Some(126), String::new(), line.into()));
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    assert_eq!(left.log.of("approval.requested").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_takes_their_request_with_them() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut child = bob.start("deploy+web1", &[], "echo removed");
    let mut err = stderr(&mut child);
    let (_, id) = held(&mut err).await;
    let first = digest(&alice, &id).await;
    child.kill().await.unwrap();
    let ends = resolved(&world, 1).await;
    assert_eq!(ends, [("withdrawn".to_owned(), "client gone".to_owned())]);
    let late = alice.run("console", &format!("approve {id} --digest {first}")).await;
    assert_eq!(late.status.code(), Some(1), "{:?}", shown(&late));
    assert!(world.web.runs().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_input_than_people_can_be_shown_is_refused_with_the_mend() {
    let world = world().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.feed("deploy+web1", "cat; echo removed", &[b'x'; 300 * 1024]).await;
    let (code, out, err) = shown(&output);
    assert_eq!((code, out.as_str()), (Some(126), ""));
    assert!(err.contains("copy the input to the target first"), "{err}");
    let left = world.stop().await;
    assert!(left.log.of("approval.requested").is_empty());
}

const SHELLS: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") @require_reason("true")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("hold-shells") @require_approval("1") @ttl("5m")
forbid (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource)
unless { context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

const REASON: &str = "SetEnv=SALLYPORT_REASON=\"ticket OPS-7\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_begins_once_somebody_agreed_and_nothing_typed_before_runs() {
    let world = Setup { policy: Some(SHELLS), ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut terminal = bob.terminal("deploy+web1", &["-o", REASON], &[], (80, 24));
    let line = terminal.sees("Ctrl-C cancels").await;
    let id = line.split("sallyport: held ").nth(1).unwrap().split(':').next().unwrap().to_owned();
    terminal.types("echo typed-too-early\r").await;
    terminal.sees("so it goes nowhere").await;
    let mut approver = alice.terminal("console", &["-t"], &[&format!("approve {id}")], (100, 40));
    let shown = approver.sees("Type yes to approve: ").await;
    assert!(shown.contains("an interactive session: what is typed afterwards is not approved"), "{shown}");
    assert!(shown.contains("They say    ticket OPS-7"), "{shown}");
    approver.types("yes\r").await;
    assert_eq!(approver.ends().await.0, Some(0));
    terminal.sees("$ ").await;
    terminal.types("echo once-$((1+1)); exit 4\r").await;
    let (code, rest) = terminal.ends().await;
    assert_eq!(code, Some(4));
    assert!(rest.contains("once-2") && !rest.contains("typed-too-early"), "{rest}");
    let session = world.ended(1).await[0].session;
    let left = world.stop().await;
    let kinds: Vec<_> = left.log.0.iter().map(|one| one.kind()).collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap_or_else(|| panic!("no {kind}"));
    assert!(at("approval.requested") < at("approval.voted") && at("approval.used") < at("channel.shell"), "{kinds:?}");
    left.log.one(session, "session.reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_gives_a_held_shell_up() {
    let world = Setup { policy: Some(SHELLS), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &["-o", REASON], &[], (80, 24));
    terminal.sees("Ctrl-C cancels").await;
    terminal.types("\x03").await;
    terminal.ends().await;
    assert_eq!(resolved(&world, 1).await, [("withdrawn".to_owned(), "cancelled by the requester".to_owned())]);
    assert!(world.web.attempts().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_must_say_why_is_told_how() {
    let world = Setup { policy: Some(SHELLS), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let silent = bob.run("deploy+web1", "true").await;
    let line = "sallyport: the policy wants to know why: ssh -o 'SetEnv=SALLYPORT_REASON=\"your reason\"' ...\n";
    assert_eq!(shown(&silent), (Some(126), String::new(), line.into()));
    let wrong = bob.with("deploy+web1", &["-o", "SetEnv=SALLYPORT_WAIT=soon"], &["true"]).await;
    let line = "sallyport: SALLYPORT_WAIT cannot be 'soon': write a span such as 10m or 90s\n";
    assert_eq!(shown(&wrong), (Some(126), String::new(), line.into()));
    let left = world.stop().await;
    assert!(left.log.of("approval.requested").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_no_longer_hears_75_and_a_late_vote_finds_nothing() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut child = bob.start("deploy+web1", &["-o", "SetEnv=SALLYPORT_WAIT=2s"], "echo removed");
    drop(child.stdin.take());
    let mut err = stderr(&mut child);
    let (line, id) = held(&mut err).await;
    assert!(line.contains("expires in 2 s (") || line.contains("expires in 1 s ("), "{line}");
    let first = digest(&alice, &id).await;
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(line, "sallyport: nobody agreed in time, so nothing was run; ask again\n");
    assert_eq!(timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap().code(), Some(75));
    assert_eq!(resolved(&world, 1).await, [("expired".to_owned(), "nobody answered in time".to_owned())]);
    let late = alice.run("console", &format!("approve {id} --digest {first}")).await;
    assert_eq!(late.status.code(), Some(1), "{:?}", shown(&late));
    assert!(world.web.attempts().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_whose_human_nobody_knows_needs_a_second_vote() {
    let world = world().await;
    let run = world.pipeline().await;
    let mut child = run.start("deploy+db1", &[], "echo removed");
    drop(child.stdin.take());
    let (line, _) = held(&mut stderr(&mut child)).await;
    assert!(line.contains(": needs 2 approvals, "), "{line}");
    child.kill().await.unwrap();
    resolved(&world, 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_human_under_two_names_does_not_agree_with_themselves() {
    // The actor of the pipeline's run is alice; bob may approve too.
    let config = "[[person]]\ncorp = \"00u1a71ce\"\nactions_actor_id = \"583231\"\n";
    let world = Setup { policy: Some(ANYBODY), config, ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let run = world.pipeline().await;
    let mut child = run.start("deploy+db1", &[], "echo removed");
    drop(child.stdin.take());
    let (line, id) = held(&mut stderr(&mut child)).await;
    assert!(line.contains(": needs 1 approval, "), "the human behind it is known: {line}");
    let first = digest(&bob, &id).await;
    let own = alice.run("console", &format!("approve {id} --digest {first}")).await;
    assert_eq!(shown(&own).2, "sallyport: nobody votes on what they asked for themselves\n");
    let done = bob.run("console", &format!("approve {id} --digest {first}")).await;
    assert_eq!(done.status.code(), Some(0), "{:?}", shown(&done));
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"removed\n".as_slice()));
    world.stop().await;
}

const ANYBODY: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-all") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
@id("approve") permit (principal is Sallyport::User, action == Sallyport::Action::"approve", resource);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_gets_a_terminal_only_where_a_shell_is_allowed() {
    let world = Setup { policy: Some(ANYBODY), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &["-tt"], &["echo removed"], (80, 24));
    terminal.sees("no rule allows you one here").await;
    assert_eq!(terminal.ends().await.0, Some(126));
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    assert!(left.log.of("approval.requested").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_stops_withdraws_what_waits() {
    let world = world().await;
    let bob = world.person(Person::Bob).await;
    let mut child = bob.start("deploy+web1", &[], "echo removed");
    drop(child.stdin.take());
    held(&mut stderr(&mut child)).await;
    let left = world.stop().await;
    let resolved = left.log.of("approval.resolved");
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].body().text("reason"), Some("bastion stopped"));
    assert_eq!(timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap().code(), Some(75));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_watches_and_answers_with_one_key() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut watch = alice.terminal("console", &["-t"], &["approvals watch"], (100, 40));
    watch.sees("Nothing waits that you may vote on.").await;
    let mut child = bob.start("deploy+web1", &[], "rm -rf /srv/old; echo removed");
    drop(child.stdin.take());
    held(&mut stderr(&mut child)).await;
    let shown = watch.sees("a approve, d deny, n next, q leave").await;
    assert!(shown.contains("Command     rm -rf /srv/old; echo removed"), "{shown}");
    assert!(shown.contains("Read as     compound") && shown.contains("Watch out   destructive: rm\r\n"), "{shown}");
    // A key that comes before anybody can have read it does nothing.
    watch.types("a").await;
    watch.sees("keys count after a second").await;
    assert!(world.web.runs().is_empty());
    // It is drawn anew each second, with the time that is left.
    loop {
        watch.types("a").await;
        if watch.sees("]").await.contains(": approved") {
            break;
        }
    }
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"removed\n".as_slice()));
    let mut child = bob.start("deploy+web1", &[], "echo second");
    drop(child.stdin.take());
    let mut err = stderr(&mut child);
    held(&mut err).await;
    let shown = watch.sees("Command     echo second").await;
    drop(shown);
    let before = watch.sees("q leave").await;
    assert!(before.contains("deploy@web1: rm -rf /srv/old; echo removed"), "what they ran just before: {before}");
    loop {
        watch.types("d").await;
        if watch.sees(": ").await.contains("Why not?") {
            break;
        }
    }
    watch.types("not today\r").await;
    watch.sees(": denied]").await;
    assert_eq!(timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap().code(), Some(126));
    watch.types("q").await;
    assert_eq!(watch.ends().await.0, Some(0));
    let left = world.stop().await;
    assert_eq!(left.log.of("approval.viewed").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_something_else_there_meanwhile_asks_anew() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut first = bob.start("deploy+web1", &[], "sh script");
    drop(first.stdin.take());
    let mut err = stderr(&mut first);
    let (_, id) = held(&mut err).await;
    let mut second = bob.start("deploy+web1", &[], "echo changed && true");
    drop(second.stdin.take());
    let (_, other) = held(&mut stderr(&mut second)).await;
    let done = alice.run("console", &format!("approve {other} --digest {}", digest(&alice, &other).await)).await;
    assert_eq!(done.status.code(), Some(0), "{:?}", shown(&done));
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.unwrap().unwrap();
    let why = "the requester did something else there meanwhile";
    assert_eq!(line, format!("sallyport: the request was withdrawn ({why}); nothing was run\n"));
    assert_eq!(timeout(Duration::from_secs(20), first.wait()).await.unwrap().unwrap().code(), Some(75));
    let gone = alice.run("console", &format!("approve {id} --digest 00000000")).await;
    assert_eq!(gone.status.code(), Some(1), "{:?}", shown(&gone));
    let ends = resolved(&world, 2).await;
    assert!(ends.contains(&("withdrawn".to_owned(), why.to_owned())), "{ends:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_requests_are_bounded_and_votes_come_from_one_issuer() {
    let config = "[approval]\nissuer = \"actions\"\nper_person = 1\n";
    let world = Setup { policy: Some(HELD), config, ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut child = bob.start("deploy+web1", &[], "echo removed");
    drop(child.stdin.take());
    let (_, id) = held(&mut stderr(&mut child)).await;
    let second = bob.run("deploy+db1", "echo another").await;
    let line = "sallyport: nobody was asked: 1 requests of yours are open already\n";
    assert_eq!(shown(&second), (Some(126), String::new(), line.into()));
    let vote = alice.run("console", &format!("approve {id} --digest {}", digest(&alice, &id).await)).await;
    let line = "sallyport: approvers come from another issuer than yours: sign in by that one\n";
    assert_eq!((vote.status.code(), shown(&vote).2), (Some(4), line.to_owned()));
    child.kill().await.unwrap();
    resolved(&world, 1).await;
    assert!(world.web.attempts().is_empty());
    world.stop().await;
}
