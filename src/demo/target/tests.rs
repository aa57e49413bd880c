//! The demo target, as a client sees it.

use std::sync::Arc;

use russh::client;
use russh::client::AuthResult;
use russh::{ChannelMsg, ChannelReadHalf, Pty, Sig};

use super::*;

struct Bench {
    target: DemoTarget,
    authority: PrivateKey,
    clock: Clock,
}

impl Bench {
    async fn new() -> Self {
        let authority = fresh_key().unwrap();
        let clock = Clock::system();
        let settings = Settings {
            name: "db1".to_owned(),
            target_ca: authority.public_key().clone(),
            host_authority: None,
            logins: vec![Login::parse("deploy").unwrap()],
            home: "/".into(),
            env: vec!["GIT_PROTOCOL".to_owned()],
            clock: clock.clone(),
        };
        Self { target: DemoTarget::start(settings, &Drain::new()).await.unwrap(), authority, clock }
    }

    async fn connect(&self) -> client::Handle<Trusting> {
        let config = Arc::new(client::Config { channel_buffer_size: 1 << 20, ..Default::default() });
        client::connect(config, self.target.address(), Trusting).await.unwrap()
    }

    /// Signed in with a certificate that `draft` may have spoilt.
    async fn try_as(&self, login: &str, draft: Draft) -> (client::Handle<Trusting>, AuthResult) {
        let mut client = self.connect().await;
        let key = fresh_key().unwrap();
        let now = u64::try_from(self.clock.now().secs()).unwrap();
        let certificate = draft.sign(&key, &self.authority, now);
        let result = client.authenticate_openssh_cert(login, Arc::new(key), certificate).await.unwrap();
        (client, result)
    }

    async fn signed_in(&self) -> client::Handle<Trusting> {
        let (client, result) = self.try_as("deploy", Draft::default()).await;
        assert!(result.success());
        client
    }
}

struct Draft {
    kind: CertType,
    principals: Vec<&'static str>,
    /// Relative to now, in seconds.
    valid: (i64, i64),
    options: Vec<(&'static str, &'static str)>,
    extensions: Vec<&'static str>,
    authority: Option<PrivateKey>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            kind: CertType::User,
            principals: vec!["deploy"],
            valid: (-60, 60),
            options: vec![],
            extensions: vec!["permit-pty"],
            authority: None,
        }
    }
}

impl Draft {
    fn sign(self, key: &PrivateKey, authority: &PrivateKey, now: u64) -> Certificate {
        let (after, before) = (now.saturating_add_signed(self.valid.0), now.saturating_add_signed(self.valid.1));
        let mut draft = Builder::new(vec![7; 16], key.public_key(), after, before).unwrap();
        draft.serial(7).unwrap().key_id("sp1:X:alice").unwrap().cert_type(self.kind).unwrap();
        match self.principals.as_slice() {
            [] => _ = draft.all_principals_valid().unwrap(),
            names => names.iter().for_each(|name| _ = draft.valid_principal(*name).unwrap()),
        }
        self.options.iter().for_each(|(name, value)| _ = draft.critical_option(*name, *value).unwrap());
        self.extensions.iter().for_each(|name| _ = draft.extension(*name, "").unwrap());
        draft.sign(self.authority.as_ref().unwrap_or(authority)).unwrap()
    }
}

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;
    async fn check_server_key(&mut self, _: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    out: String,
    err: String,
    status: Option<u32>,
    signal: Option<String>,
    /// The order in which the end was told.
    end: Vec<&'static str>,
}

async fn collect(mut read: ChannelReadHalf) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => err.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => {
                outcome.status = Some(exit_status);
                outcome.end.push("status");
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                outcome.signal = Some(format!("{signal_name:?}"));
                outcome.end.push("signal");
            }
            ChannelMsg::Eof => outcome.end.push("eof"),
            ChannelMsg::Close => outcome.end.push("close"),
            _ => {}
        }
    }
    outcome.out = String::from_utf8(out).unwrap();
    outcome.err = String::from_utf8(err).unwrap();
    outcome
}

async fn exec(client: &client::Handle<Trusting>, command: &str) -> Outcome {
    let (read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, command).await.unwrap();
    write.eof().await.unwrap();
    collect(read).await
}

#[tokio::test]
async fn a_command_runs_with_separate_streams_and_its_own_exit_code_comes_before_the_end() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let outcome = exec(&client, "echo out; echo err >&2; exit 42").await;
    assert_eq!((outcome.out.as_str(), outcome.err.as_str(), outcome.status), ("out\n", "err\n", Some(42)));
    assert_eq!(outcome.end, ["status", "eof", "close"]);
    let [run] = bench.target.runs().try_into().unwrap();
    assert_eq!((run.login.as_str(), run.key_id.as_str(), run.forced), ("deploy", "sp1:X:alice", None));
}

#[tokio::test]
async fn a_command_that_a_signal_ended_says_which() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (mut read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, "echo ready; exec sleep 1000").await.unwrap();
    while !matches!(read.wait().await.unwrap(), ChannelMsg::Data { .. }) {}
    write.signal(Sig::TERM).await.unwrap();
    let outcome = collect(read).await;
    assert_eq!((outcome.signal.as_deref(), outcome.status), (Some("TERM"), None));
    assert_eq!(outcome.end, ["signal", "eof", "close"]);
}

#[tokio::test]
async fn input_ends_before_output_and_every_byte_arrives() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, "cat; wc -c < /dev/null").await.unwrap();
    let sent = "0123456789abcdef".repeat(1 << 19);
    let send = async {
        write.data_bytes(sent.clone().into_bytes()).await.unwrap();
        write.eof().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(collect(read), send);
    assert!(outcome.out == sent + "0\n");
    assert_eq!(outcome.status, Some(0));
}

#[tokio::test]
async fn an_upload_that_nobody_reads_does_not_stop_another_channel() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (_read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, "exec sleep 1000").await.unwrap();
    tokio::select! {
        _ = write.data_bytes(vec![0; 32 << 20]) => panic!("32 MiB went to somebody who reads nothing"),
        outcome = exec(&client, "echo alive") => assert_eq!(outcome.out, "alive\n"),
    }
}

#[tokio::test]
async fn an_upload_that_nobody_reads_comes_to_a_stand() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (_read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, "exec sleep 1000").await.unwrap();
    let mut sent = 0;
    // A trickle that is not paced brings a piece in less.
    while timeout(Duration::from_secs(2), write.data_bytes(vec![0; 64 << 10])).await.is_ok() {
        sent += 64 << 10;
        assert!(sent < 8 << 20, "it went on");
    }
}

#[tokio::test]
async fn a_terminal_has_the_size_and_modes_asked_for_and_changes_with_the_window() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (mut read, write) = client.channel_open_session().await.unwrap().split();
    write.request_pty(true, "xterm", 81, 25, 0, 0, &[(Pty::ECHO, 0), (Pty::VINTR, 5)]).await.unwrap();
    let script = "stty size; stty -a | grep -o -e '-echo ' -e 'intr = ^E'; echo $TERM; read x; stty size; exit 3";
    write.exec(true, script).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("xterm") {
        if let ChannelMsg::Data { data } = read.wait().await.unwrap() {
            seen.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
    write.window_change(100, 30, 0, 0).await.unwrap();
    write.data_bytes(&b"\n"[..]).await.unwrap();
    let outcome = collect(read).await;
    assert_eq!(seen, "25 81\r\nintr = ^E\r\n-echo \r\nxterm\r\n");
    assert_eq!((outcome.out.as_str(), outcome.status), ("30 100\r\n", Some(3)));
}

#[tokio::test]
async fn the_environment_is_clean_and_takes_only_what_is_known() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (read, write) = client.channel_open_session().await.unwrap().split();
    for (name, value) in [("LC_ALL", "C"), ("GIT_PROTOCOL", "version=2"), ("LD_PRELOAD", "/x"), ("PATH", "/x")] {
        write.set_env(true, name, value).await.unwrap();
    }
    write.exec(true, "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; echo $USER $PATH; id -u").await.unwrap();
    let outcome = collect(read).await;
    let mut lines = outcome.out.lines();
    let names = "GIT_PROTOCOL HOME LC_ALL LOGNAME PATH PWD SHELL SSH_CLIENT USER ";
    assert_eq!(lines.next(), Some(names));
    let known = |line: &str| {
        line.starts_with("deploy /") && line.ends_with("/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    };
    assert!(lines.next().is_some_and(known), "{}", outcome.out);
    assert_ne!(lines.next(), Some("0"));
}

#[tokio::test]
async fn a_forced_command_runs_whatever_was_asked_for() {
    let bench = Bench::new().await;
    let options = vec![("force-command", "echo forced; echo \"$SSH_ORIGINAL_COMMAND\"")];
    let (client, _) = bench.try_as("deploy", Draft { options, ..Draft::default() }).await;
    assert_eq!(exec(&client, "id; whoami").await.out, "forced\nid; whoami\n");
    assert_eq!(bench.target.runs()[0].asked.as_deref(), Some(&b"id; whoami"[..]));
}

#[tokio::test]
async fn what_runs_ends_with_its_channel() {
    let bench = Bench::new().await;
    let client = bench.signed_in().await;
    let (mut read, write) = client.channel_open_session().await.unwrap().split();
    write.exec(true, "trap '' HUP; sleep 1000 & echo $!; wait").await.unwrap();
    let pid = loop {
        if let ChannelMsg::Data { data } = read.wait().await.unwrap() {
            break String::from_utf8(data.to_vec()).unwrap().trim().parse().unwrap();
        }
    };
    assert_eq!(bench.target.running(), 1);
    write.close().await.unwrap();
    bench.target.idle().await;
    assert_dies(pid).await;
}

#[tokio::test]
async fn what_runs_ends_with_its_connection_and_when_the_target_is_cut() {
    let bench = Bench::new().await;
    for cut in [false, true] {
        let client = bench.signed_in().await;
        let (mut read, write) = client.channel_open_session().await.unwrap().split();
        write.exec(true, "echo ready; exec sleep 1000").await.unwrap();
        while !matches!(read.wait().await.unwrap(), ChannelMsg::Data { .. }) {}
        if cut {
            bench.target.cut();
        } else {
            drop((client, read, write));
        }
        bench.target.idle().await;
    }
    // It goes on listening after a cut.
    assert_eq!(exec(&bench.signed_in().await, "echo again").await.out, "again\n");
}

/// The kernel may take a moment between the signal and the end.
async fn assert_dies(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    let gone = async {
        while alive() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("the process went on");
}

#[tokio::test]
async fn only_a_valid_user_certificate_of_the_one_authority_opens_it() {
    let bench = Bench::new().await;
    let good = Draft::default;
    let refusals = [
        ("deploy", Draft { kind: CertType::Host, ..good() }, Refusal::NotForUsers),
        ("deploy", Draft { authority: Some(fresh_key().unwrap()), ..good() }, Refusal::NotValid),
        ("deploy", Draft { principals: vec![], ..good() }, Refusal::WrongPrincipal),
        ("deploy", Draft { principals: vec!["root", "Deploy"], ..good() }, Refusal::WrongPrincipal),
        ("root", Draft { principals: vec!["root"], ..good() }, Refusal::NoSuchLogin),
        ("deploy", Draft { options: vec![("source-address", "10.0.0.0/8")], ..good() }, Refusal::WrongSource),
        ("deploy", Draft { options: vec![("verify-required", "")], ..good() }, Refusal::UnknownOption),
    ];
    for (login, draft, refusal) in refusals {
        let (_, result) = bench.try_as(login, draft).await;
        assert!(!result.success(), "{refusal}");
        assert_eq!(bench.target.attempts().last().unwrap().outcome, Err(refusal));
    }
    let options = vec![("source-address", "127.0.0.0/8")];
    let (_, result) = bench.try_as("deploy", Draft { options, ..good() }).await;
    assert!(result.success());
    let line = bench.target.attempts().last().unwrap().to_string();
    assert!(line.starts_with("Accepted publickey for deploy from 127.0.0.1 port "), "{line}");
    assert!(line.contains("ID sp1:X:alice (serial 7) CA SHA256:"), "{line}");
}

#[tokio::test]
async fn an_expired_certificate_and_a_plain_key_open_nothing() {
    let bench = Bench::new().await;
    // The library refuses what the system's clock says is over before we are asked.
    let (_, result) = bench.try_as("deploy", Draft { valid: (-120, -1), ..Draft::default() }).await;
    assert!(!result.success());
    let mut client = bench.connect().await;
    let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(fresh_key().unwrap()), None);
    assert!(!client.authenticate_publickey("deploy", key).await.unwrap().success());
    assert!(bench.target.attempts().is_empty());
}

#[tokio::test]
async fn without_permit_pty_there_is_no_terminal() {
    let bench = Bench::new().await;
    let (client, _) = bench.try_as("deploy", Draft { extensions: vec![], ..Draft::default() }).await;
    let (mut read, write) = client.channel_open_session().await.unwrap().split();
    write.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    loop {
        match read.wait().await.unwrap() {
            ChannelMsg::Failure => break,
            ChannelMsg::Success => panic!("a terminal without permit-pty"),
            _ => {}
        }
    }
}
