//! Sessions in a terminal, by somebody who types, and what is refused by name.

use sallyport::demo::issuer::Person;
use sallyport::domain::session::TerminalSize;

use crate::support::{World, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_in_a_terminal_has_its_size_its_name_and_its_changes() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (97, 31));
    terminal.sees("$ ").await;
    terminal.types("stty size; echo $TERM\r").await;
    terminal.sees("31 97\r\nxterm-256color\r\n").await;
    terminal.sees("$ ").await;
    terminal.resize((120, 40));
    // The new size travels beside what is typed: ask until it has come.
    loop {
        terminal.types("stty size; echo asked\r").await;
        terminal.sees("echo asked\r\n").await;
        if terminal.sees("asked\r\n").await.contains("40 120") {
            break;
        }
    }
    terminal.types("exit 3\r").await;
    assert_eq!(terminal.ends().await.0, Some(3));
    let replay = world.replay().await;
    assert_eq!(replay.preamble.size, TerminalSize { cols: 97, rows: 31 });
    assert_eq!(replay.preamble.term.as_deref(), Some("xterm-256color"));
    assert_eq!(replay.sizes, [TerminalSize { cols: 120, rows: 40 }]);
    assert!(replay.out().contains("stty size; echo $TERM\r\n31 97\r\n"), "{}", replay.out());
    assert_eq!((replay.input.len(), replay.err.len()), (0, 0), "keystrokes are not recorded");
    let ended = world.ended(1).await;
    assert!(ended[0].pty && ended[0].action == "shell");
    assert!(ended[0].ended.as_ref().unwrap().bytes_in > 20, "but counted");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_interrupts_what_runs_in_a_shell() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &[], &[], (80, 24));
    terminal.sees("$ ").await;
    terminal.types("sh -c 'echo go-$((1+1)); exec sleep 1000'\r").await;
    terminal.sees("go-2\r\n").await;
    terminal.types("\x03").await;
    terminal.sees("$ ").await;
    terminal.types("exit 9\r").await;
    assert_eq!(terminal.ends().await.0, Some(9));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_gets_through_a_flood_that_nobody_reads() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut terminal = bob.terminal("deploy+web1", &["-tt"], &["yes; exit 6"], (80, 24));
    terminal.sees("y\r\ny\r\n").await;
    terminal.types("\x03").await;
    let (code, rest) = terminal.ends().await;
    // The shell around it is interrupted too.
    assert!(matches!(code, Some(255 | 130 | 6)), "{code:?}");
    assert!(rest.len() > 4);
    world.web.idle().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modes_of_the_terminal_are_passed_on() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let ssh = bob.line("deploy+web1", &["-tt"], &["stty -a"]);
    let line = ["sh", "-c", "stty intr ^G -ixon erase ^H; exec \"$@\"", "sh"].map(str::to_owned);
    let line: Vec<_> = line.into_iter().chain(ssh).collect();
    let (code, out) = bob.terminal_of(&line, (132, 43)).ends().await;
    assert_eq!(code, Some(0), "{out}");
    for mode in ["intr = ^G", "erase = ^H", "rows 43", "columns 132", "-ixon"] {
        assert!(out.contains(mode), "{mode} in {out}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_without_a_terminal_reads_a_script_and_it_is_recorded() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let mut ssh = bob.command("deploy+web1", &["-T"], &[]);
    ssh.env("TERM", "dumb");
    let output = crate::support::stock::finish(ssh, b"echo from a script\nexit 8\n").await;
    assert_eq!(shown(&output), (Some(8), "from a script\n".into(), String::new()));
    assert_eq!(world.replay().await.input, b"echo from a script\nexit 8\n");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subsystem_is_refused_by_name() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.with("deploy+web1", &["-s"], &["netconf"]).await;
    let line = "sallyport: the subsystem 'netconf' is not carried\n".to_owned();
    assert_eq!(shown(&output), (Some(126), String::new(), line));
    assert_eq!(shown(&bob.with("console", &["-s"], &["sftp"]).await).0, Some(126));
    assert!(world.web.attempts().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x11_and_agent_are_refused_and_the_session_goes_on() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.open().await;
    talk.write.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    talk.until(|got| got.answers.len() == 1).await;
    talk.write.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "0g", 0).await.unwrap();
    talk.until(|got| got.answers.len() == 2).await;
    assert_eq!(talk.got.err, "sallyport: x11-req: the name of the protocol or its cookie is none\r\n");
    talk.write.agent_forward(true).await.unwrap();
    talk.until(|got| got.answers.len() == 3).await;
    talk.write.exec(true, "echo on; echo ${SSH_AUTH_SOCK:-no agent}").await.unwrap();
    talk.write.eof().await.unwrap();
    let got = talk.ends().await;
    assert_eq!(got.answers, [false, false, false, true]);
    assert_eq!((got.out.as_str(), got.status), ("on\nno agent\n", Some(0)));
    drop(library);
    // And as the stock client asks for it.
    let agent = std::process::Command::new("ssh-agent").arg("-s").output().unwrap();
    let text = String::from_utf8(agent.stdout).unwrap();
    let value = |name: &str| text.split(&format!("{name}=")).nth(1).unwrap().split(';').next().unwrap().to_owned();
    let mut ssh = bob.command("deploy+web1", &["-A"], &["echo ${SSH_AUTH_SOCK:-no agent}"]);
    ssh.env("SSH_AUTH_SOCK", value("SSH_AUTH_SOCK"));
    let output = crate::support::stock::finish(ssh, b"").await;
    assert!(std::process::Command::new("kill").arg(value("SSH_AGENT_PID")).status().unwrap().success());
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"no agent\n".as_slice()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_that_no_rule_permits_or_that_are_not_carried_open_nothing() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let output = bob.with("deploy+web1", &["-W", "db1:22"], &[]).await;
    let (code, out, err) = shown(&output);
    assert_eq!((code, out.as_str()), (Some(255), ""));
    assert!(err.contains("sallyport: no rule lets you forward through 'web1' to db1:22"), "{err}");

    let library = bob.bare("deploy+web1").await;
    let refused = |answer: Result<russh::Channel<russh::client::Msg>, russh::Error>| {
        assert!(matches!(answer, Err(russh::Error::ChannelOpenFailure(_))), "{:?}", answer.err());
    };
    refused(library.0.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await);
    for path in ["/var/run/docker.sock", "/run/../run/docker.sock", "docker.sock", "/run/"] {
        refused(library.0.channel_open_direct_streamlocal(path).await);
    }
    refused(library.0.channel_open_x11("127.0.0.1", 1).await);
    assert!(library.0.tcpip_forward("127.0.0.1", 0).await.is_err());
    assert!(library.0.streamlocal_forward("/tmp/x").await.is_err());
    assert_eq!(library.run("exit 2").await.status, Some(2), "the connection goes on");
    drop(library);
    // Nor a socket from where there is no target.
    refused(bob.bare("console").await.0.channel_open_direct_streamlocal("/run/x.sock").await);

    let output =
        bob.with("deploy+web1", &["-R", "0:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes"], &["echo no"]).await;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(255), b"".as_slice()));
    assert!(world.db.attempts().is_empty());
    assert_eq!(world.db_wire.dialled(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_starts_one_thing_once() {
    let world = World::start().await;
    let bob = world.person(Person::Bob).await;
    let library = bob.bare("deploy+web1").await;
    let mut talk = library.exec("echo one; cat").await;
    talk.until(|got| got.out == "one\n").await;
    talk.write.exec(true, "echo two").await.unwrap();
    talk.write.request_shell(true).await.unwrap();
    talk.write.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    talk.until(|got| got.answers.len() == 4).await;
    talk.write.eof().await.unwrap();
    let got = talk.ends().await;
    assert_eq!((got.answers, got.out.as_str(), got.status), (vec![true, false, false, false], "one\n", Some(0)));
    assert_eq!(world.web.runs().len(), 1);
    drop(library);
    world.stop().await;
}
