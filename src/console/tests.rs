//! The console over real rooms in memory: what each command shows, to whom, and what is recorded of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::*;
use crate::domain::event::{Counters, Event, Fact, Outcome};
use crate::domain::identity::{Flow, Group, Grouping, Identity, IssuerName, Kind, Means, Shown, SignIn};
use crate::domain::session::{Action, Command as Asked, End, Exit, Stream, TerminalSize};
use crate::domain::target::{Address, HostTrust, Login, Target, TargetName};
use crate::domain::{RecordId, Timestamp};
use crate::ledger::Ledger;
use crate::ledger::entry::{Entry, decode};
use crate::policy::{Catalogue, Policy, STARTER};
use crate::recording::Recordings;
use crate::recording::index::Index;
use crate::session::failures::Failures;
use crate::session::limits::Limits;
use crate::session::registry::Registry;
use crate::session::{Ask, Opened};
use crate::signer::Signer;
use crate::store::memory::{Fault, Memory};

mod evidence;
mod population;
mod stamps;

struct House {
    console: Console,
    sessions: Sessions,
    clock: Clock,
    memory: Memory,
}

struct Said {
    code: u8,
    out: Vec<u8>,
    err: String,
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8";
const NOW: &str = "2026-11-23T21:04:49Z";

/// Runs `test` in a house of its own: users reach `web`, only admins reach `db1` (production).
async fn with(test: impl AsyncFnOnce(House)) {
    let clock = Clock::manual(Timestamp::parse(NOW).unwrap());
    let memory = Memory::new();
    let (files, blobs, signer) = (memory.files(), memory.blobs(), Signer::in_memory().unwrap());
    let about = ledger::Settings::of_tests("bastion.example.com/log");
    let (ledger, sequencer) = Ledger::open(about, files, blobs, signer.clone(), clock.clone()).await.unwrap();
    let catalogue = Catalogue {
        groups: Catalogue::BUILT_IN_GROUPS.map(str::to_owned).into(),
        environments: ["production", "staging"].map(str::to_owned).into(),
        targets: ["db1", "web"].map(str::to_owned).into(),
        issuers: ["corp".to_owned()].into(),
        ..Catalogue::default()
    };
    let files: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let (_policies, policy) = watch::channel(Arc::new(Policy::load(&files, &catalogue).unwrap()));
    ledger.keep_policy(policy.borrow().text()).await.unwrap();
    ledger.keep_policy(crate::policy::SCHEMA).await.unwrap();
    let targets = vec![target("db1", "production", &["backup", "deploy"]), target("web", "staging", &["app"])];
    let sessions = Sessions::new(crate::session::Inner {
        bastion: "bastion.example.com".to_owned(),
        desk: crate::approval::Desk::new(Default::default(), ledger.clone(), clock.clone(), Default::default()),
        glasses: crate::approval::Glasses::new(memory.registers()),
        recent: Default::default(),
        ledger,
        recordings: Recordings::new(memory.blobs(), crate::recording::Settings::default()),
        index: Index::new(memory.registers()),
        clock: clock.clone(),
        policy,
        masks: watch::channel(Arc::new(crate::mask::profile::Profiles::of_the_program())).1,
        prints: crate::mask::fingerprint::Fingerprinter::new(|_| [0; 32]),
        targets: RwLock::new(Arc::new(targets)),
        groups: Grouping::new(|_, _, _| Vec::new()),
        standing: Default::default(),
        failures: Failures::new(clock.clone()),
        registry: Registry::default(),
        limits: Limits::new(&Default::default(), clock.clone()),
    });
    let settings = Settings {
        bastion: "bastion.example.com".to_owned(),
        host: "bastion.example.com".to_owned(),
        port: 2222,
        user_ca: format!("{KEY}user"),
        target_ca: format!("{KEY}target sallyport target CA"),
        host_ca: format!("{KEY}host"),
    };
    let identities = crate::identity::Identities::open(
        crate::identity::Settings::new("bastion.example.com", Vec::new(), Grouping::new(|_, _, _| Vec::new())),
        sessions.ledger().clone(),
        memory.registers(),
        signer,
        clock.clone(),
        _policies.subscribe(),
    );
    let console = Console::new(settings, sessions.clone(), identities.await.unwrap(), Arc::new(Paper), clock.clone());
    let sequence = async {
        // After a write that failed it is done; whoever appends hears so.
        let (_stop, stopping) = oneshot::channel();
        let _ = sequencer.run(stopping).await;
        std::future::pending().await
    };
    tokio::select! { () = test(House { console, sessions, clock, memory }) => {}, () = sequence => {} }
}

/// Tries nothing: says what it was asked.
#[derive(Debug)]
struct Paper;

impl Reach for Paper {
    fn source(&self, target: &Target) -> Option<std::net::IpAddr> {
        target.seen_as.or_else(|| "10.0.3.2".parse().ok())
    }

    fn look(&self, target: Arc<Target>) -> futures_util::future::BoxFuture<'static, Trial> {
        Box::pin(async move { Trial::good(format!("looked at {}", target.name)) })
    }

    fn sign_in(
        &self,
        _: Arc<Caller>,
        target: Arc<Target>,
        login: Login,
        command: bool,
    ) -> futures_util::future::BoxFuture<'static, Trial> {
        Box::pin(async move {
            match login.as_str() {
                "backup" => Trial::of(Grade::Refused, "backup is refused", "see its log"),
                _ => Trial::good(format!("{login}+{} with a command: {command}", target.name)),
            }
        })
    }
}

pub(super) fn target(name: &str, environment: &str, logins: &[&str]) -> Arc<Target> {
    let logins: Vec<_> = logins.iter().map(|login| Login::parse(login).unwrap()).collect();
    Arc::new(Target {
        name: TargetName::parse(name).unwrap(),
        aliases: vec![TargetName::parse(&format!("{name}.internal")).unwrap()],
        address: Address { host: "10.0.3.4".to_owned(), port: 22 },
        default_login: logins.last().cloned(),
        logins,
        labels: BTreeMap::from([("env".to_owned(), environment.to_owned())]),
        posix_shell: true,
        host_trust: HostTrust::Pinned(vec![KEY.to_owned()]),
        key_file: None,
        seen_as: None,
        env: Vec::new(),
        allow_loopback: false,
    })
}

fn caller(name: &str, groups: &[&str]) -> Arc<Caller> {
    let at = Timestamp::parse(NOW).unwrap().minus(Duration::from_secs(720));
    Arc::new(Caller {
        identity: Identity {
            issuer: IssuerName::parse("corp").unwrap(),
            issuer_url: "https://login.example.com".to_owned(),
            subject: format!("00u-{name}"),
            kind: Kind::Person,
            name: format!("{name}@example.com"),
            groups: groups.iter().map(|group| Group::configured(group)).collect(),
            claims: BTreeMap::new(),
        },
        sign_in: SignIn {
            record: RecordId::from_parts(at, 7),
            at,
            auth_time: Some(at),
            until: at.plus(Duration::from_secs(8 * 3600)),
            flow: Flow::Local,
            amr: vec!["hwk".to_owned()],
        },
        certificate: Shown {
            means: Means::Certificate,
            serial: 42,
            key_id: format!("sp1:x:{name}"),
            valid_before: at.plus(Duration::from_secs(3600)),
        },
        source: SocketAddr::from(([10, 0, 0, 7], 51234)),
        client: "SSH-2.0-OpenSSH_10.5".to_owned(),
    })
}

fn alice() -> Arc<Caller> {
    caller("alice", &["users"])
}

fn bob() -> Arc<Caller> {
    caller("bob", &["users"])
}

fn audrey() -> Arc<Caller> {
    caller("audrey", &["auditors"])
}

impl Done {
    fn code(&self) -> u8 {
        match self {
            Self::Code(code) => *code,
            Self::Glass(_) => panic!("a shell would follow"),
        }
    }
}

impl House {
    async fn run(&self, who: &Arc<Caller>, line: &str) -> Said {
        self.talk(who, Some(line), None, Vec::new()).await
    }

    async fn talk(&self, who: &Arc<Caller>, line: Option<&str>, size: Option<TerminalSize>, input: Vec<Input>) -> Said {
        let (out, mut heard) = mpsc::channel(10_000);
        let (typed, input_end) = mpsc::channel(1000);
        for piece in input {
            typed.try_send(piece).unwrap();
        }
        let mut io = Io { out, input: input_end, terminal: size };
        let code = self.console.run(who, line, &mut io).await.code();
        let mut said = Said { code, out: Vec::new(), err: String::new() };
        while let Ok((stream, bytes)) = heard.try_recv() {
            match stream {
                Stream::Stdout => said.out.extend(&bytes),
                Stream::Stderr => said.err.push_str(std::str::from_utf8(&bytes).unwrap()),
            }
        }
        said
    }

    /// A whole session on `web`: so much was put out, a second after the other, and it ended with exit 7.
    async fn session(
        &self,
        who: &Arc<Caller>,
        action: Action,
        pty: bool,
        output: &[(Stream, &'static [u8])],
    ) -> SessionId {
        let size = TerminalSize { cols: 80, rows: 24 };
        let share = Limits::new(&Default::default(), self.clock.clone()).budget.open_reserved();
        let ask = Ask {
            login: Some("app"),
            terminal: pty.then_some(("xterm", size)),
            ..Ask::plain(who, share, "9c1e", "web", action)
        };
        let Opened { governed, permit: _, files: _, lending: _, up: _, mut down, keeper } =
            self.sessions.open(ask).await.unwrap();
        let id = governed.id();
        let act = async {
            for (stream, bytes) in output {
                self.clock.advance(Duration::from_secs(1));
                down.output(*stream, Bytes::from_static(bytes)).await.unwrap();
            }
            for stream in [Stream::Stdout, Stream::Stderr] {
                down.finish(stream).await.unwrap();
            }
            governed.close(End::Finished(Exit::Status(7))).await;
        };
        tokio::join!(keeper.run(), act);
        id
    }

    async fn exec(&self, who: &Arc<Caller>, output: &[(Stream, &'static [u8])]) -> SessionId {
        self.session(who, Action::Exec(Asked::parse("make test").unwrap()), false, output).await
    }

    async fn entries(&self) -> Vec<Entry> {
        let all = self.sessions.ledger().entries(0, 1000).await.unwrap();
        all.iter().map(|bytes| decode(bytes).unwrap()).collect()
    }
}

impl Said {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        serde_json::from_slice(&self.out).unwrap()
    }
}

#[tokio::test]
async fn whoami_says_who_by_which_sign_in_and_until_when() {
    with(async |house| {
        let said = house.run(&alice(), "whoami").await;
        assert_eq!(said.code, 0);
        assert_eq!(
            said.text(),
            "name         alice@example.com\n\
             identity     corp/MDB1LWFsaWNl\n\
             issuer       corp (https://login.example.com)\n\
             subject      00u-alice\n\
             in config    members = [\"corp:00u-alice\"]\n\
             kind         person\n\
             groups       users\n\
             signed in    12 min ago (20:52 UTC), flow local, by hwk\n\
             proved       12 min ago (20:52 UTC)\n\
             until        in 7 h 48 min (2026-11-24 04:52 UTC)\n\
             certificate  serial 42\n  \
               until      in 48 min (21:52 UTC)\n\
             from         10.0.0.7:51234\n\
             client       SSH-2.0-OpenSSH_10.5\n\
             record       01M852XK780000000000000007\n"
        );
        let value = house.run(&alice(), "whoami --json").await.json();
        assert_eq!(value["sign_in"]["until"], "2026-11-24T04:52:49.000000Z");
        assert_eq!(value["certificate"]["serial"], "42");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_an_issuer_made_up_cannot_steer_the_terminal() {
    with(async |house| {
        let mut mallory = Arc::unwrap_or_clone(caller("mallory", &["users"]));
        mallory.identity.name = "a\x1b]0;x\x07\u{202e}b".to_owned();
        let mallory = Arc::new(mallory);
        house.exec(&mallory, &[]).await;
        for line in ["whoami", "sessions", "whoami --json", "sessions --json"] {
            let said = house.run(&mallory, line).await;
            assert!(said.out.iter().all(|b| *b == b'\n' || (b' '..=b'~').contains(b)), "{line}: {}", said.text());
        }
    })
    .await;
}

#[tokio::test]
async fn targets_are_those_that_policy_opens() {
    with(async |house| {
        let said = house.run(&alice(), "targets").await;
        assert_eq!(
            said.text(),
            "TARGET  ENV      LOGINS  CONNECT\n\
             web     staging  app     ssh -p 2222 app+web@bastion.example.com\n"
        );
        let value = house.run(&caller("ada", &["admins"]), "targets --json").await.json();
        // The default login comes first.
        assert_eq!(value["targets"][0]["logins"][0]["ssh"], "ssh -p 2222 deploy+db1@bastion.example.com");
        assert_eq!(value["targets"][0]["logins"][1]["shell"], "allow");
        assert_eq!(value["targets"][1]["name"], "web");
        let none = house.run(&audrey(), "targets").await;
        assert_eq!((none.code, none.text()), (0, ""));
        assert!(none.err.starts_with("sallyport: no target for you"), "{}", none.err);
        assert_eq!(house.run(&audrey(), "targets --json").await.json()["targets"], serde_json::json!([]));
    })
    .await;
}

#[tokio::test]
async fn explain_says_what_would_be_answered_and_runs_nothing() {
    with(async |house| {
        let ada = caller("ada", &["admins"]);
        let said = house.run(&ada, "explain db1 deploy 'sudo systemctl restart x'").await;
        assert_eq!(
            (said.code, said.text(), said.err.as_str()),
            (
                0,
                "asks      sudo systemctl restart x\n\
                 where     deploy@db1\n\
                 verdict   hold: 1 of whoever may approve must agree within 15 min\n\
                 rule      admins-everywhere (permit)\n\
                 rule      hold-privileged-in-production (forbid)\n\
                 read as   simple\n\
                 programs  sudo systemctl\n\
                 elevated  yes\n\
                 harmless  no\n",
                ""
            )
        );
        // What ssh joins is judged as ssh would send it.
        let apart = house.run(&ada, "explain db1 deploy sudo systemctl restart x").await;
        assert_eq!(apart.out, said.out);
        let denied = house.run(&alice(), "explain --json db1.internal").await.json();
        assert_eq!((&denied["verdict"], &denied["pty"]), (&"deny".into(), &true.into()));
        assert_eq!((&denied["login"], &denied["command"]), (&"deploy".into(), &Value::Null));
        let near = house.run(&alice(), "explain --json web app uptime").await.json();
        assert_eq!((&near["verdict"], near["near"].as_array().map(Vec::len)), (&"allow".into(), Some(0)));
        let odd = house.run(&ada, "explain web app 'a\u{202e}b'").await;
        assert!(odd.text().starts_with("asks      a\\u{202e}b\n"), "{}", odd.text());
        for line in ["explain nowhere", "explain db1 nobody uptime"] {
            let said = house.run(&ada, line).await;
            assert_eq!((said.code, said.text()), (4, ""), "{line}");
        }
        assert!(house.entries().await.iter().all(|entry| entry.kind() != "authz.decision"));
    })
    .await;
}

#[tokio::test]
async fn trust_is_ready_to_paste() {
    with(async |house| {
        let said = house.run(&alice(), "trust").await;
        let lines: Vec<&str> = said.text().lines().collect();
        let key = format!("{KEY}target sallyport target CA");
        assert!(
            lines.contains(&format!("echo '{key}' > /etc/ssh/sallyport_target_ca.pub").as_str()),
            "{}",
            said.text()
        );
        assert!(said.text().contains("'TrustedUserCAKeys /etc/ssh/sallyport_target_ca.pub' 'RevokedKeys"));
        assert!(lines.contains(&format!("# cert-authority {key}").as_str()));
        assert!(lines.contains(&format!("# @cert-authority [bastion.example.com]:2222 {KEY}host").as_str()));
        assert!(!said.text().lines().any(|line| line.contains("PerSourcePenaltyExemptList")));
        assert_eq!(house.run(&alice(), "trust --json").await.json()["user_ca"], format!("{KEY}user"));
        for format in ["shell", "ansible", "cloud-init"] {
            let said = house.run(&alice(), &format!("trust web --format {format}")).await;
            assert!(said.code == 0 && said.text().contains(&key), "{}", said.err);
            assert!(said.text().contains("PerSourcePenaltyExemptList=10.0.3.2"), "{}", said.text());
        }
        let none = house.run(&alice(), "trust db1").await;
        assert_eq!((none.code, none.err.as_str()), (4, "sallyport: no target 'db1' for you\n"));
        assert_eq!(house.run(&alice(), "trust --format yaml").await.code, 2);
    })
    .await;
}

#[tokio::test]
async fn every_login_that_is_open_is_tried_and_what_fails_says_what_to_do() {
    with(async |house| {
        let said = house.run(&caller("ada", &["admins"]), "targets check").await;
        assert_eq!(said.code, 1);
        assert!(said.text().contains("db1     deploy  good"), "{}", said.text());
        assert!(said.text().contains("backup is refused, and deploy is let in"), "{}", said.text());
        assert_eq!(said.err, "sallyport: 1 login did not work; see above what to do\n");
        let value = house.run(&alice(), "targets check --json").await.json();
        assert_eq!(value["targets"].as_array().unwrap().len(), 1);
        assert_eq!(value["targets"][0]["what"], "app+web with a command: true");
        assert_eq!(house.run(&alice(), "targets check db1").await.code, 4);
        assert_eq!(house.run(&alice(), "targets check web").await.code, 0);
    })
    .await;
}

#[tokio::test]
async fn the_certificate_is_the_one_that_was_shown() {
    with(async |house| {
        let value = house.run(&alice(), "certificate --json").await.json();
        assert_eq!(value["key_id"], "sp1:x:alice");
        assert_eq!(value["principal"], "corp/MDB1LWFsaWNl");
        assert_eq!(value["sign_in"]["flow"], "local");
    })
    .await;
}

#[tokio::test]
async fn help_is_asked_for_and_usage_errors_are_not_output() {
    with(async |house| {
        let help = house.run(&alice(), "help").await;
        assert_eq!(help.code, 0);
        println!("{}\n{}", help.text(), house.run(&alice(), "help sessions show").await.text());
        println!("{}\n{}", house.run(&alice(), "fly").await.err, house.run(&alice(), "play 1 --json").await.err);
        assert!(help.text().contains("ssh -p 2222 LOGIN+TARGET@bastion.example.com"), "{}", help.text());
        assert!(house.run(&alice(), "help sessions show").await.text().contains("Usage: sessions show"));
        assert!(house.run(&alice(), "play --help").await.text().contains("--idle-limit"));
        for line in ["fly", "help fly", "play", "whoami 'x", "", "export 1 --format raw"] {
            let said = house.run(&alice(), line).await;
            assert_eq!((said.code, said.text()), (2, ""), "{line}");
            assert!(said.err.starts_with("sallyport: "), "{}", said.err);
        }
    })
    .await;
}

#[tokio::test]
async fn people_see_their_own_sessions_and_auditors_see_all() {
    with(async |house| {
        let first = house.exec(&alice(), &[]).await;
        house.clock.advance(Duration::from_secs(60));
        let second = house.exec(&bob(), &[(Stream::Stdout, b"x")]).await;
        let said = house.run(&alice(), "sessions").await;
        assert_eq!(
            said.text(),
            format!(
                "SESSION                     STARTED               LASTED  WHO                TARGET   WHAT  END\n\
                 {first}  2026-11-23 21:04:49Z  0 ms    alice@example.com  app@web  exec  exit 7\n"
            )
        );
        let all = house.run(&audrey(), "sessions list --json").await.json();
        let ids: Vec<_> = all["sessions"].as_array().unwrap().iter().map(|one| one["session"].clone()).collect();
        assert_eq!(ids, [second.to_string(), first.to_string()]);
        let count = async |line: &str| house.run(&audrey(), line).await.text().lines().count() - 1;
        assert_eq!(count("sessions --who bob").await, 1);
        assert_eq!(count("sessions --since 30s").await, 1);
        assert_eq!(count("sessions --since 2026-11-23").await, 2);
        assert_eq!(count("sessions --target web.internal").await, 2);
        assert_eq!(count("sessions --target db1").await, 0);
        assert_eq!(count("sessions --limit 1").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_one_may_not_see_reads_like_one_that_is_not() {
    with(async |house| {
        let bobs = house.exec(&bob(), &[]).await;
        let none = SessionId::from_parts(house.clock.now(), 99);
        for command in ["sessions show", "play", "export --format raw"] {
            let before = house.entries().await.len();
            let (other, nothing) = (
                house.run(&alice(), &format!("{command} {bobs}")).await,
                house.run(&alice(), &format!("{command} {none}")).await,
            );
            assert_eq!((other.code, other.text()), (4, ""));
            assert_eq!((nothing.code, nothing.text()), (4, ""));
            assert_eq!(other.err.replace(&bobs.to_string(), "ID"), nothing.err.replace(&none.to_string(), "ID"));
            let denials = house.entries().await.split_off(before);
            let denials: Vec<_> = denials.iter().map(|entry| (entry.kind(), entry.outcome().as_str())).collect();
            assert_eq!(denials, [("authz.decision", "deny"); 2]);
        }
    })
    .await;
}

#[tokio::test]
async fn show_has_the_recording_and_every_record_with_its_leaf() {
    with(async |house| {
        house.exec(&bob(), &[]).await;
        let id = house.exec(&alice(), &[(Stream::Stdout, b"out\n"), (Stream::Stderr, b"err\n")]).await;
        house.exec(&bob(), &[]).await;
        let value = house.run(&alice(), &format!("sessions show {id} --json")).await.json();
        assert_eq!(value["recording"]["state"], "sealed");
        assert_eq!(value["ended"]["exit"], "exit 7");
        assert_eq!(value["ended"]["bytes_out"], 8);
        let kinds: Vec<_> =
            value["records"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
        let kinds: Vec<_> = kinds.into_iter().filter(|kind| *kind != "recording.commit").collect();
        let expect = [
            "authz.decision",
            "session.start",
            "channel.exec",
            "recording.open",
            "recording.close",
            "session.end",
            "authz.decision",
            "evidence.viewed",
        ];
        assert_eq!(kinds, expect);
        let entries = house.entries().await;
        for record in value["records"].as_array().unwrap() {
            let entry = &entries[usize::try_from(record["index"].as_u64().unwrap()).unwrap()];
            assert_eq!(record["leaf"], entry.leaf().to_string());
        }
        let text = house.run(&alice(), &format!("sessions show {id}")).await;
        assert!(text.text().contains("command    make test\n"), "{}", text.text());
        assert!(text.text().contains("users-outside-production"), "{}", text.text());
    })
    .await;
}

#[tokio::test]
async fn who_looked_is_shown_to_auditors_only() {
    with(async |house| {
        let id = house.exec(&alice(), &[]).await;
        house.run(&audrey(), &format!("sessions show {id}")).await;
        let views = async |who: &Arc<Caller>| {
            let value = house.run(who, &format!("sessions show {id} --json")).await.json();
            let by = |one: &Value| one["by"].as_str().unwrap().to_owned();
            let viewed =
                value["records"].as_array().unwrap().iter().filter(|one| one["kind"] == "evidence.viewed").map(by);
            viewed.collect::<Vec<_>>()
        };
        assert_eq!(views(&alice()).await, ["alice@example.com"]);
        assert_eq!(views(&audrey()).await, ["audrey@example.com", "alice@example.com", "audrey@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn an_export_is_the_recording_and_is_recorded_first() {
    with(async |house| {
        let id = house.exec(&alice(), &[(Stream::Stdout, b"one\n"), (Stream::Stderr, b"two\n")]).await;
        let raw = house.run(&audrey(), &format!("export {id} --format raw")).await;
        assert_eq!((raw.code, raw.err.as_str()), (0, ""));
        let mut file = crate::recording::file::File::open(raw.out.as_slice()).unwrap();
        let mut output = Vec::new();
        while let Some(event) = file.next_event().unwrap() {
            if let crate::recording::Event::Output(stream, bytes) = event.event {
                output.push((stream, bytes));
            }
        }
        assert_eq!(output, [(Stream::Stdout, "one\n".into()), (Stream::Stderr, "two\n".into())]);
        let v2 = house.run(&alice(), &format!("export {id} --format v2")).await;
        assert!(v2.text().starts_with("{\"version\":2,"), "{}", v2.text());
        assert!(v2.text().contains("\"one\\n\""), "{}", v2.text());
        let viewed: Vec<_> =
            house.entries().await.into_iter().filter(|entry| entry.kind() == "evidence.viewed").collect();
        assert_eq!(viewed.len(), 2);
        assert_eq!(viewed[0].body().text("how"), Some("export"));
        assert_eq!(viewed[0].body().text("session"), Some(id.to_string().as_str()));
        let terminal = Some(TerminalSize { cols: 80, rows: 24 });
        let said = house.talk(&alice(), Some(&format!("export {id} --format raw")), terminal, Vec::new()).await;
        assert_eq!((said.code, said.text()), (2, ""));
    })
    .await;
}

#[tokio::test]
async fn a_recording_that_is_not_the_one_of_the_ledger_is_not_exported_quietly() {
    with(async |house| {
        let id = house.exec(&alice(), &[(Stream::Stdout, b"one\n")]).await;
        let other = house.exec(&bob(), &[(Stream::Stdout, b"six\n")]).await;
        let swapped = house.sessions.index().get(other).await.unwrap().unwrap().recording;
        let mut summary = house.sessions.index().get(id).await.unwrap().unwrap();
        summary.recording = swapped;
        // The index leads to another recording: the ledger knows better.
        let say = Say::new(mpsc::channel(100).0, None);
        let alice = alice();
        let visit = Visit { room: &house.console.0, caller: &alice, say: &say };
        let mut export = visit.reader(&summary).await.unwrap().export(crate::recording::Format::V2);
        let error = loop {
            match export.next_chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("exported quietly"),
                Err(error) => break Error::from(error),
            }
        };
        assert_eq!(error.code(), 1);
        assert!(error.disclose().contains("do not rely on it"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_look_that_cannot_be_recorded_shows_nothing() {
    with(async |house| {
        let id = house.exec(&alice(), &[(Stream::Stdout, b"secret")]).await;
        house.memory.faults().writes(Fault::Full);
        for line in ["play ID", "export ID --format v2", "sessions show ID"] {
            let said = house.run(&alice(), &line.replace("ID", &id.to_string())).await;
            assert_eq!((said.code, said.text()), (1, ""), "{line}");
            assert!(said.err.starts_with("sallyport: the ledger does not answer"), "{}", said.err);
        }
    })
    .await;
}

#[tokio::test]
async fn the_records_of_a_session_are_found_among_many() {
    with(async |house| {
        let others = async || {
            for _ in 0..600 {
                house.clock.advance(Duration::from_secs(1));
                let beat = Event::LogHeartbeat(Counters::default());
                let fact = Fact::new(RecordId::new(house.clock.now()), Outcome::Success, beat);
                house.sessions.ledger().append(vec![fact]).await.unwrap();
            }
        };
        others().await;
        let from = house.sessions.ledger().size();
        let id = house.exec(&alice(), &[]).await;
        others().await;
        let value = house.run(&alice(), &format!("sessions show {id} --json")).await.json();
        assert_eq!(value["records"][0]["kind"], "authz.decision");
        assert_eq!(value["records"][0]["index"], from);
        assert_eq!(value["recording"]["state"], "sealed");
        // The one before has the same time.
        assert_eq!(value["looked_at"][0]["from"], from - 1);
    })
    .await;
}

fn shell<'a>(who: &'a Arc<Caller>, target: &'a str) -> Ask<'a> {
    let share = Limits::new(&Default::default(), Clock::system()).budget.open_reserved();
    Ask::plain(who, share, "9c1e", target, Action::Shell)
}

#[tokio::test]
async fn a_durable_session_opens_once_its_recording_is_on_disk() {
    with(async |house| {
        let ada = caller("ada", &["admins"]);
        let Opened { governed, keeper, .. } = house.sessions.open(shell(&ada, "db1")).await.unwrap();
        let shown = house.run(&ada, &format!("sessions show {}", governed.id())).await;
        assert!(shown.text().contains("being written"), "{}", shown.text());
        let recording = house.sessions.index().get(governed.id()).await.unwrap().unwrap().recording;
        assert_eq!(house.sessions.recordings().reader(recording).count().await.unwrap(), 1);
        governed.close(End::ByClient).await;
        keeper.run().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_durable_session_whose_recording_cannot_be_stored_is_refused_and_ended() {
    with(async |house| {
        let ada = caller("ada", &["admins"]);
        // Decision and begin are one append, then comes the index; after them the frame is the next step.
        house.sessions.open(shell(&ada, "web")).await.unwrap();
        house.memory.faults().at(3, Fault::Full);
        assert!(house.sessions.open(shell(&ada, "db1")).await.is_err());
        let ends: Vec<_> = house.entries().await.into_iter().map(|entry| entry.kind().to_owned()).collect();
        assert_eq!(ends.last_chunk(), Some(&["recording.failed".to_owned(), "session.end".to_owned()]));
    })
    .await;
}

fn typed(text: &str) -> Vec<Input> {
    vec![Input::Bytes(Bytes::copy_from_slice(text.as_bytes())), Input::End]
}

#[tokio::test]
async fn without_a_terminal_commands_come_line_by_line() {
    with(async |house| {
        let said = house.talk(&alice(), None, None, typed("targets\n\nfly\r\nwhoami --json")).await;
        assert_eq!(said.code, 2);
        assert!(said.text().starts_with("TARGET"));
        assert!(said.text().ends_with("}\n"));
        assert!(said.err.starts_with("sallyport: unrecognized command 'fly'"), "{}", said.err);
        let nothing = house.talk(&alice(), None, None, vec![Input::End]).await;
        assert_eq!((nothing.code, nothing.text()), (2, ""));
        assert!(nothing.err.starts_with("sallyport: no command"), "{}", nothing.err);
        assert!(nothing.err.contains("whoami"), "{}", nothing.err);
        assert_eq!(house.talk(&alice(), None, None, typed("exit\nfly\n")).await.code, 0);
    })
    .await;
}

#[tokio::test]
async fn a_terminal_gets_a_prompt() {
    with(async |house| {
        let size = Some(TerminalSize { cols: 80, rows: 24 });
        let said = house.talk(&alice(), None, size, typed("targetx\x7fs\rfly\rexit\r")).await;
        assert_eq!(said.code, 0);
        let text = said.text();
        assert!(text.contains("sallyport> targetx\x08 \x08s\r\n\x1b[1mTARGET\x1b[0m"), "{text:?}");
        assert!(text.ends_with("sallyport> exit\r\n"), "{text:?}");
        assert!(!text.replace("\r\n", "").contains('\n'));
        assert!(said.err.contains("'fly'\r\n"), "{:?}", said.err);
        assert_eq!(house.talk(&alice(), None, size, typed("\x04")).await.code, 0);
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_ends_a_command_and_not_the_prompt() {
    with(async |house| {
        let terminal = Some(TerminalSize { cols: 80, rows: 24 });
        // Nobody reads: the command waits for room.
        let (out, _heard) = mpsc::channel(1);
        out.try_send((Stream::Stdout, Bytes::from_static(b"x"))).unwrap();
        let (typed_in, input) = mpsc::channel(1);
        typed_in.try_send(Input::Bytes(Bytes::from_static(b"\x03"))).unwrap();
        let mut io = Io { out, input, terminal };
        assert_eq!(house.console.run(&alice(), Some("sessions"), &mut io).await.code(), 130);
        let said = house.talk(&alice(), None, terminal, typed("sessions\r\x03exit\r")).await;
        assert_eq!(said.code, 0);
    })
    .await;
}

const TERMINAL: Option<TerminalSize> = Some(TerminalSize { cols: 80, rows: 24 });

/// Moves the clock of the house along with the runtime's, which jumps ahead while all wait.
async fn while_time_passes<T>(house: &House, act: impl Future<Output = T>) -> T {
    let clock = house.clock.clone();
    let pass = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.advance(Duration::from_millis(10));
        }
    };
    tokio::select! { done = act => done, () = pass => unreachable!() }
}

#[tokio::test]
async fn without_a_terminal_a_replay_is_the_text_of_both_streams() {
    with(async |house| {
        let output: &[(Stream, &[u8])] =
            &[(Stream::Stdout, b"out\x1b]0;title\x07\n"), (Stream::Stderr, b"err\n"), (Stream::Stdout, b"end\n")];
        let id = house.exec(&alice(), output).await;
        let said = house.run(&alice(), &format!("play {id}")).await;
        assert_eq!((said.code, said.text(), said.err.as_str()), (0, "out\nend\n", "err\n"));
        let viewed = house.entries().await.pop().unwrap();
        assert_eq!((viewed.kind(), viewed.body().text("how")), ("evidence.viewed", Some("play")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_terminal_a_speed_is_kept() {
    with(async |house| {
        let id = house.exec(&alice(), &[(Stream::Stdout, b"a"), (Stream::Stdout, b"b"), (Stream::Stdout, b"c")]).await;
        let before = house.clock.elapsed();
        let line = format!("play {id} --speed 2");
        let said = while_time_passes(&house, house.run(&alice(), &line)).await;
        assert_eq!(said.text(), "abc");
        let took = house.clock.elapsed() - before;
        assert!((1450..1600).contains(&took.as_millis()), "{took:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_replays_in_time_and_is_left_as_it_was() {
    with(async |house| {
        let action = Action::Exec(Asked::parse("make test").unwrap());
        let id = house.session(&alice(), action, false, &[(Stream::Stdout, b"a\n"), (Stream::Stderr, b"b")]).await;
        let before = house.clock.elapsed();
        let line = format!("play {id}");
        let said = while_time_passes(&house, house.talk(&alice(), Some(&line), TERMINAL, Vec::new())).await;
        assert_eq!(said.code, 0);
        let reset = String::from_utf8(crate::recording::drawing::RESET.to_vec()).unwrap();
        assert_eq!(said.text(), format!("a\r\n\x1b[2mb\x1b[22m{reset}"));
        assert!(said.err.starts_with("sallyport: alice@example.com as app@web, 2026-11-23 21:04:49Z: make test\r\n"));
        assert!(said.err.ends_with("\r\nsallyport: end of the recording\r\n"), "{:?}", said.err);
        let took = house.clock.elapsed() - before;
        assert!((1950..2200).contains(&took.as_millis()), "{took:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_steer_a_replay() {
    with(async |house| {
        let output: &[(Stream, &[u8])] =
            &[(Stream::Stdout, b"one "), (Stream::Stdout, b"two "), (Stream::Stdout, b"three")];
        let id = house.session(&alice(), Action::Shell, true, output).await;
        let line = format!("play {id}");
        let quit = while_time_passes(&house, house.talk(&alice(), Some(&line), TERMINAL, typed("q"))).await;
        assert!(!quit.text().contains("one"));
        assert!(quit.err.ends_with("sallyport: replay left\r\n"));
        // Paused, and found without waiting; with input at its end nobody can go on.
        let before = house.clock.elapsed();
        let found = while_time_passes(&house, house.talk(&alice(), Some(&line), TERMINAL, typed(" /two\r"))).await;
        assert!(found.text().contains("/two"));
        assert!(found.text().contains("one two"), "{:?}", found.text());
        assert!(!found.text().contains("three"));
        assert_eq!(house.clock.elapsed(), before);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_live_session_replays_up_to_what_is_stored() {
    with(async |house| {
        let Opened { governed, permit: _, files: _, lending: _, up: _, mut down, keeper } =
            house.sessions.open(shell(&alice(), "web")).await.unwrap();
        let id = governed.id();
        let act = async {
            down.output(Stream::Stdout, Bytes::from_static(b"so far")).await.unwrap();
            // As the pump does once its stream is quiet: a word may be the begin of a secret.
            down.release(Stream::Stdout).await.unwrap();
            // In the runtime's time, which passes at once: a frame is stored within a second.
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(house.run(&alice(), &format!("play {id}")).await.text(), "so far");
            let shown = house.run(&alice(), &format!("sessions show {id} --json")).await.json();
            assert_eq!(shown["recording"]["complete"], false);
            assert!(house.run(&alice(), "sessions").await.text().ends_with("open\n"));
            governed.close(End::ByClient).await;
        };
        tokio::join!(keeper.run(), act);
    })
    .await;
}
