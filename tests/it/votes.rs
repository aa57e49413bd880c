//! Who must agree, who may at the moment of use, and what counts as asked for.

use std::time::Duration;

use sallyport::app::config::Config;
use sallyport::demo::issuer::Person;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

use crate::support::stock::Client;
use crate::support::{Setup, World, shown, until};

const TWO: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("hold-for-two") @require_approval("2")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 2 };
@id("both-approve")
permit (principal, action in [Sallyport::Action::"approve", Sallyport::Action::"revoke"], resource)
when { principal in Sallyport::Group::"admins" || principal in Sallyport::Group::"auditors" };
"#;

const ONE_OF_EACH: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-for-one-of-each") @require_approval("2") @approver_groups("admins,auditors")
forbid (principal, action == Sallyport::Action::"exec", resource)
unless {
  context.approval.count >= 2 &&
  context.approval.groups.containsAll([Sallyport::Group::"admins", Sallyport::Group::"auditors"])
};
@id("both-approve") permit (principal, action == Sallyport::Action::"approve", resource);
"#;

const ONE: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("hold-exec") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
@id("admins")
permit (principal in Sallyport::Group::"admins", action in [Sallyport::Action::"approve", Sallyport::Action::"revoke"], resource);
"#;

struct Room {
    world: World,
    alice: Client,
    bob: Client,
    carol: Client,
}

async fn room(policy: &'static str) -> Room {
    let world = Setup { policy: Some(policy), ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let carol = world.person(Person::Carol).await;
    Room { world, alice, bob, carol }
}

/// Something of bob's that waits: the client, what it says, the id.
async fn held(room: &Room, command: &str) -> (Child, BufReader<ChildStderr>, String) {
    let mut child = room.bob.start("deploy+web1", &[], command);
    drop(child.stdin.take());
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let id = told(&mut err).await;
    (child, err, id)
}

async fn told(err: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.expect("nothing was held").unwrap();
    let id = line.strip_prefix("sallyport: held ").unwrap_or_else(|| panic!("{line:?}"));
    id.split(':').next().unwrap().to_owned()
}

/// A vote by digest; what the voter hears.
async fn agrees(who: &Client, id: &str) -> String {
    let listed = who.run("console", "approvals --json").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let one = listed["approvals"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    let digest = &one["digest"].as_str().unwrap()[..8];
    let voted = who.run("console", &format!("approve {id} --digest {digest}")).await;
    let (code, out, err) = shown(&voted);
    assert_eq!(code, Some(0), "{err}");
    out
}

async fn ends(mut child: Child, mut err: BufReader<ChildStderr>) -> (Option<i32>, String) {
    let mut line = String::new();
    let status = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    err.read_line(&mut line).await.unwrap();
    (status.code(), line)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_must_agree_one_is_not_enough() {
    let room = room(TWO).await;
    let (child, _err, id) = held(&room, "echo both").await;
    assert_eq!(agrees(&room.alice, &id).await, "Your approval counts; others are still needed.\n");
    assert!(room.world.web.attempts().is_empty());
    assert!(agrees(&room.carol, &id).await.starts_with("Approved: it runs now, once"));
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"both\n".as_slice()));
    let left = room.world.stop().await;
    let used = left.log.of("approval.used");
    assert_eq!(used[0].body().texts("approvers").unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_may_want_one_of_each_group() {
    let room = room(ONE_OF_EACH).await;
    let (child, _err, id) = held(&room, "echo both").await;
    agrees(&room.alice, &id).await;
    agrees(&room.carol, &id).await;
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"both\n".as_slice()));
    // Two of one group: one more admin is not an auditor.
    let admins = "name = \"admins\"\nmembers = [";
    let carol = format!("{admins}\"corp:{}\", ", Person::Carol.subject());
    let config = room.world.config.replace(admins, &carol).replace("members = [\"corp/auditors\"]", "members = []");
    room.world.bastion.reload(Config::parse(&config, room.world.dir.path()).unwrap()).await.unwrap();
    let carol = room.world.person(Person::Carol).await;
    let (child, err, id) = held(&room, "echo again").await;
    agrees(&room.alice, &id).await;
    agrees(&carol, &id).await;
    let (code, line) = ends(child, err).await;
    assert_eq!(code, Some(126));
    assert!(line.contains("denied by hold-for-one-of-each all the same"), "{line}");
    assert_eq!(room.world.web.runs().len(), 1);
    room.world.stop().await;
}

const NOT_ANY_MORE: &str = "sallyport: what was agreed to is denied by hold-for-two all the same: somebody who agreed may not \
                            any more, or the rules changed; nothing was run\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_vote_of_somebody_who_was_put_out_meanwhile_does_not_count() {
    let room = room(TWO).await;
    let (child, err, id) = held(&room, "echo both").await;
    agrees(&room.alice, &id).await;
    let alice = format!("corp:{}", Person::Alice.subject());
    let out = room.carol.run("console", &format!("revoke {alice} --reason 'stolen laptop'")).await;
    assert_eq!(out.status.code(), Some(0), "{:?}", shown(&out));
    agrees(&room.carol, &id).await;
    assert_eq!(ends(child, err).await, (Some(126), NOT_ANY_MORE.to_owned()));
    assert!(room.world.web.attempts().is_empty());
    let left = room.world.stop().await;
    assert!(left.log.of("approval.used").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vote_of_somebody_who_is_in_no_such_group_any_more_does_not_count() {
    let room = room(TWO).await;
    let (child, err, id) = held(&room, "echo both").await;
    agrees(&room.alice, &id).await;
    let member = format!("members = [\"corp:{}\"]", Person::Alice.subject());
    let config = room.world.config.replace(&member, "members = []");
    assert_ne!(config, room.world.config);
    room.world.bastion.reload(Config::parse(&config, room.world.dir.path()).unwrap()).await.unwrap();
    agrees(&room.carol, &id).await;
    assert_eq!(ends(child, err).await, (Some(126), NOT_ANY_MORE.to_owned()));
    assert!(room.world.web.attempts().is_empty());
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_put_out_while_they_wait_waits_no_longer() {
    let room = room(ONE).await;
    let (child, err, _) = held(&room, "echo never").await;
    let bob = format!("corp:{}", Person::Bob.subject());
    let out = room.alice.run("console", &format!("revoke {bob} --reason 'left today'")).await;
    assert_eq!(out.status.code(), Some(0), "{:?}", shown(&out));
    let (code, line) = ends(child, err).await;
    assert_eq!((code, line.as_str()), (Some(255), "sallyport: the session was cut: access was revoked\n"));
    let reason = until("the end of the request", async || {
        let log = room.world.log().await;
        log.of("approval.resolved").first().map(|one| one.body().text("reason").unwrap().to_owned())
    })
    .await;
    assert_eq!(reason, "requester revoked");
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_with_a_terminal_runs_in_one_once_somebody_agreed() {
    let room = room(ONE).await;
    let mut terminal = room.bob.terminal("deploy+web1", &["-t"], &["read line; echo got-$line; exit 6"], (80, 24));
    let line = terminal.sees("Ctrl-C cancels").await;
    let id = line.split("sallyport: held ").nth(1).unwrap().split(':').next().unwrap().to_owned();
    terminal.types("too-early\r").await;
    terminal.sees("so it goes nowhere").await;
    agrees(&room.alice, &id).await;
    until("the command", async || (!room.world.web.runs().is_empty()).then_some(())).await;
    terminal.types("in-time\r").await;
    let (code, rest) = terminal.ends().await;
    assert_eq!(code, Some(6), "{rest}");
    assert!(rest.contains("got-in-time") && !rest.contains("got-too-early"), "{rest}");
    let left = room.world.stop().await;
    let asked: Vec<_> = left.log.of("authz.decision").into_iter().filter_map(|one| one.body().text("action")).collect();
    assert!(asked.contains(&"shell"), "judged as a shell too: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_comes_after_people_were_asked_goes_nowhere() {
    let room = room(ONE).await;
    let mut child = room.bob.start("deploy+web1", &[], "cat");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"in time\n").await.unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let id = told(&mut err).await;
    stdin.write_all(b"too late\n").await.unwrap();
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.ends_with("so it goes nowhere\n"), "{line}");
    agrees(&room.alice, &id).await;
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"in time\n".as_slice()));
    drop(stdin);
    room.world.stop().await;
}
