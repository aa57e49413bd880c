//! What masking hides, what it leaves alone, and that pieces and quiet do not matter.

use proptest::prelude::*;

use super::*;

fn every() -> Arc<Rules> {
    static RULES: std::sync::LazyLock<Arc<Rules>> = std::sync::LazyLock::new(|| Arc::new(Rules::new(known())));
    Arc::clone(&RULES)
}

fn masked(rules: &Arc<Rules>, width: Width, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Hit>) {
    let mut masker = Masker::new(Arc::clone(rules), width);
    let (mut bytes, mut hits) = (Vec::new(), Vec::new());
    let mut add = |part: Masked| {
        bytes.extend(part.bytes);
        hits.extend(part.hits);
    };
    for piece in pieces {
        add(masker.feed(piece));
        assert!(masker.held() <= HOLD);
    }
    add(masker.finish());
    (bytes, hits)
}

fn text(input: &str) -> String {
    String::from_utf8(masked(&every(), Width::Same, &[input.as_bytes()]).0).unwrap()
}

#[test]
fn every_rule_hides_its_examples_and_nothing_else_of_them() {
    for rule in known() {
        let alone = Arc::new(Rules::new([rule.clone()]));
        for [before, secret, after] in &rule.hide {
            let input = format!("{before}{secret}{after}");
            let wanted = format!("{before}{}{after}", secret.replace(|sign| sign != '\n', "*"));
            let (bytes, hits) = masked(&alone, Width::Same, &[input.as_bytes()]);
            assert_eq!(String::from_utf8(bytes).unwrap(), wanted, "{}", rule.id);
            let hit = Hit {
                rule: rule.id.clone(),
                offset: before.len() as u64,
                length: secret.replace('\n', "").len() as u64,
            };
            assert_eq!(hits, [hit]);
            let together = text(&input);
            assert!(!together.contains(secret.as_str()), "{}: hidden alone, not with the others", rule.id);
        }
    }
}

#[test]
fn every_rule_leaves_its_other_examples_alone() {
    for rule in known() {
        let alone = Arc::new(Rules::new([rule.clone()]));
        for input in &rule.keep {
            let (bytes, hits) = masked(&alone, Width::Same, &[input.as_bytes()]);
            assert_eq!((bytes.as_slice(), hits.len()), (input.as_bytes(), 0), "{}: {input}", rule.id);
        }
    }
}

#[test]
fn every_rule_has_a_name_of_its_own_and_examples_of_both_kinds() {
    let ids: std::collections::BTreeSet<_> = known().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), known().count());
    for rule in known() {
        assert!(!rule.hide.is_empty() && !rule.keep.is_empty() && !rule.forms.is_empty(), "{}", rule.id);
    }
}

#[test]
fn ordinary_output_passes_as_it_is() {
    let ordinary = "total 48\r\ndrwxr-xr-x 2 root root 4096 Nov 27 12:21 .\r\n\x1b[32muser@host\x1b[0m:~$ git log\n\
        commit 2a4a416f0c1d7e9b3a5c8d6e4f2b1a0987654321\nhttps://example.org:8443/a?b=c\nPassword: \nuuid \
        550e8400-e29b-41d4-a716-446655440000 1700000000000 10.0.0.1:8080\n";
    let standard = masked(&Rules::standard(), Width::Same, &[ordinary.as_bytes()]);
    assert_eq!(String::from_utf8(standard.0).unwrap(), ordinary);
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    assert_eq!(masked(&every(), Width::Label, &[&binary]).0, binary);
}

#[test]
fn colours_inside_a_secret_do_not_break_it_and_pass() {
    assert_eq!(text("PASSWORD=\x1b[1;31mhunt\x1b[0mer2\x1b[K\r\n"), "PASSWORD=\x1b[1;31m****\x1b[0m***\x1b[K\r\n");
    assert_eq!(text("pass\x1b[1mword=hunter2 x"), "pass\x1b[1mword=******* x");
}

#[test]
fn a_private_key_is_hidden_from_its_first_line_on_without_waiting_for_its_end() {
    let begin = concat!("-----BEGIN OPENSSH ", "PRIVATE KEY-----\n");
    let mut masker = Masker::new(every(), Width::Same);
    assert_eq!(masker.feed(begin.as_bytes()).bytes, begin.as_bytes());
    assert_eq!(masker.feed(b"abcdEFGH12+/\n").bytes, b"************\n");
    assert_eq!(masker.held(), 0);
    assert_eq!(masker.feed(b"abc\n-----").bytes, b"***\n");
    let over = masker.feed(b"END OPENSSH PRIVATE KEY-----\nplain\n");
    assert_eq!(over.bytes, b"-----END OPENSSH PRIVATE KEY-----\nplain\n");
    assert_eq!(over.hits, [Hit { rule: "private-key".into(), offset: begin.len() as u64, length: 15 }]);
}

#[test]
fn quiet_lets_go_what_is_held_and_the_rest_is_still_hidden() {
    let mut masker = Masker::new(every(), Width::Same);
    assert_eq!(masker.feed(b"$ gh").bytes, b"$ ");
    assert_eq!(masker.release().bytes, b"gh");
    assert_eq!(masker.release().bytes, b"");
    let rest = masker.feed(concat!("p_", "Q7mZ2xL9vB4nT8kR1cW6yH3jF5dS0gPaWy3k", "\n").as_bytes());
    assert_eq!(rest.bytes, format!("{}\n", "*".repeat(38)).as_bytes());
    assert_eq!(rest.hits, [Hit { rule: "github-token".into(), offset: 4, length: 38 }]);
}

#[test]
fn what_is_a_secret_as_it_stands_is_hidden_when_the_input_goes_quiet() {
    let mut masker = Masker::new(every(), Width::Same);
    assert_eq!(masker.feed(b"password=hunter2").bytes, b"");
    assert_eq!(masker.release().bytes, b"password=*******");
    assert_eq!(masker.feed(b"more\n").bytes, b"****\n");
}

#[test]
fn an_endless_token_is_hidden_as_it_passes_and_little_is_held() {
    let rules = every();
    let endless = [b"password=".as_slice(), &[b'a', b'1'].repeat(50_000)].concat();
    let pieces: Vec<&[u8]> = endless.chunks(700).collect();
    let (bytes, hits) = masked(&rules, Width::Label, &pieces);
    assert_eq!((bytes.as_slice(), hits.len()), (b"password=[password-assign]".as_slice(), 1));
    for hard in [b"-".repeat(50_000), b"\x1b[1m".repeat(20_000), b"-\x1b[1m".repeat(20_000), b"://".repeat(20_000)] {
        let pieces: Vec<&[u8]> = hard.chunks(700).collect();
        assert_eq!(masked(&rules, Width::Same, &pieces).0, hard);
    }
}

#[test]
fn a_hit_never_holds_the_value() {
    let (bytes, hits) = masked(&every(), Width::Label, &[b"password=hunter2\n"]);
    assert_eq!(bytes, b"password=[password-assign]\n");
    assert!(!format!("{hits:?}").contains("hunter2"));
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let secrets: Vec<Vec<u8>> = known().flat_map(|rule| rule.hide).map(|parts| parts.concat().into_bytes()).collect();
    let part = prop_oneof![
        4 => proptest::sample::select(secrets),
        2 => "[a-z =:'\"@/.\\-0-9\n]{0,12}".prop_map(String::into_bytes),
        1 => Just(b"\x1b[31m".to_vec()),
        1 => Just(concat!("-----BEGIN ", "PRIVATE KEY-----\n").as_bytes().to_vec()),
        1 => Just(b"-----END".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(part, 0..12)
}

proptest! {
    #[test]
    fn the_pieces_do_not_matter(parts in pieces(), cuts in proptest::collection::vec(1_usize..40, 1..20), label: bool) {
        // By the rules of a session: with those of mail addresses no text is passed over quickly.
        let rules = Rules::standard();
        let width = if label { Width::Label } else { Width::Same };
        let whole = parts.concat();
        let mut rest = whole.as_slice();
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(piece);
            rest = after;
        }
        let once = masked(&rules, width, &[&whole]);
        // Behind much plain text, which is passed over, the same is hidden.
        let behind = masked(&rules, width, &[&b" .\n".repeat(3000), &whole]);
        prop_assert!(behind.0.ends_with(&masked(&rules, width, &[b"\n", &whole]).0));
        prop_assert_eq!(masked(&rules, width, &chunks), once.clone());
        let bytewise: Vec<&[u8]> = whole.chunks(1).collect();
        prop_assert_eq!(masked(&rules, width, &bytewise), once);
    }

    #[test]
    fn quiet_at_any_time_loses_and_invents_nothing(parts in pieces()) {
        let mut masker = Masker::new(every(), Width::Same);
        let mut out = Vec::new();
        for part in &parts {
            out.extend(masker.feed(part).bytes);
            out.extend(masker.release().bytes);
            prop_assert_eq!(masker.held(), 0);
        }
        out.extend(masker.finish().bytes);
        // A star for a character: in ASCII the lengths are equal.
        if parts.concat().is_ascii() {
            prop_assert_eq!(out.len(), parts.concat().len());
        }
    }
}

#[test]
fn the_document_names_every_rule() {
    let document = include_str!("../../docs/MASKING.md");
    for rule in known() {
        assert!(document.contains(&format!("`{}`", rule.id)), "docs/MASKING.md lacks `{}`", rule.id);
    }
}

#[test]
fn a_rule_may_say_what_stands_where_a_secret_stood() {
    let number = concat!("4111", "1111", "1111", "1111");
    let card = known().find(|rule| &*rule.id == "credit-card").unwrap();
    let rules = |shown| Arc::new(Rules::new([rule::Rule { shown, ..card.clone() }]));
    let shown = |shown, width| String::from_utf8(masked(&rules(shown), width, &[number.as_bytes()]).0).unwrap();
    assert_eq!(shown(Shown::LastFour, Width::Same), "************1111");
    assert_eq!(shown(Shown::LastFour, Width::Label), "[credit-card]1111");
    assert_eq!(shown(Shown::Label, Width::Same), "[credit-card]");
}
