//! What an approval covers beside one command: its like for a while, and input that nobody saw, where a rule says so.

use std::process::Stdio;
use std::time::Duration;

use sallyport::demo::issuer::Person;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::stock::Client;
use crate::support::{Setup, World, shown};

const WINDOW: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-the-rest") @require_approval("1") @window("10m")
forbid (principal, action == Sallyport::Action::"exec", resource)
unless { context.command.harmless || context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

const OPEN: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-all") @require_approval("1") @stdin("open")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;

/// Waits for the line that tells of a hold; the id in it.
async fn held(child: &mut Child) -> String {
    let mut err = BufReader::new(child.stderr.as_mut().unwrap());
    let mut line = String::new();
    timeout(Duration::from_secs(20), err.read_line(&mut line)).await.expect("nothing was held").unwrap();
    let id = line.strip_prefix("sallyport: held ").unwrap_or_else(|| panic!("{line:?}"));
    id.split(':').next().unwrap().to_owned()
}

/// Alice looks at it and agrees. What she was shown.
async fn agree(alice: &Client, id: &str) -> String {
    let mut approver = alice.terminal("console", &["-t"], &[&format!("approve {id}")], (200, 50));
    let seen = approver.sees("Type yes to approve: ").await;
    approver.types("yes\r").await;
    assert_eq!(approver.ends().await.0, Some(0));
    seen
}

/// Runs what is held, with her agreement.
async fn approved(bob: &Client, alice: &Client, command: &str) -> String {
    let mut child = bob.start("deploy+web1", &[], command);
    drop(child.stdin.take());
    let id = held(&mut child).await;
    let seen = agree(alice, &id).await;
    let status = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0), "{command}");
    seen
}

/// Whether it waits for people; if so it is given up.
async fn waits(bob: &Client, command: &str) -> bool {
    let mut child = bob.start("deploy+web1", &["-o", "SetEnv=SALLYPORT_WAIT=2s"], command);
    drop(child.stdin.take());
    let output = timeout(Duration::from_secs(30), child.wait_with_output()).await.unwrap().unwrap();
    let said = shown(&output);
    match said.0 {
        Some(75) => true,
        Some(0) => false,
        _ => panic!("{command}: {said:?}"),
    }
}

async fn world(policy: &'static str) -> (World, Client, Client) {
    let world = Setup { policy: Some(policy), ..Setup::new() }.start().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    (world, alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn its_like_runs_unasked_for_a_while_and_nothing_else_does() {
    let (world, alice, bob) = world(WINDOW).await;
    let seen = approved(&bob, &alice, "rm -f /nonexistent/a").await;
    assert!(seen.contains("any destructive command of theirs there, without input, unasked for 600 s"), "{seen}");
    // Of the same class, and its input goes nowhere.
    let fed = bob.feed("deploy+web1", "rm -f /nonexistent/b", b"never shown to anybody").await;
    let dropped = "sallyport: what is sent now was not there when people were asked, so it goes nowhere\n";
    let (code, out, err) = shown(&fed);
    // The command may have ended before its input came.
    assert!(code == Some(0) && out.is_empty() && (err.is_empty() || err == dropped), "{err}");
    // Harmless ones run, and leave the window open; others wait: other rights, a text that does not say what it does.
    assert!(!waits(&bob, "true").await);
    assert!(!waits(&bob, "rm -f /nonexistent/c").await);
    assert!(waits(&bob, "sudo rm -f /nonexistent/c").await);
    assert!(waits(&bob, "rm -f $HOME/nonexistent").await);
    assert!(waits(&alice, "rm -f /nonexistent/c").await, "it is his");
    // What was refused was not done, so nothing was done there meanwhile.
    assert!(!waits(&bob, "rm -f /nonexistent/d").await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_is_a_record_and_something_else_done_there_ends_it() {
    let (world, alice, bob) = world(WINDOW).await;
    approved(&bob, &alice, "rm -f /nonexistent/a").await;
    assert!(!waits(&bob, "rm -f /nonexistent/b").await);
    // A second approval, for something whose text does not say what it does: no window, and it ends the first one.
    let seen = approved(&bob, &alice, "echo $HOME").await;
    assert!(!seen.contains("And then"), "{seen}");
    assert!(waits(&bob, "rm -f /nonexistent/c").await);
    let left = world.stop().await;
    let used = left.log.of("approval.used");
    let ids: Vec<_> = used.iter().map(|one| one.body().text("id").unwrap()).collect();
    assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let asked = left.log.of("approval.requested");
    assert!(asked[0].body().map().get("window").is_some() && asked[1].body().map().get("window").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_input_is_shown_as_such_and_reaches_the_command_whole() {
    let (world, alice, bob) = world(OPEN).await;
    let line = bob.line("deploy+web1", &[], &["cat; echo done"]);
    let mut child = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than is kept while it waits: the rest stays with the client.
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let expect = [sent.as_slice(), b"done\n"].concat();
    let feeding = world.drain.spawn(async move { stdin.write_all(&sent).await.unwrap() });
    let id = held(&mut child).await;
    let seen = agree(&alice, &id).await;
    assert!(seen.contains("open: what is sent to it is neither shown here nor part of what you approve"), "{seen}");
    let mut out = Vec::new();
    timeout(Duration::from_secs(60), child.stdout.as_mut().unwrap().read_to_end(&mut out)).await.unwrap().unwrap();
    feeding.await.unwrap();
    assert!(out == expect, "{} of {} bytes", out.len(), expect.len());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let left = world.stop().await;
    assert_eq!(left.log.of("approval.requested")[0].body().text("stdin"), Some("open"));
}
