//! One fact of every event, as the published examples show them. For tests only.

use std::collections::BTreeMap;

use crate::domain::event::anchored::{Anchored, Token};
use crate::domain::event::arrived::{Arrived, Carried, Listening};
use crate::domain::event::change::Change;
use crate::domain::event::copied::Copied;
use crate::domain::event::exported::Exported;
use crate::domain::event::glass::{Broken, Reviewed};
use crate::domain::event::held::{Notified, Requested, Resolved, Used, Viewed, Voted};
use crate::domain::event::lent::{Lent, Passed};
use crate::domain::event::masked::{Applied, Lifted};
use crate::domain::event::sftp::{Moved, Operation};
use crate::domain::event::succession::Succession;
use crate::domain::event::{Actor, Counters, Decided, Event, Extent, Fact, Outcome, Read, TargetRef};
use crate::domain::identity::{Flow, Kind};
use crate::domain::loan::Loan;
use crate::domain::session::{Exit, Jump, RecordingId, SessionId};
use crate::domain::{Digest, RecordId, Text, Timestamp};

use super::entry::Writer;

/// The salt of every payload.
pub(super) const SALT: [u8; 32] = [0x5a; 32];
/// What no entry may show.
pub(super) const TEXTS: [&str; 5] =
    ["systemctl restart", "stolen laptop", "alice@example.com-claims", "laptop found", "looks right to me"];
/// How many events there are.
pub(super) const EVENTS: usize = 55;

pub(super) fn writer() -> Writer {
    Writer { node: "bastion-1".into(), boot: "b3f1".repeat(8) }
}

pub(super) fn time() -> Timestamp {
    Timestamp::from_micros(1_795_467_889_123_456)
}

/// A command about to run: the richest envelope.
pub(super) fn exec() -> Fact {
    let event = Event::ChannelExec { command: Text::new(TEXTS[0]), length: 17 };
    in_session(event, 13)
}

/// By file name.
pub(super) fn all() -> Vec<(String, Fact)> {
    let firsts = about_us().into_iter().chain(authn()).chain(sessions()).chain(limits()).chain(changes());
    let mut all: Vec<_> = firsts
        .chain(bad_day())
        .chain([remembered()])
        .chain(approval())
        .chain(reasons())
        .chain([exported(), jumped(), hidden()])
        .chain(glass())
        .chain(files())
        .chain([forwarded()])
        .chain(anchored())
        .chain([to_socket()])
        .chain([again()])
        .chain([succeeded()])
        .chain([lifted()])
        .chain(lent())
        .chain(copied())
        .chain(listened())
        .chain([unasked()])
        .chain(shown())
        .collect();
    for (number, fact) in all.iter_mut().enumerate() {
        fact.id = RecordId::from_parts(time(), number as u128);
    }
    let mut seen = BTreeMap::new();
    all.into_iter()
        .map(|fact| {
            let kind = fact.event.kind();
            let count: &mut u32 = seen.entry(kind).or_default();
            *count += 1;
            let name = if *count == 1 { kind.to_owned() } else { format!("{kind}-{count}") };
            (name, fact)
        })
        .collect()
}

/// A number for each event. A new one does not compile until it has its place here and an example.
pub(super) fn ordinal(event: &Event) -> usize {
    match event {
        Event::LogStart { .. } => 0,
        Event::LogStop { .. } => 1,
        Event::LogHeartbeat(_) => 2,
        Event::ClockStep { .. } => 3,
        Event::AuthnOidc { .. } => 4,
        Event::AuthnSsh { .. } => 5,
        Event::AuthnSshFailures { .. } => 6,
        Event::CertIssued { .. } => 7,
        Event::CertRevoked { .. } => 8,
        Event::SessionStart { .. } => 9,
        Event::SessionEnd { .. } => 10,
        Event::UpstreamOpen { .. } => 11,
        Event::UpstreamClose { .. } => 12,
        Event::ChannelExec { .. } => 13,
        Event::ChannelShell { .. } => 14,
        Event::AuthzDecision(_) => 15,
        Event::RecordingOpen { .. } => 16,
        Event::RecordingCommit { .. } => 17,
        Event::RecordingClose { .. } => 18,
        Event::RecordingRecovered { .. } => 19,
        Event::RecordingFailed { .. } => 20,
        Event::EvidenceViewed { .. } => 21,
        Event::PolicyChanged { .. } => 22,
        Event::IdentityReinstated { .. } => 23,
        Event::SpaceChanged { .. } => 24,
        Event::LimitsRefused { .. } => 25,
        Event::ConfigChanged(_) => 26,
        Event::TargetChanged(_) => 27,
        Event::TlsChanged(_) => 28,
        Event::StoreRebuilt { .. } => 29,
        Event::KeyRemembered { .. } => 31,
        Event::ApprovalRequested(_) => 32,
        Event::ApprovalVoted(_) => 33,
        Event::ApprovalResolved(_) => 34,
        Event::ApprovalUsed(_) => 35,
        Event::SessionReason { .. } => 36,
        Event::ApprovalViewed(_) => 37,
        Event::ApprovalNotified(_) => 38,
        Event::MaskApplied(_) => 40,
        Event::MaskLifted(_) => 49,
        Event::GlassBroken(_) => 41,
        Event::GlassReviewed(_) => 42,
        Event::ChannelSubsystem { .. } => 43,
        Event::SftpOperation(_) => 44,
        Event::ChannelForward { .. } => 45,
        Event::RecordingLost { .. } => 30,
        Event::EvidenceExported(_) => 39,
        Event::Anchored(_) => 46,
        Event::UpstreamAgain { .. } => 47,
        Event::LogSuccessor(_) => 48,
        Event::ChannelLent(_) => 50,
        Event::LogCopied(_) => 51,
        Event::ChannelListen(_) => 52,
        Event::ChannelArrived(_) => 53,
        Event::ChannelUnasked(_) => 54,
    }
}

fn about_us() -> Vec<Fact> {
    let us = |event| Fact::new(RecordId::from_parts(time(), 0), Outcome::Success, event);
    vec![
        us(Event::LogStart {
            version: "0.1.0".into(),
            origin: "bastion.example.com/sallyport/7f3a".into(),
            policy: Some(digest("policy")),
            config: Some(digest("config")),
        }),
        us(Event::LogStop { drained: true }),
        us(Event::LogHeartbeat(Counters {
            connections: 310,
            sessions: 4,
            certificates: 97,
            next_serial: 4212,
            checkpoint: 81_720,
        })),
        us(Event::ClockStep { old: time(), new: Timestamp::from_secs(1_795_464_289) }),
        us(Event::PolicyChanged {
            old: Some(digest("policy before")),
            new: digest("policy"),
            files: vec!["10-people.cedar".into(), "20-pipelines.cedar".into()],
        }),
    ]
}

fn changes() -> Vec<Fact> {
    let us = |event| Fact::new(RecordId::from_parts(time(), 0), Outcome::Success, event);
    vec![
        us(Event::ConfigChanged(Change {
            changed: vec!["group".into()],
            restart: vec!["ssh.listen".into()],
            ..change("config")
        })),
        us(Event::TargetChanged(Change {
            added: vec!["db2".into()],
            changed: vec!["db1".into()],
            removed: vec!["old1".into()],
            ..change("targets")
        })),
        us(Event::TlsChanged(change("chain"))),
    ]
}

fn change(what: &str) -> Change {
    Change { old: Some(digest(&format!("{what} before"))), new: Some(digest(what)), ..Change::default() }
}

fn authn() -> Vec<Fact> {
    let by = |actor, outcome, event| Fact {
        actor: Some(actor),
        ..Fact::new(RecordId::from_parts(time(), 0), outcome, event)
    };
    let signed_in = |reason: Option<&'static str>, claims| Event::AuthnOidc {
        issuer: "corp".into(),
        subject: "f3c1a0".into(),
        audience: vec!["sallyport".into()],
        token: digest("header.payload"),
        amr: vec!["pwd".into(), "otp".into()],
        acr: Some("urn:example:mfa".into()),
        auth_time: Some(Timestamp::from_secs(1_795_467_800)),
        flow: Flow::Local,
        key: KEY.into(),
        reason,
        about: BTreeMap::from([("department".into(), "operations".into())]),
        until: reason.is_none().then(|| Timestamp::from_secs(1_795_496_600)),
        claims,
    };
    let somebody = Actor {
        kind: None,
        issuer: String::new(),
        subject: String::new(),
        name: String::new(),
        groups: Vec::new(),
        serial: None,
        key_id: None,
        flow: None,
        ..alice()
    };
    let mut failures = Fact::new(
        RecordId::from_parts(time(), 0),
        Outcome::Failure,
        Event::AuthnSshFailures {
            prefix: "198.51.100.0/24".into(),
            minute: Timestamp::from_secs(1_795_467_840),
            counts: BTreeMap::from([("no_certificate", 212), ("unknown_authority", 3)]),
            first: "198.51.100.9:40022".parse().unwrap(),
            last: "198.51.100.77:51900".parse().unwrap(),
            key_ids: vec!["root".into()],
        },
    );
    failures.actor = None;
    vec![
        by(alice(), Outcome::Success, signed_in(None, Some(Text::new(TEXTS[2])))),
        by(somebody, Outcome::Failure, signed_in(Some("token_expired"), None)),
        by(alice(), Outcome::Success, Event::AuthnSsh { method: "certificate", authority: AUTHORITY.into() }),
        failures,
        by(
            alice(),
            Outcome::Success,
            Event::CertIssued {
                authority: "user",
                serial: 4211,
                key_id: "corp/ZjNjMWEw".into(),
                principals: vec!["corp/ZjNjMWEw".into()],
                valid_after: Timestamp::from_secs(1_795_467_829),
                valid_before: Timestamp::from_secs(1_795_471_489),
                options: vec!["permit-pty".into(), "source-address=203.0.113.7/32".into()],
                key: KEY.into(),
                claims: Some(digest("claims")),
            },
        ),
        by(
            alice(),
            Outcome::Success,
            Event::CertRevoked {
                identity: Some(("https://login.example.com".into(), "f3c1a0".into())),
                serials: vec![4211, 4209],
                reason: Text::new(TEXTS[1]),
            },
        ),
        by(
            alice(),
            Outcome::Success,
            Event::IdentityReinstated {
                identity: ("https://login.example.com".into(), "f3c1a0".into()),
                reason: Text::new(TEXTS[3]),
            },
        ),
    ]
}

fn sessions() -> Vec<Fact> {
    let extent = Extent { frames: 12, plain_bytes: 700_113, stored_bytes: 90_211, root: digest("frames") };
    let end = |reason, exit| Event::SessionEnd {
        reason,
        detail: None,
        bytes_in: 42,
        bytes_out: 700_001,
        exit,
        duration_ms: 61_250,
        masked: BTreeMap::from([("aws-secret-key".into(), 1)]),
    };
    let mut held = in_session(Event::AuthzDecision(decided()), 0);
    held.outcome = Outcome::Hold;
    let mut failed = in_session(Event::RecordingFailed { recording: recording(), extent, reason: "store_full" }, 0);
    failed.outcome = Outcome::Failure;
    let mut decision = in_session(Event::AuthzDecision(decided()), 0);
    decision.outcome = Outcome::Allow;
    let events = BTreeMap::from([("o", 900), ("r", 2)]);
    let mut all = vec![
        in_session(
            Event::SessionStart {
                action: "exec",
                connection: "9c1e".into(),
                pty: false,
                env_dropped: vec!["LD_PRELOAD".into()],
                principal: "corp/MDB1MWFiY2Q".into(),
                recording: recording(),
                jump: None,
            },
            0,
        ),
        in_session(end("finished", Some(Exit::Status(0))), 0),
        in_session(end("finished", Some(Exit::Signal("TERM".into()))), 0),
        in_session(
            Event::UpstreamOpen {
                serial: Some(4212),
                key_id: Some("corp/ZjNjMWEw".into()),
                key_file: false,
                spare: false,
                seen_as: "10.0.0.2".into(),
            },
            0,
        ),
        in_session(Event::UpstreamClose { reason: "finished" }, 0),
        exec(),
        in_session(Event::ChannelShell { term: Some("xterm-256color".into()) }, 0),
        decision,
        held,
        in_session(
            Event::RecordingOpen {
                recording: recording(),
                header: digest("header"),
                format: "asciicast-v2+sallyport1",
                mask: "none".to_owned(),
                kept: None,
            },
            0,
        ),
        in_session(Event::RecordingCommit { recording: recording(), extent }, 0),
        in_session(
            Event::RecordingClose {
                recording: recording(),
                extent,
                duration_us: 61_250_117,
                events,
                reason: "finished",
                exit: Some(Exit::Status(0)),
            },
            0,
        ),
        in_session(Event::RecordingRecovered { recording: recording(), extent }, 0),
        failed,
        in_session(Event::EvidenceViewed { how: "play", session: session() }, 0),
    ];
    for fact in &mut all {
        if matches!(fact.event, Event::RecordingRecovered { .. }) {
            fact.actor = None;
        }
    }
    all
}

fn limits() -> Vec<Fact> {
    let us = |event| Fact::new(RecordId::from_parts(time(), 0), Outcome::Failure, event);
    vec![
        us(Event::SpaceChanged { room: "low", free: 1_073_700_000, total: 21_474_836_480 }),
        us(Event::LimitsRefused {
            since: Timestamp::from_secs(1_795_467_840),
            counts: BTreeMap::from([("disk", 3), ("unauthenticated", 872)]),
        }),
    ]
}

fn in_session(event: Event, number: u128) -> Fact {
    let mut fact =
        Fact::new(RecordId::from_parts(time(), number), Outcome::Success, event).within(session()).towards(TargetRef {
            name: "db1".into(),
            host: "10.0.3.4:22".into(),
            login: "deploy".into(),
            host_key: Some(AUTHORITY.into()),
            labels: BTreeMap::from([("env".into(), "production".into())]),
        });
    fact.actor = Some(alice());
    fact.channel = Some(0);
    fact.refs = vec![RecordId::from_parts(Timestamp::from_secs(1_795_467_830), 5)];
    fact
}

fn decided() -> Decided {
    Decided {
        action: "exec",
        rules: vec![("deploy-production".into(), "permit")],
        errors: Vec::new(),
        policy: digest("policy"),
        schema: digest("schema"),
        context: digest("context"),
        pass: "final",
        engine: "cedar 4.14",
        obligations: vec!["record=full".into()],
        command: Some(Read {
            form: "simple".into(),
            classes: vec!["service".into()],
            elevated: false,
            harmless: false,
        }),
        micros: 18,
    }
}

fn alice() -> Actor {
    Actor {
        kind: Some(Kind::Person),
        issuer: "https://login.example.com".into(),
        subject: "f3c1a0".into(),
        name: "alice@example.com".into(),
        groups: vec!["sre".into()],
        serial: Some(4211),
        key_id: Some("corp/ZjNjMWEw".into()),
        flow: Some(Flow::Local),
        source: Some("203.0.113.7:51122".parse().unwrap()),
        client: Some("SSH-2.0-OpenSSH_10.5".into()),
    }
}

fn session() -> SessionId {
    SessionId::from_parts(time(), 1)
}

fn recording() -> RecordingId {
    RecordingId::from_parts(time(), 2)
}

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

const KEY: &str = "SHA256:uH3JnYkZt9mU4u0Y0w7x2x0u1qkq9oQm6b7a1s2d3f4";
const AUTHORITY: &str = "SHA256:Qw9vE1o4nL2p7Zx3aB5cD8eF0gH6iJ1kL4mN7oP2qRs";

fn bad_day() -> Vec<Fact> {
    let event = Event::StoreRebuilt {
        reason: "damaged",
        aside: Some("store.damaged-20261124T083000Z".into()),
        recordings: 811,
        recordings_lost: 1,
        texts: 4102,
        texts_lost: 0,
    };
    let lost = Event::RecordingLost { recording: recording(), said: 412, frames: 400 };
    let us = |outcome, event| Fact::new(RecordId::from_parts(time(), 0), outcome, event);
    vec![us(Outcome::Failure, lost), us(Outcome::Failure, event)]
}

fn remembered() -> Fact {
    let event = Event::KeyRemembered {
        serial: 4212,
        key_id: "sp1:01KB2R9V6Z7M3N4P5Q6R7S8T9V:alice%40example.com".into(),
        key: KEY.into(),
        valid_before: Timestamp::from_secs(1_795_496_629),
        remembered: true,
    };
    let mut fact = Fact::new(RecordId::from_parts(time(), 0), Outcome::Success, event);
    fact.actor = Some(alice());
    fact
}

fn approval() -> Vec<Fact> {
    let id = || "7F3KQ2MV".to_owned();
    let requested = Event::ApprovalRequested(Requested {
        id: id(),
        digest: digest("request"),
        quorum: 1,
        groups: vec!["sre-leads".into()],
        rules: vec!["hold-production".into()],
        policy: digest("policy"),
        expires: Timestamp::from_secs(1_795_468_789),
        action: "exec",
        command: Some(Text::new(TEXTS[0])),
        reason: None,
        pty: false,
        input: 0,
        open_input: false,
        window: None,
    });
    let voted = Event::ApprovalVoted(Voted {
        id: id(),
        digest: digest("request"),
        vote: "approve",
        comment: Some(Text::new(TEXTS[4])),
    });
    let resolved =
        Event::ApprovalResolved(Resolved { id: id(), digest: digest("request"), state: "granted", reason: "quorum" });
    let used =
        Event::ApprovalUsed(Used { id: id(), digest: digest("request"), approvers: vec!["corp/MDB1MWFiY2Q".into()] });
    let mut all: Vec<_> = [requested, voted, resolved, used].into_iter().map(|event| in_session(event, 0)).collect();
    // Nothing runs before a grant is used: there is no session yet.
    for fact in all.iter_mut().take(3) {
        fact.session = None;
    }
    all
}

/// A session that came through another connection.
fn jumped() -> Fact {
    let jump = Some(Jump { connection: "41d0".into(), originator: "127.0.0.1:65535".into() });
    let start = Event::SessionStart {
        action: "shell",
        connection: "9c1f".into(),
        pty: true,
        env_dropped: Vec::new(),
        principal: "corp/MDB1MWFiY2Q".into(),
        recording: recording(),
        jump,
    };
    in_session(start, 0)
}

/// Why somebody wanted it; and a shell that is held, which has no command.
fn reasons() -> Vec<Fact> {
    let reason = in_session(Event::SessionReason { reason: Text::new(TEXTS[4]) }, 0);
    let requested = Event::ApprovalRequested(Requested {
        id: "7F3KQ2MV".to_owned(),
        digest: digest("request"),
        quorum: 2,
        groups: Vec::new(),
        rules: vec!["hold-shells".into()],
        policy: digest("policy"),
        expires: Timestamp::from_secs(1_795_468_789),
        action: "shell",
        command: None,
        reason: Some(Text::new(TEXTS[4])),
        pty: true,
        input: 0,
        open_input: false,
        window: None,
    });
    let viewed = Event::ApprovalViewed(Viewed { id: "7F3KQ2MV".to_owned(), digest: digest("request") });
    let waiting = [requested, viewed].map(|event| Fact { session: None, ..in_session(event, 0) });
    let notified = |attempts, reason, outcome| {
        let (channel, id) = ("on-call".to_owned(), "7F3KQ2MV".to_owned());
        let event = Event::ApprovalNotified(Notified { channel, event: "approval.requested", id, attempts, reason });
        Fact::new(RecordId::from_parts(time(), 0), outcome, event)
    };
    let told = [notified(3, None, Outcome::Success), notified(9, Some("too late"), Outcome::Failure)];
    [reason].into_iter().chain(waiting).chain(told).collect()
}

fn exported() -> Fact {
    let event = Event::EvidenceExported(Exported {
        from: Timestamp::from_secs(1_782_864_000),
        to: Timestamp::from_secs(1_790_812_800),
        first: 4096,
        end: 81_720,
        root: digest("tree"),
        only_hashes: false,
        control: None,
        sample: None,
    });
    let mut fact = Fact::new(RecordId::from_parts(time(), 0), Outcome::Success, event);
    fact.actor = Some(alice());
    fact
}

fn hidden() -> Fact {
    let applied = Applied {
        recording: recording(),
        rule: "aws-secret-key".into(),
        stream: "stdout",
        count: 1,
        bytes: 40,
        first_us: 812_345,
        last_us: 812_345,
        fingerprints: vec![digest("fingerprint")],
    };
    in_session(Event::MaskApplied(applied), 0)
}

/// Past approval, and looked at afterwards by somebody else.
fn glass() -> [Fact; 2] {
    let id = "7F3KQ2MV".to_owned();
    let broken = Broken {
        id: id.clone(),
        principal: "corp/MDB1MWFiY2Q".into(),
        reason: Text::new(TEXTS[4]),
        alerted: vec!["on-call".into()],
        until: Timestamp::from_secs(1_795_469_689),
    };
    let reviewed = Event::GlassReviewed(Reviewed { id, finding: Text::new(TEXTS[4]) });
    [in_session(Event::GlassBroken(broken), 0), in_session(reviewed, 0)]
}

/// A file that was read whole, a rename, and a removal that was refused.
fn files() -> Vec<Fact> {
    let done = |what, to, read, result| {
        let path = Text::new("/srv/app/release.tar");
        let operation = Operation { what, path, to, read, written: None, result };
        let outcome = operation.outcome();
        Fact { outcome, ..in_session(Event::SftpOperation(operation), 0) }
    };
    let whole = Moved { bytes: 1_048_576, from: 0, sha256: Some(digest("release")), to_end: true };
    vec![
        in_session(Event::ChannelSubsystem { name: "sftp" }, 0),
        done("read", None, Some(whole), "ok"),
        done("rename", Some(Text::new("/srv/app/old.tar")), None, "no such file"),
        done("remove", None, None, "refused"),
    ]
}

fn forwarded() -> Fact {
    let (to, originator) = ("10.0.3.9:5432".to_owned(), "127.0.0.1:51544".to_owned());
    in_session(Event::ChannelForward { to, originator: Some(originator) }, 0)
}

fn lifted() -> Fact {
    let seen = BTreeMap::from([("url-password".into(), 2)]);
    in_session(Event::MaskLifted(Lifted { recording: recording(), seen }), 0)
}

fn to_socket() -> Fact {
    in_session(Event::ChannelForward { to: "/run/app/app.sock".to_owned(), originator: None }, 0)
}

/// Begun, and over.
fn lent() -> [Fact; 2] {
    let to_agent = Passed { to_client: 620, from_client: 534, duration_us: 48_211 };
    [None, Some(to_agent)].map(|ended| lent_to(Loan::Agent, ended))
}

/// The same of a display.
fn shown() -> [Fact; 2] {
    let to_display = Passed { to_client: 18_220, from_client: 9_344, duration_us: 2_048_211 };
    [None, Some(to_display)].map(|ended| lent_to(Loan::Display, ended))
}

fn lent_to(loan: Loan, ended: Option<Passed>) -> Fact {
    in_session(Event::ChannelLent(Lent { loan, number: 0, ended }), 0)
}

/// Asked for, granted with a port of the target's choice; a connection there, and its end.
fn listened() -> [Fact; 4] {
    let listening = |at: &str, is_granted| Event::ChannelListen(Listening { at: at.to_owned(), is_granted });
    let carried = Carried { to_client: 78, from_client: 1256, duration_us: 30_112 };
    let arrived = |ended| {
        let originator = Some("127.0.0.1:42810".to_owned());
        Event::ChannelArrived(Arrived { number: 0, originator, ended })
    };
    let events =
        [listening("localhost:0", false), listening("localhost:40123", true), arrived(None), arrived(Some(carried))];
    events.map(|event| in_session(event, 0))
}

fn unasked() -> Fact {
    let refused = BTreeMap::from([("auth-agent@openssh.com", 1), ("x11", 3)]);
    Fact { outcome: Outcome::Deny, ..in_session(Event::ChannelUnasked(refused), 0) }
}

/// Stamped, and not.
fn anchored() -> [Fact; 2] {
    let token = Token {
        note: b"a checkpoint".to_vec(),
        answer: b"a token".to_vec(),
        time: Timestamp::from_secs(1_795_467_888),
    };
    [(Ok(token), Outcome::Success), (Err("not reached"), Outcome::Failure)].map(|(came, outcome)| {
        let anchored = Anchored { authority: "tsa.example.com".into(), size: 81_700, root: digest("tree"), came };
        Fact::new(RecordId::from_parts(time(), 0), outcome, Event::Anchored(anchored))
    })
}

/// Caught up, and not.
fn copied() -> [Fact; 2] {
    [(Ok(()), Outcome::Success), (Err("not reached"), Outcome::Failure)].map(|(came, outcome)| {
        let copied = Copied { place: "folder", size: 81_700, root: digest("tree"), came };
        Fact::new(RecordId::from_parts(time(), 0), outcome, Event::LogCopied(copied))
    })
}

fn again() -> Fact {
    in_session(Event::UpstreamAgain { serial: 4212, key_id: "corp/ZjNjMWEw".into() }, 1)
}

/// An older copy was brought back.
fn succeeded() -> Fact {
    let before = Succession {
        origin: "bastion.example.com/sallyport/7f3a".into(),
        key: "bastion.example.com/sallyport/7f3a+c7d3a05e+AVW0SVwJ0Yd3tbFGTuvXxKUJEyRbHQZfLpPVu5S5yZ2M".into(),
        size: 81_742,
        root: digest("tree"),
        signature: "x9OgXg==".into(),
        kept: 81_700,
        witnessed: Some(81_745),
        serial: 1_004_212,
    };
    Fact::new(RecordId::from_parts(time(), 0), Outcome::Success, Event::LogSuccessor(before))
}
