//! Entries: the published examples, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::domain::Text;
use crate::domain::event::Event;
use crate::ledger::examples;
use crate::mask::rule::Rules;

pub(super) fn sealed(fact: &Fact, seq: u64) -> Bytes {
    let draft = encode(fact, &examples::writer(), &Rules::standard(), || examples::SALT).unwrap();
    draft.seal(Place { seq, time: examples::time(), adjusted: false })
}

fn refusal(json: &str) -> Error {
    decode(&Bytes::copy_from_slice(json.as_bytes())).unwrap_err()
}

/// A good entry as text, with one thing changed.
fn with(old: &str, new: &str) -> String {
    let entry = String::from_utf8(sealed(&examples::exec(), 7).to_vec()).unwrap();
    assert!(entry.contains(old), "{old} in {entry}");
    entry.replacen(old, new, 1)
}

#[test]
fn every_event_is_written_as_its_published_example() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings-schema/examples/events");
    let mut expected = std::collections::BTreeSet::new();
    let mut differing = String::new();
    for (seq, (name, fact)) in examples::all().into_iter().enumerate() {
        let entry = sealed(&fact, seq as u64);
        let published = std::fs::read(folder.join(format!("{name}.json"))).unwrap_or_default();
        if published != entry {
            differing += &format!("==> {name}.json\n{}\n", std::str::from_utf8(&entry).unwrap());
        }
        let read = decode(&entry).unwrap();
        let code = fact.event.code(fact.outcome);
        assert_eq!((read.seq(), read.kind(), read.code()), (seq as u64, fact.event.kind(), code.as_str()));
        expected.insert(format!("{name}.json"));
    }
    assert!(differing.is_empty(), "{} should hold, without a newline at the end:\n{differing}", folder.display());
    let present = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(present.collect::<std::collections::BTreeSet<_>>(), expected);
}

#[test]
fn every_event_has_an_example() {
    let seen: std::collections::BTreeSet<_> =
        examples::all().iter().map(|(_, fact)| examples::ordinal(&fact.event)).collect();
    assert_eq!(seen, (0..examples::EVENTS).collect());
}

#[test]
fn kinds_and_codes_of_the_examples_are_in_the_published_prose_and_schema() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings-schema");
    let prose = std::fs::read_to_string(root.join("EVENTS.md")).unwrap();
    let schema = std::fs::read_to_string(root.join("events.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut codes = std::collections::BTreeMap::new();
    for (_, fact) in examples::all() {
        let (kind, code) = (fact.event.kind(), fact.event.code(fact.outcome));
        let number = code[..6].to_owned();
        assert!(prose.contains(&format!("`{kind}` | {number}")), "EVENTS.md lacks {kind} with {number}");
        let body = &schema["$defs"]["kinds"][kind];
        let entry = decode(&sealed(&fact, 0)).unwrap();
        let written = entry.body().map();
        let described = |name: &String| body["properties"][name].is_object();
        assert!(written.keys().all(described), "the schema lacks {kind} or a field of it: {written:?}");
        let required = body["required"].as_array().unwrap();
        assert!(
            required.iter().all(|name| written.contains_key(name.as_str().unwrap())),
            "{kind} lacks a field: {written:?}"
        );
        assert_eq!(codes.entry(number).or_insert(kind), &kind, "one code, two kinds");
    }
}

#[test]
fn a_sealed_draft_is_the_canonical_form_of_itself() {
    for adjusted in [false, true] {
        for (_, fact) in examples::all() {
            let draft = encode(&fact, &examples::writer(), &Rules::standard(), || examples::SALT).unwrap();
            let bytes = draft.seal(Place { seq: MAX_INTEGER, time: examples::time(), adjusted });
            assert!(bytes.len() <= draft.len());
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes);
            assert_eq!(decode(&bytes).unwrap().adjusted(), adjusted);
        }
    }
}

#[test]
fn an_entry_reads_back_what_was_written() {
    let fact = examples::exec();
    let entry = decode(&sealed(&fact, 7)).unwrap();
    assert_eq!(entry.id(), fact.id);
    assert_eq!(entry.time(), examples::time());
    assert_eq!(entry.outcome(), fact.outcome);
    assert_eq!(entry.session(), fact.session);
    assert_eq!(entry.channel(), fact.channel);
    assert_eq!(entry.refs(), fact.refs);
    assert_eq!(entry.actor().text("type"), Some("user"));
    assert_eq!(entry.actor().number("cert_serial"), Some(4211));
    assert_eq!(entry.target().unwrap().text("login"), Some("deploy"));
    let (hash, len) = entry.body().payload("command").unwrap();
    let draft = encode(&fact, &examples::writer(), &Rules::standard(), || examples::SALT).unwrap();
    let (stored_hash, stored) = &draft.payloads[0];
    assert_eq!((*stored_hash, len), (hash, 17));
    assert_eq!(Payload::open(&hash, stored).unwrap(), "systemctl restart");
}

#[test]
fn no_text_stands_in_an_entry() {
    for (_, fact) in examples::all() {
        let entry = sealed(&fact, 0);
        let entry = std::str::from_utf8(&entry).unwrap();
        for text in examples::TEXTS {
            assert!(!entry.contains(text), "{text} in {entry}");
        }
    }
}

#[test]
fn what_comes_from_outside_cannot_leave_its_string() {
    let mut fact = examples::exec();
    let name = "eve\",\"seq\":1,\n\u{1b}[2J\u{202e}\u{0}|=";
    fact.actor.as_mut().unwrap().name = name.into();
    let bytes = sealed(&fact, 7);
    assert!(bytes.iter().all(|byte| *byte >= 0x20));
    assert_eq!(decode(&bytes).unwrap().actor().text("name"), Some(name));
}

#[test]
fn a_record_that_is_too_long_is_refused_with_its_size() {
    let mut fact = examples::exec();
    fact.actor.as_mut().unwrap().client = Some("x".repeat(MAX_BYTES));
    let error = encode(&fact, &examples::writer(), &Rules::standard(), || examples::SALT).unwrap_err();
    assert!(matches!(error, Error::TooLong { kind: "channel.exec", bytes } if bytes > MAX_BYTES), "{error}");
}

#[test]
fn a_large_number_is_a_string() {
    let mut fact = examples::exec();
    fact.event = Event::ChannelExec { command: Text::new("x"), length: MAX_INTEGER };
    assert_eq!(decode(&sealed(&fact, 0)).unwrap().body().map()["length"], json!(9_007_199_254_740_991_u64));
    fact.event = Event::ChannelExec { command: Text::new("x"), length: MAX_INTEGER + 1 };
    let entry = decode(&sealed(&fact, 0)).unwrap();
    assert_eq!(entry.body().map()["length"], json!("9007199254740992"));
    assert_eq!(entry.body().number("length"), Some(MAX_INTEGER + 1));
}

#[test]
fn names_sort_by_utf_16_units() {
    // An astral character sorts before U+FF5E by UTF-16 units, after it by code points.
    let mut fact = examples::exec();
    let labels = &mut fact.target.as_mut().unwrap().labels;
    labels.insert("\u{ff5e}".into(), "1".into());
    labels.insert("\u{1f600}".into(), "2".into());
    let bytes = sealed(&fact, 0);
    let entry = std::str::from_utf8(&bytes).unwrap();
    assert!(entry.find('\u{1f600}') < entry.find('\u{ff5e}'));
    decode(&bytes).unwrap();
}

#[test]
fn bytes_that_could_be_read_in_two_ways_are_refused() {
    assert_eq!(refusal(&with("\"seq\":7", "\"seq\":6,\"seq\":7")), Error::NotCanonical);
    assert_eq!(refusal(&with("\"login\":\"deploy\"", "\"login\":\"root\",\"login\":\"deploy\"")), Error::NotCanonical);
    assert_eq!(refusal(&with("\"seq\":7", "\"seq\": 7")), Error::NotCanonical);
    assert_eq!(refusal(&with("deploy", "\\u0064eploy")), Error::NotCanonical);
    assert_eq!(refusal(&format!("{}\n", with("deploy", "deploy"))), Error::NotCanonical);
    assert!(matches!(refusal(&with("deploy", "\\ud800")), Error::Json(_)));
    assert!(matches!(refusal(&format!("{}{{}}", with("deploy", "deploy"))), Error::Json(_)));
    assert!(matches!(refusal(""), Error::Json(_)));
    let bytes = with("deploy", "depl\u{7f}y").replace('\u{7f}', "?").into_bytes();
    let broken: Vec<u8> = bytes.iter().map(|b| if *b == b'?' { 0xff } else { *b }).collect();
    assert!(matches!(decode(&broken.into()).unwrap_err(), Error::Json(_)));
}

#[test]
fn numbers_that_readers_disagree_about_are_refused() {
    for number in ["7.0", "7.5", "-7", "-0", "1e3", "9007199254740992", "18446744073709551616", "1e400"] {
        let error = refusal(&with("\"channel\":0", &format!("\"channel\":{number}")));
        assert!(matches!(error, Error::Number(_) | Error::NotCanonical | Error::Json(_)), "{number}: {error}");
    }
}

#[test]
fn an_envelope_that_does_not_fit_is_refused() {
    let field = |old: &str, new: &str| match refusal(&with(old, new)) {
        Error::Field(name) => name,
        other => panic!("{old} to {new}: {other}"),
    };
    assert_eq!(field("\"v\":1", "\"v\":2"), "v");
    assert_eq!(field("\"v\":1", "\"v\":1,\"x\":1"), "an unknown field");
    assert_eq!(field("\"seq\":7", "\"seq\":\"7\""), "seq");
    assert_eq!(field("\"code\":\"SP", "\"code\":\"XX"), "code");
    assert_eq!(field("\"kind\":\"c", "\"kind\":\"C"), "kind");
    assert_eq!(field("123456Z", "123Z"), "time");
    assert_eq!(field("Z\",\"v\"", "Z\",\"time_adj\":false,\"v\""), "time_adj");
    assert_eq!(field("\"channel\":0", "\"channel\":4294967296"), "channel");
    assert_eq!(field("\"channel\":0", "\"channel\":null"), "channel");
    assert_eq!(field("\"outcome\":\"success\"", "\"outcome\":\"fine\""), "outcome");
    assert_eq!(field("\"session\":\"0", "\"session\":\"!"), "session");
}

#[test]
fn depth_and_length_are_limited_before_parsing() {
    let deep = "[".repeat(20_000);
    assert_eq!(refusal(&deep), Error::TooDeep);
    assert_eq!(refusal(&format!("\"{}\"", "[".repeat(10))), Error::Field("the envelope"));
    assert!(matches!(refusal(&" ".repeat(MAX_BYTES + 1)), Error::TooLong { .. }));
}

#[test]
fn a_payload_opens_only_under_its_own_hash() {
    let payload = Payload::of([9; SALT_BYTES], b"text");
    assert_eq!(Payload::open(&payload.hash, &payload.stored).unwrap(), "text");
    assert_eq!(Payload::open(&Digest::of(b"text"), &payload.stored), None);
    assert_eq!(Payload::open(&Digest::of(b"short"), &Bytes::from_static(b"short")), None);
    assert_ne!(Payload::of([8; SALT_BYTES], b"text").hash, payload.hash);
}

proptest! {
    #[test]
    fn any_strings_make_an_entry_that_reads_back(name in ".{0,200}", client in any::<String>(), label in ".{0,40}", seq in 0..=MAX_INTEGER) {
        let mut fact = examples::exec();
        let actor = fact.actor.as_mut().unwrap();
        actor.name = name.clone();
        actor.client = Some(client.clone());
        fact.target.as_mut().unwrap().labels.insert(label.clone(), name.clone());
        let entry = decode(&sealed(&fact, seq)).unwrap();
        prop_assert_eq!(entry.seq(), seq);
        prop_assert_eq!(entry.actor().text("name").unwrap_or(""), name.as_str());
        prop_assert_eq!(entry.actor().text("client"), Some(client.as_str()));
        prop_assert_eq!(entry.target().unwrap().part("labels").unwrap().text(&label), Some(name.as_str()));
    }

    #[test]
    fn no_bytes_make_decode_stumble(bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<usize>()) {
        let _ = decode(&bytes.clone().into());
        let mut entry = sealed(&examples::exec(), 7).to_vec();
        let at = at % entry.len();
        entry.splice(at..at, bytes);
        let _ = decode(&entry.into());
    }
}
