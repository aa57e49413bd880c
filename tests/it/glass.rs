//! Past approval, loudly: a shell at once, somebody alerted first, and a review by somebody else before there is a second.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sallyport::approval::Id;
use sallyport::demo::issuer::Person;
use sallyport::domain::event::Outcome;

use crate::support::stock::{Client, Terminal};
use crate::support::{Setup, World, shown, until};

const POLICY: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"shell", resource is Sallyport::Target);
@id("hold-shells") @require_approval("1")
forbid (principal, action == Sallyport::Action::"shell", resource) unless { context.approval.count >= 1 };
@id("users-break-glass") @max_session("10m")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"break_glass", resource);
@id("nothing-at-db1-as-root")
forbid (principal, action, resource == Sallyport::Target::"db1") when { context has login && context.login == "root" };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

const UNHEARD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("unheard") @without_alert("true")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"break_glass", resource);
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

/// A program that notes what it is told, and one that never takes anything.
fn channel(dir: &Path, takes: bool) -> String {
    let path = dir.join("page");
    std::fs::write(&path, if takes { "#!/bin/sh\ncat >>\"$1\"\n" } else { "#!/bin/sh\nexit 1\n" }).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let told = dir.join("told");
    format!(
        "[[notify]]\nname = \"page\"\nkind = \"command\"\ncommand = [\"{}\", \"{}\"]\n",
        path.display(),
        told.display()
    )
}

async fn world(dir: &Path, takes: bool) -> World {
    Setup { policy: Some(POLICY), config: channel(dir, takes).leak(), ..Setup::new() }.start().await
}

fn breaks(who: &Client, place: &str) -> Terminal {
    let command = format!("break-glass {place} --reason 'pager 4711'");
    who.terminal("console", &["-t"], &[&command], (100, 24))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_begins_once_somebody_is_alerted_and_there_is_no_second_before_a_review() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), true).await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut terminal = breaks(&bob, "web1 deploy");
    let warned = terminal.sees("Type the target's name to go on: ").await;
    assert!(warned.contains("at most 30 minutes") && !dir.path().join("told").exists(), "{warned}");
    assert!(world.web.attempts().is_empty());
    terminal.types("web1\r").await;
    let said = terminal.sees(" is broken.").await;
    let id = said.split_whitespace().last().unwrap().to_owned();
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    let told: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((told["event"].as_str(), told["id"].as_str()), (Some("approval.break_glass"), Some(id.as_str())));
    assert_eq!((told["reason"].as_str(), told["login"].as_str()), (Some("pager 4711"), Some("deploy")));
    terminal.sees("$ ").await;
    terminal.types("echo past-$((40+2)); exit 4\r").await;
    let (code, rest) = terminal.ends().await;
    assert_eq!(code, Some(4), "{rest}");
    assert!(rest.contains("past-42"), "{rest}");
    let summary = world.ended(1).await.remove(0);
    assert_eq!(summary.session.to_string(), told["session"].as_str().unwrap());

    // Not a second one, not by a review of his own, and not one that nobody found anything in.
    let again = breaks(&bob, "web1 deploy").ends().await;
    assert_eq!(again.0, Some(1), "{}", again.1);
    assert!(again.1.contains(&format!("{id} of yours is not reviewed yet")), "{}", again.1);
    let own = bob.run("console", &format!("break-glass --review {id} --finding fine")).await;
    assert_eq!(shown(&own).2, "sallyport: nobody votes on what they asked for themselves\n");
    let bare = alice.run("console", &format!("break-glass --review {id}")).await;
    assert_eq!(bare.status.code(), Some(2), "{:?}", shown(&bare));
    let listed = alice.run("console", "break-glass --list --json").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["break_glass"][0]["id"], id.as_str());
    assert_eq!(listed["break_glass"][0]["may_review"], true);
    let done = alice.run("console", &format!("break-glass --review {id} --finding 'the pager was right'")).await;
    assert_eq!(done.status.code(), Some(0), "{:?}", shown(&done));
    let nothing = alice.run("console", "break-glass --list").await;
    assert_eq!(shown(&nothing).1, "Nothing waits for a review.\n");
    let mut second = breaks(&bob, "web1 deploy");
    second.sees("Type the target's name to go on: ").await;
    second.types("db1\r").await;
    let (code, rest) = second.ends().await;
    assert_eq!(code, Some(1));
    assert!(rest.contains("that is not the target's name; nothing was begun"), "{rest}");

    let left = world.stop().await;
    let kinds: Vec<_> = left.log.0.iter().map(|one| one.kind()).collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap_or_else(|| panic!("no {kind}"));
    let order = ["approval.notified", "approval.break_glass", "session.start", "channel.shell"];
    assert!(order.windows(2).all(|two| at(two[0]) < at(two[1])), "{kinds:?}");
    let broken = left.log.one(summary.session, "approval.break_glass");
    assert_eq!((broken.code(), broken.body().texts("alerted").unwrap()), ("SP5009W", vec!["page"]));
    let start = left.log.one(summary.session, "session.start");
    assert!(start.refs().contains(&broken.id()), "the session names the record of it");
    let reviewed = left.log.one(summary.session, "approval.break_glass_reviewed");
    assert_eq!(reviewed.actor().text("name"), Some("alice@corp.example"));
    let decisions = left.log.of("authz.decision").into_iter().filter(|one| one.session() == Some(summary.session));
    let shell: Vec<_> = decisions.map(|one| (one.body().text("action").unwrap(), one.outcome())).collect();
    assert_eq!(shell, [("break_glass", Outcome::Allow)]);
    let limits = left.log.of("authz.decision").into_iter().find(|one| one.session() == Some(summary.session)).unwrap();
    assert_eq!(limits.body().texts("obligations").unwrap(), ["max_session=600s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_review_outlives_a_restart_and_the_loss_of_the_registers() {
    let setup = Setup { policy: Some(UNHEARD), ..Setup::new() };
    let (memory, keys) = (setup.memory.clone(), setup.keys.clone());
    let world = setup.start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = breaks(&bob, "web1 deploy");
    terminal.sees("go on: ").await;
    terminal.types("web1\r").await;
    let said = terminal.sees(" is broken.").await;
    let id = said.split_whitespace().last().unwrap().to_owned();
    terminal.sees("$ ").await;
    terminal.types("exit\r").await;
    terminal.ends().await;
    world.ended(1).await;
    let left = world.stop().await;
    let broken = left.log.of("approval.break_glass");
    assert!(broken[0].body().texts("alerted").unwrap().is_empty(), "policy does without, and the record says so");
    let world = Setup { policy: Some(UNHEARD), ..Setup::over(memory, &keys) }.start().await;
    let bob = world.person(Person::Bob).await;
    let (code, rest) = breaks(&bob, "web1 deploy").ends().await;
    assert_eq!(code, Some(1));
    assert!(rest.contains(&id), "{rest}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_begin_where_nobody_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = Setup { policy: Some(POLICY), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = breaks(&bob, "web1 deploy");
    terminal.sees("go on: ").await;
    terminal.types("web1\r").await;
    let (code, rest) = terminal.ends().await;
    assert_eq!(code, Some(1));
    assert!(rest.contains("the bastion has no [[notify]] channel, and no rule lets it begin without"), "{rest}");
    let left = world.stop().await;
    assert!(left.log.of("approval.break_glass").is_empty() && left.log.of("session.start").is_empty());

    let world = self::world(dir.path(), false).await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = breaks(&bob, "web1 deploy");
    terminal.sees("go on: ").await;
    terminal.types("web1\r").await;
    let (code, rest) = terminal.ends().await;
    assert_eq!(code, Some(1));
    assert!(rest.contains("no channel took the alert, so it does not begin"), "{rest}");
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    assert!(left.log.of("approval.break_glass").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbid_that_no_approval_lifts_holds_past_approval_too() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), true).await;
    let (alice, bob, pipeline) =
        (world.person(Person::Alice).await, world.person(Person::Bob).await, world.pipeline().await);
    let (code, rest) = breaks(&bob, "db1 root").ends().await;
    assert_eq!(code, Some(4), "{rest}");
    assert!(rest.contains("denied by nothing-at-db1-as-root: break-glass goes past approval only"), "{rest}");
    let carol = world.person(Person::Carol).await;
    let (code, rest) = breaks(&carol, "web1 deploy").ends().await;
    assert_eq!(code, Some(4));
    assert!(rest.contains("no target 'web1' where you may break the glass"), "{rest}");
    let (_, rest) = breaks(&pipeline, "web1 deploy").ends().await;
    assert!(rest.contains("only people break the glass"), "{rest}");
    let blind = bob.run("console", "break-glass web1 deploy --reason x").await;
    assert_eq!(shown(&blind).2, "sallyport: this asks you something: give it with a terminal, ssh -t\n");
    let mut prompt = bob.terminal("console", &["-t"], &[], (100, 24));
    prompt.sees("sallyport> ").await;
    prompt.types("break-glass web1 deploy --reason x\r").await;
    prompt.sees("give it by itself").await;
    prompt.types("exit\r").await;
    prompt.ends().await;
    let unknown = format!("break-glass --review {} --finding x", Id::from_random(1));
    let none = alice.run("console", &unknown).await;
    assert_eq!(none.status.code(), Some(1), "{:?}", shown(&none));
    let log = until("the records", async || Some(world.log().await)).await;
    let denied = log.of("authz.decision").into_iter().filter(|one| one.body().text("action") == Some("break_glass"));
    let denied: Vec<_> = denied.map(|one| one.outcome()).collect();
    assert_eq!(denied, [Outcome::Deny, Outcome::Deny]);
    world.stop().await;
}
