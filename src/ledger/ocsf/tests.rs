//! Every published example as an event, held against what the classes of OCSF 1.9 demand.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::ledger::entry::{self, Place};
use crate::ledger::examples;
use crate::mask::rule::Rules;
use crate::merkle;

const ORIGIN: &str = "bastion.example.com/sallyport/7f3a";

fn events() -> Vec<(Bytes, Value)> {
    let rules: Arc<Rules> = Rules::standard();
    let all = examples::all().into_iter().enumerate();
    let sealed = all.map(|(seq, (_, fact))| {
        let draft = entry::encode(&fact, &examples::writer(), &rules, || examples::SALT).unwrap();
        draft.seal(Place { seq: seq as u64, time: examples::time(), adjusted: false })
    });
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 1000, root: Digest([7; 32]) };
    sealed.map(|bytes| (bytes.clone(), event(&entry::decode(&bytes).unwrap(), &checkpoint))).collect()
}

/// From events/*.json and objects/*.json of OCSF 1.9: of each class, what must be there and at least one of what.
fn demands(class: u64) -> (&'static [&'static str], &'static [&'static str]) {
    match class {
        1001 => (&["actor", "device", "file"], &[]),
        1007 => (&["actor", "device", "process"], &[]),
        1008 => (&["actor", "device"], &["log_file", "log_name", "log_provider", "log_type", "log_type_id"]),
        2004 | 2006 => (&["finding_info"], &[]),
        3002 => (&["user"], &["service", "dst_endpoint"]),
        3003 => (&["user"], &["privileges", "groups", "iam_roles"]),
        3004 => (&["entity"], &[]),
        4007 => (&[], &["src_endpoint", "dst_endpoint"]),
        6002 => (&["app"], &[]),
        6003 => (&["actor", "api", "src_endpoint"], &[]),
        other => panic!("class {other}"),
    }
}

#[test]
fn every_record_has_what_its_class_demands() {
    for (_, event) in events() {
        let class = event["class_uid"].as_u64().unwrap();
        let (all, any) = demands(class);
        let base = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
        for name in base.iter().chain(all) {
            assert!(!event[name].is_null(), "{name} of {event}");
        }
        assert!(any.is_empty() || any.iter().any(|name| !event[name].is_null()), "{any:?} of {event}");
        assert_eq!(event["category_uid"].as_u64(), Some(class / 1000));
        assert_eq!(event["type_uid"].as_u64(), Some(class * 100 + event["activity_id"].as_u64().unwrap()));
        for user in [&event["user"], &event["actor"]["user"]] {
            assert!(user.is_null() || user["name"].is_string(), "{event}");
        }
        assert_eq!(event["metadata"]["version"], "1.9.0");
        assert!(event["metadata"]["product"]["name"].is_string());
    }
}

#[test]
fn an_event_proves_which_leaf_it_is() {
    for (seq, (bytes, event)) in events().iter().enumerate() {
        let raw = event["raw_data"].as_str().unwrap();
        assert_eq!(raw.as_bytes(), bytes);
        let attestation = &event["attestation_list"][0];
        assert_eq!(attestation["fingerprint"]["value"], merkle::leaf_hash(raw.as_bytes()).to_string());
        assert_eq!(attestation["uid"], format!("{ORIGIN}#{seq}"));
        assert_eq!(event["metadata"]["sequence"], seq);
        assert_eq!(event["unmapped"]["checkpoint"]["size"], 1000);
    }
}

#[test]
fn what_matters_to_a_siem_has_a_class_of_its_own() {
    let others: Vec<String> = events()
        .into_iter()
        .filter(|(_, event)| event["activity_name"] == "Other")
        .map(|(_, event)| event["unmapped"]["kind"].as_str().unwrap().to_owned())
        .collect();
    for known in ["authz.decision", "mask.applied", "approval.voted", "session.start"] {
        assert!(!others.iter().any(|kind| kind == known), "{known}");
    }
}

#[test]
fn a_decision_says_what_the_control_did() {
    let (_, event) = events().into_iter().find(|(_, event)| event["unmapped"]["kind"] == "authz.decision").unwrap();
    let allowed = event["unmapped"]["outcome"] == "allow";
    assert_eq!(event["action_id"], if allowed { 1 } else { 2 });
    assert!(event["privileges"][0].is_string());
}

#[test]
fn a_line_is_printable_ascii_and_the_same_json() {
    let text = "a\u{202e}b\u{1F511}\u{7f}\n\"";
    let written = line(&json!({ "t": text }));
    assert!(written.bytes().all(|b| (0x20..0x7f).contains(&b)), "{written}");
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["t"], text);
}

#[test]
fn an_address_is_taken_apart() {
    assert_eq!(endpoint("203.0.113.7:51122"), json!({ "ip": "203.0.113.7", "port": 51122 }));
    assert_eq!(endpoint("[2001:db8::1]:22"), json!({ "ip": "2001:db8::1", "port": 22 }));
    assert_eq!(endpoint("somewhere"), json!({ "name": "somewhere" }));
}
