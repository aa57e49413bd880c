//! A config that is read again: all of it or nothing, each change an event, open sessions judged again.

use sallyport::app::config::Config;
use sallyport::app::{ReloadError, Reloaded};
use sallyport::demo::issuer::Person;
use sallyport::domain::event::Outcome;

use crate::support::library::{Library, Talk};
use crate::support::stock::Client;
use crate::support::{Setup, World, shown};

const OPEN: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("users") permit (principal in Sallyport::Group::"users", action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
"#;
const NO_SLEEP: &str = r#"
@id("no-sleep") forbid (principal, action == Sallyport::Action::"exec", resource) when { context.command.raw == "echo begun; exec sleep 1000" };
"#;

impl World {
    /// With this config and, if given, these rules in place of all others.
    pub async fn reload(&self, config: &str, policy: Option<&str>) -> Result<Reloaded, Vec<String>> {
        if let Some(policy) = policy {
            std::fs::write(self.dir.path().join("policies/10-test.cedar"), policy).unwrap();
        }
        match self.bastion.reload(Config::parse(config, self.dir.path()).unwrap()).await {
            Ok(done) => Ok(done),
            Err(ReloadError::Faults(faults)) => Err(faults.lines()),
            Err(other) => panic!("{other}"),
        }
    }
}

async fn open() -> World {
    Setup { policy: Some(OPEN), ..Setup::new() }.start().await
}

/// A session that says something and then waits to be ended.
async fn waits(client: &Client, user: &str) -> (Library, Talk) {
    let library = client.bare(user).await;
    let mut talk = library.exec("echo begun; exec sleep 1000").await;
    talk.until(|got| got.out == "begun\n").await;
    (library, talk)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_rule_forbids_ends_and_the_rest_goes_on() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    let (_one, talk) = waits(&bob, "deploy+web1").await;
    let other = bob.bare("deploy+web1").await;
    let mut stays = other.exec("cat").await;
    stays.write.data(&b"1\n"[..]).await.unwrap();
    stays.until(|got| got.out == "1\n").await;
    let done = world.reload(&world.config, Some(&format!("{OPEN}{NO_SLEEP}"))).await.unwrap();
    assert_eq!(done, Reloaded { changed: vec!["policy"], ended: 1, restart: Vec::new() });
    let got = talk.ends().await;
    let line = "sallyport: the session was cut: the policy was changed and does not allow it any more\n";
    assert_eq!((got.out.as_str(), got.err.as_str(), got.status), ("begun\n", line, None));
    stays.write.data(&b"2\n"[..]).await.unwrap();
    stays.until(|got| got.out == "1\n2\n").await;
    stays.write.eof().await.unwrap();
    assert_eq!(stays.ends().await.status, Some(0));
    let sessions = world.ended(2).await;
    let cut = sessions.iter().find(|one| one.ended.as_ref().unwrap().end == "denied").unwrap().session;
    let refused = bob.run("deploy+web1", "echo begun; exec sleep 1000").await;
    assert_eq!(shown(&refused).2, "sallyport: denied by no-sleep; ask those who keep the policy\n");
    let left = world.stop().await;
    let changed = left.log.of("policy.changed");
    assert_eq!(changed.len(), 1);
    assert_ne!(changed[0].body().text("old"), changed[0].body().text("new"));
    let again: Vec<_> = left.log.of("authz.decision").into_iter().filter(|one| one.session() == Some(cut)).collect();
    assert_eq!(again.iter().map(|one| one.outcome()).collect::<Vec<_>>(), [Outcome::Allow, Outcome::Deny]);
    assert!(again[1].refs().contains(&changed[0].id()), "the denial names what has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_anywhere_leaves_everything_and_each_fault_is_said() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    let (one, mut talk) = waits(&bob, "deploy+web1").await;
    let without = world.config.replace("name = \"db1\"", "name = \"db9\"");
    let faulty = "@id(\"a\") permit (principal, action, resource in Sallyport::Env::\"prodution\");\n\
                  @id(\"b\") forbid (principal in Sallyport::Group::\"srre\", action, resource);\n";
    let before = world.log().await.0.len();
    let lines = world.reload(&without, Some(faulty)).await.unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("10-test.cedar:1:") && line.contains("prodution")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("10-test.cedar:2:") && line.contains("srre")), "{lines:?}");
    // Neither the rules nor the targets, which alone were good, have changed.
    assert!(!talk.hears_within(std::time::Duration::from_millis(300)).await);
    assert_eq!(bob.run("deploy+db1", "echo still").await.stdout, b"still\n");
    assert_eq!(bob.run("deploy+web1", "echo still").await.stdout, b"still\n");
    let log = world.log().await;
    let changes = ["policy.changed", "config.changed", "target.changed"];
    assert!(log.0.len() > before && log.0.iter().all(|entry| !changes.contains(&entry.kind())));
    drop((one, talk));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_taken_out_is_gone_and_one_that_is_put_in_is_there() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    let (_one, talk) = waits(&bob, "deploy+web1").await;
    let (other, mut stays) = waits(&bob, "deploy+db1").await;
    let renamed = world.config.replace("\"web1", "\"web2");
    let done = world.reload(&renamed, None).await.unwrap();
    assert_eq!((done.changed.as_slice(), done.ended), (["config", "targets"].as_slice(), 1));
    let got = talk.ends().await;
    let line = "sallyport: the session was cut: this target or login was taken out of the config\n";
    assert_eq!((got.err.as_str(), got.status), (line, None));
    assert_eq!(bob.run("deploy+web1", "true").await.status.code(), Some(126));
    assert_eq!(bob.run("deploy+web2", "echo there").await.stdout, b"there\n");
    assert!(!stays.hears_within(std::time::Duration::from_millis(100)).await);
    drop((other, stays));
    let left = world.stop().await;
    let changed = left.log.of("target.changed")[0].body();
    assert_eq!((changed.texts("added"), changed.texts("removed")), (Some(vec!["web2"]), Some(vec!["web1"])));
    assert_eq!(left.log.of("session.end")[0].body().text("reason"), Some("target removed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_of_a_group_has_left_it_at_once() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    let (library, talk) = waits(&bob, "deploy+web1").await;
    let nobody = world.config.replace("members = [\"corp/engineering\"]", "members = []");
    let done = world.reload(&nobody, None).await.unwrap();
    assert_eq!((done.changed.as_slice(), done.ended), (["config", "groups"].as_slice(), 1));
    assert!(talk.ends().await.err.contains("does not allow it any more"));
    // On the connection that is open, too.
    assert_eq!(library.run("echo no").await.status, Some(126));
    let back = world.reload(&world.config, None).await.unwrap();
    assert_eq!(back.ended, 0);
    assert_eq!(library.run("echo yes").await.out, "yes\n");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_changes_nothing() {
    let world = open().await;
    let moved = world.config.replace("127.0.0.1:2222", "127.0.0.1:2223") + "[limits]\ndrain = \"9s\"\n";
    let done = world.reload(&moved, None).await.unwrap();
    assert_eq!(
        (done.changed.as_slice(), done.restart.as_slice()),
        (["config"].as_slice(), ["ssh.listen".to_owned(), "ssh.address".to_owned(), "limits".to_owned()].as_slice())
    );
    // It is named until it is true.
    let done = world.reload(&format!("{moved}# \n"), None).await.unwrap();
    assert_eq!(done.restart.len(), 3);
    let done = world.reload(&world.config, None).await.unwrap();
    assert!(done.restart.is_empty());
    let done = world.reload(&world.config, None).await.unwrap();
    assert_eq!(done, Reloaded::default(), "nothing differs");
    let left = world.stop().await;
    let changed = left.log.of("config.changed");
    assert_eq!(changed.len(), 3);
    assert_eq!(changed[0].body().texts("restart").unwrap(), ["ssh.listen", "ssh.address", "limits"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_time_holds_for_what_runs_already() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    let (_one, talk) = waits(&bob, "deploy+web1").await;
    let shorter = OPEN.replace("@id(\"users\")", "@id(\"users\") @max_session(\"1s\")");
    assert_eq!(world.reload(&world.config, Some(&shorter)).await.unwrap().ended, 0);
    assert!(talk.ends().await.err.contains("the longest time that the policy allows"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_takes_effect_that_the_ledger_does_not_take() {
    let world = open().await;
    let bob = world.person(Person::Bob).await;
    world.memory.faults().writes(sallyport::store::memory::Fault::Broken);
    std::fs::write(world.dir.path().join("policies/10-test.cedar"), format!("{OPEN}{NO_SLEEP}")).unwrap();
    let next = Config::parse(&world.config, world.dir.path()).unwrap();
    assert!(matches!(world.bastion.reload(next).await, Err(ReloadError::Ledger(_))));
    world.bastion.failed().await;
    drop(bob);
    let left = world.stop_anyhow().await;
    assert!(left.log.of("policy.changed").is_empty());
}

const HELD: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-all") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
@id("approve") permit (principal, action == Sallyport::Action::"approve", resource);
"#;
const NO_WEB: &str = r#"
@id("no-web") forbid (principal, action == Sallyport::Action::"exec", resource == Sallyport::Target::"web1");
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_is_forbidden_by_now_is_withdrawn() {
    let world = Setup { policy: Some(HELD), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let waits = async |user| {
        let library = bob.bare(user).await;
        let mut talk = library.exec("echo run").await;
        talk.write.eof().await.unwrap();
        talk.until(|got| got.err.contains("sallyport: held ")).await;
        (library, talk)
    };
    let (_web, forbidden) = waits("deploy+web1").await;
    let (_db, stays) = waits("deploy+db1").await;
    world.reload(&world.config, Some(&format!("{HELD}{NO_WEB}"))).await.unwrap();
    let got = forbidden.ends().await;
    assert!(
        got.err.ends_with("sallyport: the request was withdrawn (not allowed any more); nothing was run\n"),
        "{}",
        got.err
    );
    assert_eq!(got.status, Some(75));
    assert!(world.web.attempts().is_empty());
    let left = world.stop().await;
    assert_eq!(stays.ends().await.status, Some(75));
    let reasons: Vec<_> =
        left.log.of("approval.resolved").iter().map(|one| one.body().text("reason").unwrap().to_owned()).collect();
    assert_eq!(reasons, ["not allowed any more", "bastion stopped"]);
}
