//! The state machine of a request, by table.

use super::*;
use crate::domain::identity::{Group, Identity, IssuerName, Means, Shown, SignIn};
use crate::domain::session::Command;
use crate::policy::{Obligations, TTL};

const NOW: i64 = 1_795_467_889;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(NOW + seconds)
}

fn person(name: &str, kind: Kind, groups: &[&str]) -> Arc<Caller> {
    let identity = Identity {
        issuer: IssuerName::parse("corp").unwrap(),
        issuer_url: "https://login.example.com".into(),
        subject: name.into(),
        kind,
        name: name.into(),
        groups: groups.iter().map(|group| Group::configured(group)).collect(),
        claims: Default::default(),
    };
    let sign_in = SignIn {
        record: RecordId::from_parts(at(0), 1),
        at: at(0),
        auth_time: Some(at(0)),
        until: at(3600),
        flow: Flow::Local,
        amr: Vec::new(),
    };
    let certificate = Shown { means: Means::Certificate, serial: 1, key_id: String::new(), valid_before: at(3600) };
    let (source, client) = ("192.0.2.1:1".parse().unwrap(), String::new());
    Arc::new(Caller { identity, sign_in, certificate, source, client })
}

fn lead(name: &str) -> Arc<Caller> {
    person(name, Kind::Person, &["sre-leads"])
}

/// Bob, by another sign-in.
fn bob(auth_time: Option<Timestamp>, flow: Flow) -> Arc<Caller> {
    let mut bob = Caller::clone(&lead("bob"));
    (bob.sign_in.auth_time, bob.sign_in.flow) = (auth_time, flow);
    Arc::new(bob)
}

fn subject() -> Subject {
    Subject {
        target: "db1".into(),
        address: "10.0.3.4:22".into(),
        login: "deploy".into(),
        action: Action::Exec(Command::parse("rm -rf /srv/old").unwrap()),
        environment: vec![("LANG".into(), "C".into())],
        terminal: None,
        input: Bytes::from_static(b"yes\n"),
        open_input: false,
        window: None,
        reason: None,
        rules: vec!["hold-production".into()],
        policy: Digest::of(b"policy"),
    }
}

#[test]
fn a_grant_that_nobody_used_is_given_up_and_one_that_was_used_is_not() {
    let granted = |take: bool| {
        let mut request = request(1);
        let digest = request.digest;
        assert_eq!(request.vote(lead("bob"), &digest, Vote::Approve, at(1)), Ok(State::Granted));
        assert!(!take || request.take());
        (request.lapse(), request.state(), request.take())
    };
    assert_eq!(granted(false), (true, State::Withdrawn, false));
    assert_eq!(granted(true), (false, State::Granted, false));
    let mut open = request(1);
    assert!(open.lapse() && !open.lapse());
}

fn request_of(subject: Subject, quorum: u8, random: u8) -> Request {
    let approver_groups = ["sre-leads".to_owned()].into();
    let obligations = Obligations::default();
    let terms = Terms { quorum, approver_groups, ttl: TTL, obligations, window: None, open_input: false };
    Request::new(Id::from_random(7), lead("alice"), subject, terms, at(0), &[random; 32])
}

pub(in crate::approval) fn request(quorum: u8) -> Request {
    request_of(subject(), quorum, 1)
}

#[test]
fn whoever_may_not_vote_hears_why() {
    let open = request(1);
    let other = Digest::of(b"another");
    let cases = [
        (lead("bob"), open.digest, 0, Ok(())),
        (lead("bob"), open.digest, 899, Ok(())),
        (lead("bob"), open.digest, 900, Err(Fault::NotOpen)),
        (lead("bob"), other, 0, Err(Fault::Changed)),
        (lead("alice"), open.digest, 0, Err(Fault::Oneself)),
        (person("bob", Kind::Person, &["users"]), open.digest, 0, Err(Fault::Group)),
        (bob(Some(at(-600)), Flow::Remote), open.digest, 300, Ok(())),
        (bob(Some(at(-600)), Flow::Local), open.digest, 301, Err(Fault::Stale)),
        (bob(None, Flow::Local), open.digest, 0, Err(Fault::Stale)),
        (bob(Some(at(0)), Flow::Device), open.digest, 0, Err(Fault::Stale)),
        (person("job", Kind::Pipeline, &["sre-leads"]), open.digest, 0, Err(Fault::NoPerson)),
    ];
    for (voter, seen, seconds, expect) in cases {
        assert_eq!(open.check(&voter, &seen, at(seconds)), expect, "{} after {seconds} s", voter.identity.name);
    }
}

#[test]
fn two_have_to_agree_and_one_person_is_not_two() {
    let mut open = request(2);
    let seen = open.digest;
    assert_eq!(open.vote(lead("bob"), &seen, Vote::Approve, at(1)), Ok(State::Open));
    assert_eq!(open.vote(lead("bob"), &seen, Vote::Approve, at(2)), Err(Fault::Twice));
    assert!(!open.take(), "one is not enough");
    assert_eq!(open.vote(lead("carol"), &seen, Vote::Approve, at(3)), Ok(State::Granted));
    assert_eq!(open.vote(lead("dave"), &seen, Vote::Deny, at(4)), Err(Fault::NotOpen));
    assert!(open.take());
    assert!(!open.take(), "a grant is used once");
}

#[test]
fn one_no_is_enough_and_final() {
    let mut open = request(2);
    let seen = open.digest;
    open.vote(lead("bob"), &seen, Vote::Approve, at(1)).unwrap();
    assert_eq!(open.vote(lead("carol"), &seen, Vote::Deny, at(2)), Ok(State::Denied));
    assert!(!open.end(State::Expired) && !open.take());
    assert_eq!(open.state(), State::Denied);
}

#[test]
fn what_has_ended_is_not_granted_any_more() {
    for state in [State::Expired, State::Withdrawn] {
        let mut open = request(1);
        let seen = open.digest;
        assert!(open.end(state));
        assert_eq!(open.vote(lead("bob"), &seen, Vote::Approve, at(1)), Err(Fault::NotOpen));
        assert_eq!(open.state(), state);
    }
}

#[test]
fn a_request_lives_as_long_as_its_terms_say() {
    let terms = Terms { ttl: Duration::from_secs(60), ..request(1).terms };
    let open = Request::new(Id::from_random(7), lead("alice"), subject(), terms, at(0), &[1; 32]);
    assert_eq!(open.expires, at(60));
}

#[test]
fn nothing_of_a_request_changes_without_its_digest() {
    let base = request(1).digest;
    let changed = [
        Subject { target: "db2".into(), ..subject() },
        Subject { address: "10.0.3.5:22".into(), ..subject() },
        Subject { login: "root".into(), ..subject() },
        Subject { action: Action::Exec(Command::parse("rm -rf /srv/old ").unwrap()), ..subject() },
        Subject { action: Action::Exec(Command::parse("").unwrap()), ..subject() },
        Subject { action: Action::Shell, ..subject() },
        Subject { reason: Some("a ticket".into()), ..subject() },
        Subject { open_input: true, ..subject() },
        Subject { window: Some(Window { classes: BTreeSet::new(), span: Duration::from_secs(60) }), ..subject() },
        Subject {
            window: Some(Window { classes: ["x".to_owned()].into(), span: Duration::from_secs(60) }),
            ..subject()
        },
        Subject { reason: Some(String::new()), ..subject() },
        Subject { environment: vec![("LANG".into(), "C.UTF-8".into())], ..subject() },
        Subject { environment: Vec::new(), ..subject() },
        Subject { terminal: Some(String::new()), ..subject() },
        Subject { input: Bytes::from_static(b"yes"), ..subject() },
        Subject { rules: Vec::new(), ..subject() },
        Subject { policy: Digest::of(b"another"), ..subject() },
        // The same bytes, cut differently.
        Subject { target: "db11".into(), address: "0.0.3.4:22".into(), ..subject() },
    ];
    for one in changed {
        assert_ne!(request_of(one.clone(), 1, 1).digest, base, "{one:?}");
    }
    assert_ne!(request_of(subject(), 1, 2).digest, base, "nobody finds it by guessing");
    assert_eq!(request_of(subject(), 1, 1).digest, base);
    let who = lead("alice").identity.principal();
    let again = Subject { rules: Vec::new(), policy: Digest::of(b"another"), ..subject() };
    assert_eq!(subject().likeness(&who), again.likeness(&who), "denied is denied, by whichever rule it was held");
}
