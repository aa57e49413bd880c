//! Lines as OpenSSH writes them, lines that only look like them, and what is found between both sides.

use super::*;
use crate::domain::RecordId;
use crate::domain::session::SessionId;
use crate::ledger::examples;

const KEY: &str = "ED25519-CERT SHA256:Qw9vE1o4nL2p7Zx3aB5cD8eF0gH6iJ1kL4mN7oP2qRs";

fn line(user: &str, key_id: &str, serial: u64) -> String {
    format!(
        "Accepted publickey for {user} from 10.0.0.2 port 51122 ssh2: {KEY} ID {key_id} (serial {serial}) CA ED25519 SHA256:u9Vs"
    )
}

#[test]
fn a_sign_in_is_read_behind_every_stamp_that_logs_have() {
    let plain = line("deploy", "sp1:01M8:alice%40example.com", 42);
    let stamps = ["", "Nov 28 10:07:35 db1 sshd[812]: ", "2026-11-28T10:07:35.698+00:00 db1 sshd-session[812]: "];
    for stamp in stamps {
        let login = Login::read(&format!("{stamp}{plain}")).unwrap();
        assert_eq!(
            (login.user.as_str(), login.from.as_str(), login.method.as_str()),
            ("deploy", "10.0.0.2", "publickey")
        );
        assert_eq!(login.certificate, Some(("sp1:01M8:alice%40example.com".to_owned(), 42)));
    }
    let key = Login::read("Accepted publickey for root from 10.0.0.9 port 1 ssh2: ED25519 SHA256:abc").unwrap();
    assert_eq!(key.certificate, None);
    let password = Login::read("Nov 28 10:07:35 db1 sshd[8]: Accepted password for root from ::1 port 1 ssh2").unwrap();
    assert_eq!((password.method.as_str(), password.certificate), ("password", None));
    let evil = Login::read(&line("deploy", "x (serial 7) CA y", 42)).unwrap();
    assert_eq!(evil.certificate, Some(("x (serial 7) CA y".to_owned(), 42)));
}

#[test]
fn what_only_looks_like_a_sign_in_is_none() {
    let plain = line("deploy", "x", 42);
    for other in [
        "Accepted certificate ID \"x\" (serial 3) signed by ED25519 CA SHA256:u9 via /etc/ca",
        "Postponed publickey for deploy from 10.0.0.2 port 51122 ssh2 [preauth]",
        "Nov 28 10:07:35 db1 sshd[8]: Invalid user Accepted password for root from 10.0.0.9 port 1",
        "Nov 28 10:07:35 db1 sshd[8]: Failed password for root from 10.0.0.9 port 1 ssh2",
        "Accepted ",
        "",
    ] {
        assert_eq!(Login::read(other), None, "{other}");
    }
    assert_eq!(Login::read(&format!("Nov 28 10:07:35 db1 myapp[8]: sshd[1]: {plain}")), None);
}

/// Records of `examples`: `upstream.open` at db1 as deploy with this serial.
fn opened(serial: u64, session: u128) -> Entry {
    let (_, mut fact) = examples::all().into_iter().find(|(name, _)| name == "upstream.open").unwrap();
    fact.session = Some(SessionId::from_parts(examples::time(), session));
    if let crate::domain::event::Event::UpstreamOpen { serial: own, key_id, .. } = &mut fact.event {
        (*own, *key_id) = (Some(serial), Some(format!("id-{serial}")));
    }
    sealed(fact, serial)
}

fn ended(session: u128) -> Entry {
    let (_, mut fact) = examples::all().into_iter().find(|(name, _)| name == "session.end").unwrap();
    fact.session = Some(SessionId::from_parts(examples::time(), session));
    sealed(fact, 1000)
}

fn sealed(mut fact: crate::domain::event::Fact, seq: u64) -> Entry {
    fact.id = RecordId::from_parts(examples::time(), u128::from(seq));
    let draft =
        entry::encode(&fact, &examples::writer(), &crate::mask::rule::Rules::standard(), || examples::SALT).unwrap();
    entry::decode(&draft.seal(entry::Place { seq, time: examples::time(), adjusted: false })).unwrap()
}

fn reconciled(records: Vec<Entry>, lines: &[String]) -> Report {
    let mut both = Reconciler::new("db1");
    records.iter().for_each(|entry| both.record(entry));
    lines.iter().for_each(|line| both.line(line));
    both.finish()
}

#[test]
fn what_is_on_one_side_only_is_named() {
    let records =
        || vec![opened(10, 1), ended(1), opened(11, 2), ended(2), opened(12, 3), opened(13, 4), opened(20, 5)];
    let of = |serial: u64| line("deploy", &format!("id-{serial}"), serial);
    let agreed = reconciled(records(), &[of(10), of(11), of(13)]);
    assert!(agreed.agrees(), "{agreed:?}");
    // 12 came to no session, 20 may be behind the log's end.
    assert_eq!((agreed.logins, agreed.matched, agreed.outside), (3, 3, 1));
    assert!(agreed.unanswered.len() == 1 && agreed.unanswered[0].contains("serial 12"), "{agreed:?}");

    let vanished = reconciled(records(), &[of(10), of(13)]);
    assert!(!vanished.agrees() && vanished.vanished[0].contains("serial 11"), "{vanished:?}");

    let strange = [
        (line("deploy", "id-99", 99), "no record has this serial"),
        (line("deploy", "other", 11), "another key id"),
        (line("root", "id-11", 11), "is of deploy+db1"),
        (of(10), "this is another with its certificate"),
        ("Accepted password for root from 10.0.0.9 port 1 ssh2".to_owned(), "past the bastion"),
    ];
    for (line, what) in strange {
        let report = reconciled(records(), &[of(10), line, of(13)]);
        assert!(!report.agrees() && report.strangers[0].contains(what), "{what}: {report:?}");
    }
    let elsewhere = {
        let mut both = Reconciler::new("web");
        records().iter().for_each(|entry| both.record(entry));
        both.line(&of(10));
        both.finish()
    };
    assert!(elsewhere.strangers[0].contains("is of deploy+db1"), "{elsewhere:?}");
}
