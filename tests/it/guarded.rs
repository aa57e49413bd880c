//! The guarded prompt: no shell, each line a command of its own.

use sallyport::demo::issuer::Person;

use crate::support::{Setup, World, shown};

const GUARDED: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") @shell("guarded")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
@id("hold-removal") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) when { context.command.classes.contains("destructive") }
unless { context.approval.count >= 1 };
@id("never-id") forbid (principal, action == Sallyport::Action::"exec", resource) when { context.command.programs.contains("id") };
@id("admins-approve") permit (principal in Sallyport::Group::"admins", action == Sallyport::Action::"approve", resource);
"#;
const BRIEF: &str = r#"
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") @shell("guarded") @max_session("62s")
permit (principal, action in [Sallyport::Action::"shell", Sallyport::Action::"exec"], resource is Sallyport::Target);
"#;
const READY: &str = " (guarded)> ";

async fn world() -> World {
    Setup { policy: Some(GUARDED), ..Setup::new() }.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_a_command_of_its_own_with_the_folder_it_was_typed_in() {
    let world = world().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (100, 40));
    terminal.sees("deploy@web1 (guarded)> ").await;
    terminal.types("echo one-$((1+1))\r").await;
    terminal.sees("one-2\r\n").await;
    terminal.sees(READY).await;
    terminal.types("id\r").await;
    terminal.sees("sallyport: denied by never-id").await;
    terminal.sees("[126] ").await;
    terminal.types("cd /tmp\r").await;
    terminal.sees("[126] deploy@web1:/tmp (guarded)> ").await;
    terminal.types("pwd; false\r").await;
    terminal.sees("/tmp\r\n").await;
    terminal.sees("[1] deploy@web1:/tmp (guarded)> ").await;
    // A folder that is not there: nothing of the line runs elsewhere.
    terminal.types("cd nowhere\r").await;
    terminal.sees(READY).await;
    terminal.types("echo ran\r").await;
    let missed = terminal.sees("nowhere (guarded)> ").await;
    assert!(!missed.contains("\r\nran\r\n"), "{missed}");
    terminal.types("cd\rexport NAME='a b'\rsh -c 'echo \"$NAME\"'\r").await;
    terminal.sees("a b\r\n").await;
    terminal.sees(READY).await;
    terminal.types("export PATH=/tmp\r").await;
    terminal.sees("would change what later lines mean").await;
    terminal.sees(READY).await;
    terminal.types("exit 4\r").await;
    assert_eq!(terminal.ends().await.0, Some(4));
    let asked: Vec<_> = world.web.runs().into_iter().map(|run| run.asked.unwrap_or_default()).collect();
    let asked: Vec<_> = asked.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    let expect = [
        "echo one-$((1+1))",
        "cd -- '/tmp' || exit; pwd; false",
        "cd -- '/tmp/nowhere' || exit; echo ran",
        "export NAME='a b'; sh -c 'echo \"$NAME\"'",
    ];
    assert_eq!(asked, expect, "and never a shell");
    assert_eq!(world.ended(4).await.len(), 4);
    let left = world.stop().await;
    assert_eq!(left.log.of("channel.exec").len(), 4);
    assert!(left.log.of("channel.shell").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_held_waits_and_the_prompt_comes_back() {
    let world = world().await;
    let (alice, bob) = (world.person(Person::Alice).await, world.person(Person::Bob).await);
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (100, 40));
    terminal.sees(READY).await;
    let held = async |terminal: &mut crate::support::stock::Terminal| {
        terminal.types("rm -f nothing; echo removed\r").await;
        let line = terminal.sees("Ctrl-C cancels").await;
        line.split("sallyport: held ").nth(1).unwrap().split(':').next().unwrap().to_owned()
    };
    let id = held(&mut terminal).await;
    terminal.types("echo too-early\r").await;
    terminal.sees("so it goes nowhere").await;
    let listed = alice.run("console", "approvals --json").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let digest = listed["approvals"][0]["digest"].as_str().unwrap()[..8].to_owned();
    let done = alice.run("console", &format!("approve {id} --digest {digest}")).await;
    assert_eq!(done.status.code(), Some(0), "{:?}", shown(&done));
    terminal.sees("removed\r\n").await;
    let after = terminal.sees(READY).await;
    assert!(!after.contains("too-early"), "{after}");
    held(&mut terminal).await;
    terminal.types("\x03").await;
    terminal.sees(READY).await;
    terminal.types("echo still-$((1+2))\r").await;
    terminal.sees("still-3\r\n").await;
    terminal.sees(READY).await;
    terminal.types("\x04").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_there_is_no_prompt_but_there_are_commands() {
    let world = world().await;
    let bob = world.person(Person::Bob).await;
    let piped = bob.with("deploy+web1", &["-T"], &[]).await;
    let line = "sallyport: a shell is the bastion's own prompt here: use a terminal (ssh -t), or give one command\n";
    assert_eq!(shown(&piped), (Some(126), String::new(), line.into()));
    assert_eq!(shown(&bob.run("deploy+web1", "echo one").await), (Some(0), "one\n".into(), String::new()));
    assert_eq!(world.web.runs().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_ends_the_prompt_and_what_runs_in_it() {
    let world = world().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (100, 40));
    terminal.sees(READY).await;
    terminal.types("echo begun-$((1+1)); exec sleep 1000\r").await;
    terminal.sees("begun-2").await;
    drop(terminal);
    world.ended(1).await;
    world.web.idle().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_says_before_its_time_is_over_and_shows_what_was_typed_again() {
    let world = Setup { policy: Some(BRIEF), ..Setup::new() }.start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (100, 40));
    terminal.sees(READY).await;
    terminal.types("echo typed").await;
    terminal.sees("sallyport: this session is cut in 1 min: the policy allows it no longer\r\n").await;
    terminal.sees("(guarded)> echo typed").await;
    terminal.types("\r").await;
    terminal.sees("typed\r\n").await;
    terminal.sees(READY).await;
    terminal.types("exit\r").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    world.stop().await;
}
