//! What masking hides, what it leaves alone, and that pieces and quiet do not matter.

use proptest::prelude::*;

use super::*;

fn every() -> Arc<Rules> {
    static RULES: std::sync::LazyLock<Arc<Rules>> = std::sync::LazyLock::new(|| Arc::new(Rules::new(known())));
    Arc::clone(&RULES)
}

/// Those of a session.
fn default() -> Arc<Rules> {
    static RULES: std::sync::LazyLock<Arc<Rules>> =
        std::sync::LazyLock::new(|| Arc::new(Rules::new(known().filter(|rule| rule.default))));
    Arc::clone(&RULES)
}

fn masked(rules: &Arc<Rules>, width: Width, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Hit>) {
    masked_by(Masker::new(Arc::clone(rules), width), pieces)
}

fn masked_by(mut masker: Masker, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Hit>) {
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
fn a_key_is_hidden_whatever_a_program_wrote_before_each_of_its_lines() {
    let [first, last] = [concat!("-----BEGIN ", "PRIVATE KEY-----"), concat!("-----END ", "PRIVATE KEY-----")];
    let body = "Q7mZ2xL9vB4nT8kR1cW6yH3jF5dS0gPa";
    for margin in
        ["Nov 30 01:02:03 host app[12]: ", "[2026-11-30T01:02:03Z] (web) {a} ", "\u{2502} ", "a[1].pem:", "host;\t"]
    {
        let lines = [first, body, body, last].map(|line| format!("{margin}{line}\n")).concat();
        let masked = text(&format!("{lines}{margin}done\n"));
        assert!(!masked.contains(&body[..8]) && masked.ends_with(&format!("{last}\n{margin}done\n")), "{masked}");
    }
    let code = format!("if (line == \"{first}\") {{ return [b]; }}\n");
    assert!(text(&code).ends_with(") { return [b]; }\n"), "{}", text(&code));
}

#[test]
fn a_word_behind_an_escape_that_nothing_stands_before_is_found_in_whatever_pieces() {
    let input = "\r\n\\nredis-cli -h c -a hunter2 ping   Aa  \r\n";
    for size in [1, 2, 100] {
        let pieces: Vec<&[u8]> = input.as_bytes().chunks(size).collect();
        let out = masked(&default(), Width::Same, &pieces).0;
        assert_eq!(String::from_utf8(out).unwrap(), input.replace("hunter2", "*******"));
    }
}

#[test]
fn a_number_behind_an_escape_begins_behind_it() {
    for before in ["%22number%22%3A%22", "card%3A%20", "pan%3D"] {
        assert_eq!(text(&format!("{before}5555555555554444%22 ")), format!("{before}{}%22 ", "*".repeat(16)));
    }
    // As text in hexadecimal behind an equals sign that is one.
    let hex: String = "password=hunter2xYz99".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text(&format!("x%3D{hex} ")).contains(&hex[20..]));
}

#[test]
fn a_keyword_right_behind_a_name_that_it_is_none_of_leaves_what_follows_in_whatever_pieces() {
    let value = "3f9a7c1eb05d82649e1c7ab340f6d852";
    let stays =
        ["public_key", "Cache-Key", "publi\x1b[0mc key", "{\\\"object_key\\\"", "x%20primarykey", "\u{e9}public_key"];
    let hidden = ["acme_key", "republ_key", "{\\\"acme_key\\\"", "pub\nlic_acme_key"];
    let line = |name: &str, value: &str| format!("{name}: {}{value}\n", if name.contains('"') { "\\\"" } else { "" });
    let lines = |value: &str| -> String { hidden.iter().map(|name| line(name, value)).collect() };
    let other: String = stays.iter().map(|name| line(name, value)).collect();
    for before in ["", "an ordinary line\n", &"an ordinary line ".repeat(400)] {
        let input = format!("{before}{other}{}{other}", lines(value));
        let expected = format!("{before}{other}{}{other}", lines(&"*".repeat(value.len())));
        for size in [1, 2, 3, 7, 61, 200, 4096, 20_000] {
            let pieces: Vec<&[u8]> = input.as_bytes().chunks(size).collect();
            let out = masked(&default(), Width::Same, &pieces).0;
            assert_eq!(String::from_utf8(out).unwrap(), expected, "in pieces of {size}");
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

/// Bytes without an order, the same ones every time.
fn noise(length: usize) -> Vec<u8> {
    let next = |seed: &u32| Some(seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(5_u32), next).skip(1).take(length).map(|seed| seed.to_be_bytes()[0]).collect()
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

fn wide(columns: u16, input: &str) -> String {
    let mut masker = Masker::new(Rules::standard(), Width::Same);
    masker.resize(columns);
    String::from_utf8(masked_by(masker, &[input.as_bytes()]).0).unwrap()
}

#[test]
fn the_right_margin_does_not_break_a_secret_and_other_line_breaks_end_a_value() {
    assert_eq!(wide(12, "PASSWORD=hun\r\nter2\r\n"), "PASSWORD=***\r\n****\r\n");
    assert_eq!(wide(12, "PASSWORD=hun \rter2\r\n"), "PASSWORD=*** \r****\r\n");
    assert_eq!(wide(13, "PASSWORD=hunt\r\nter2\r\n"), "PASSWORD=****\r\n****\r\n");
    assert_eq!(wide(40, "PASSWORD=hunt\r\nter2\r\n"), "PASSWORD=****\r\nter2\r\n");
    // Colours take no column, a character of two bytes takes one.
    assert_eq!(wide(14, "\x1b[1mé PASSWORD=hun\x1b[m\r\nter2\r\n"), "\x1b[1mé PASSWORD=***\x1b[m\r\n****\r\n");
}

#[test]
fn the_right_margin_is_where_a_terminal_shows_it_or_where_characters_are_counted() {
    // Of East Asia two columns, a mark of its own none.
    assert_eq!(wide(18, "密码 PASSWORD=hunt\r\ner2\r\n"), "密码 PASSWORD=****\r\n***\r\n");
    assert_eq!(wide(16, "密码 PASSWORD=hunt\r\ner2\r\n"), "密码 PASSWORD=****\r\n***\r\n");
    assert_eq!(wide(17, "密码 PASSWORD=hunt\r\ner2\r\n"), "密码 PASSWORD=****\r\ner2\r\n");
    assert_eq!(wide(17, "\t密码 PASS\r\nWORD=hunter2\r\n"), "\t密码 PASS\r\nWORD=*******\r\n");
    assert_eq!(wide(14, "e\u{301} PASSWORD=hun\r\nter2\r\n"), "e\u{301} PASSWORD=***\r\n****\r\n");
    assert_eq!(wide(14, "🔑 PASSWORD=hu \rnter2\r\n"), "🔑 PASSWORD=** \r*****\r\n");
    // The same where lines before it pass at once, and 80 columns are guessed.
    let before = ("密".repeat(30) + " SOME OUTPUT OF THE TARGET\r\n").repeat(200);
    let behind = |line: &str| text(&(before.clone() + line)).split_off(before.len());
    let [full, short] = [32, 31].map(|count| "密".repeat(count) + " PASSWORD=hunt1e\r\nr2\r\n");
    assert_eq!(behind(&full), full.replace("hunt1e\r\nr2", "******\r\n**"));
    assert_eq!(behind(&short), short.replace("hunt1e", "******"));
}

#[test]
fn what_stands_at_the_margin_is_found_whether_the_line_goes_on_or_not() {
    let key = concat!("AK", "IA", "Q7MZ2XL9", "VB4NT8KR");
    assert_eq!(wide(20, &format!("{key}\r\nTOTAL\r\n")), format!("{}\r\nTOTAL\r\n", "*".repeat(20)));
    assert_eq!(wide(10, &format!("some-words\r\n{key}\r\n")), format!("some-words\r\n{}\r\n", "*".repeat(20)));
}

#[test]
fn a_step_back_takes_away_a_character_of_any_width() {
    for slip in [
        "x\x08 \x08",
        "é\x08 \x08",
        "密\x08\x08  \x08\x08",
        "密码\x08\x08\x08\x08    \x08\x08\x08\x08",
        "密\u{fe0f}\x08\x08  \x08\x08",
    ] {
        let typed = format!("pass{slip}word=hunter2x\n");
        assert!(!text(&typed).contains("hunter2x"), "{typed:?}: {:?}", text(&typed));
    }
}

#[test]
fn a_step_back_takes_away_what_was_mistyped() {
    assert_eq!(wide(80, "PASSWORDx\x08 \x08=hunter2\r\n"), "PASSWORDx\x08 \x08=*******\r\n");
    assert_eq!(wide(80, "PASSWORD=huntx\x08 \x08er2\r\n"), "PASSWORD=*****\x08 \x08***\r\n");
    assert_eq!(wide(80, "PASSWORD=huntx\x1b[D\x1b[Ker2\r\n"), "PASSWORD=*****\x1b[D\x1b[K***\r\n");
}

#[test]
fn a_secret_that_is_written_over_was_one_all_the_same() {
    let erased = "\x08".repeat(7);
    assert_eq!(wide(80, &format!("PASSWORD=hunter2{erased}ok\r\n")), format!("PASSWORD=*******{erased}ok\r\n"));
    assert_eq!(wide(80, "PASSWORD=hunter2\rPASSWORD=hunter3\r\n"), "PASSWORD=*******\rPASSWORD=*******\r\n");
}

#[test]
fn the_short_beginning_of_a_secret_is_hidden_once_the_line_is_written_anew_and_goes_on() {
    for (input, hidden) in [
        ("ssn 21\rssn 219-09-9999 ok\n", "ssn **\rssn *********** ok\n"),
        (
            "a 41\ra 41111\ra 41111111\x1b[K\ra 4111111111111111\n",
            "a **\ra *****\ra ********\x1b[K\ra ****************\n",
        ),
        ("to: bob@e\rto: bob@example.org\r\n", "to: *****\rto: ***************\r\n"),
    ] {
        assert_eq!(text(input), hidden);
    }
    // Another line, or the same and no more: it was none.
    for input in ["ssn 21\rssn 21\rssn 21 of 30\n", "to: bob\rto: bo\n", "to: bob\rto: alice@e\n", "4111\r4111\r4111"] {
        assert_eq!(text(input), input);
    }
}

#[test]
fn a_slip_that_is_taken_back_at_once_does_not_show_what_was_typed_before_it() {
    for (input, hidden) in [
        ("$ call +33 6 87j\x08 \x080 3718\r\n", "$ call *********\x08 \x08******\r\n"),
        ("$ 4111 h\x1b[D\x1b[K1111 1111 x\x08\x1b[K1111 ok", "$ ******\x1b[D\x1b[K***********\x08\x1b[K**** ok"),
    ] {
        assert_eq!(text(input), hidden);
    }
}

#[test]
fn a_slip_anywhere_in_a_long_token_shows_nothing_of_it_at_a_usual_margin_either() {
    let key = "AGE-SECRET-KEY-1Q7MZ2XL9VB4NT8KR1CW6YH3JF5DS0GPAQ7MZ2XL9VB4NT8KR1CW6YH3JF5";
    for at in 2..key.len() {
        let (before, behind) = key.split_at(at);
        for slip in ["X\x08 \x08", "u\x08 \x08", "X\x08\x1b[K", "u\x1b[D \x1b[D"] {
            let out = text(&format!("[info] using {before}{slip}{behind} for this\r\n"));
            assert!(out.matches('*').count() >= key.len(), "{at}: {out:?}");
        }
    }
}

#[test]
fn a_line_behind_the_right_margin_of_binary_data_is_told_from_it_in_whatever_pieces() {
    let binary = b",session_tmkenEZs.key: p;_-Ap\x19\x19\x19atO DE89passwd(03047044053201300SSg2Ocdhcj7V0ob5OE0\n";
    let rest = b"ssion_tmkenEZs.key: p;_-Apaswd(03047044053201300SSg2Oc and 4jdQMpensCQHKmore\rhvAIc(;1def and more";
    let all = [&binary[..], rest].concat();
    for rules in [default(), every()] {
        let whole = masked(&rules, Width::Same, &[&all]);
        for size in 1..all.len() {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            assert_eq!(masked(&rules, Width::Same, &pieces), whole, "in pieces of {size}");
        }
    }
}

#[test]
fn a_line_that_begins_with_bytes_that_no_terminal_shows_is_binary_in_whatever_pieces() {
    for before in [0, 1, 30, 250, 5000] {
        let line = [
            b"\n".as_slice(),
            &[0; 7],
            b"3333033333333[KKK5555555255555557",
            &[b'5'; 20],
            b",",
            &[b'5'; 16],
            b"\r\r\x14\x14",
        ];
        let bytes = [b"\xd6\0".repeat(before), line.concat(), b"K\x14".repeat(40)].concat();
        let once = masked(&Rules::standard(), Width::Same, &[&bytes]);
        assert_eq!(once, (bytes.clone(), vec![]), "behind {before}");
        for size in [1, 17, 64, 300] {
            assert_eq!(masked(&Rules::standard(), Width::Same, &bytes.chunks(size).collect::<Vec<_>>()), once);
        }
    }
}

#[test]
fn what_begins_like_a_secret_before_a_return_in_binary_output_is_none() {
    let binary = [&b"\x93\x00\xfe"[..], format!("ghp_{}", "a1B2".repeat(5)).as_bytes(), b"\r\x01rest"].concat();
    let (out, hits) = masked(&every(), Width::Label, &[&binary]);
    assert_eq!((out, hits.len()), (binary, 0));
    // The same on a line of text is hidden as it stands.
    let typed = format!("$ ghp_{}\rrest", "a1B2".repeat(5));
    let (out, hits) = masked(&every(), Width::Label, &[typed.as_bytes()]);
    assert_ne!(out, typed.as_bytes());
    assert_eq!(hits.len(), 1);
}

#[test]
fn escapes_of_urls_and_json_are_undone_for_looking() {
    assert_eq!(text("?x=PASSWORD%3Dhunter2%26y"), "?x=PASSWORD%3D***********");
    assert_eq!(text("{\"l\":\"a\\nPASSWORD=\\\"hunter2\\\"\"}"), "{\"l\":\"a\\nPASSWORD=\\\"*******\\\"\"}");
}

#[test]
fn no_sign_in_a_secret_ends_it_in_quotes_and_few_do_without() {
    let (head, tail) = ("iQnCzzm3iaQ0", "hF82p2G");
    let shown = |line: &str| {
        let shown = text(line);
        shown.contains(head) || shown.contains(tail)
    };
    for name in ["password", "db_passwd", "token", "API_KEY", "client_secret", "access-key", "acmeKey"] {
        for sign in "!#$%^*+-_.~@?&=;:|,/".chars() {
            let value = format!("{head}{sign}{tail}");
            for line in
                [format!("{name} = \"{value}\"\n"), format!("\"{name}\": \"{value}\","), format!("{name}: '{value}'\n")]
            {
                assert!(!shown(&line), "{line}");
            }
            // What may stand behind a value in a line of settings, a command or a URL.
            let is_end = "&=;:|,/".contains(sign);
            assert!(is_end || !shown(&format!("{name}={value}\n")), "{name}={value}");
        }
    }
}

#[test]
fn a_quote_inside_quotes_is_part_of_the_secret() {
    for (before, secret, after) in [
        (r#"{"password":""#, r#"k7\"Qz-m2xR9v"#, r#"","user":"x"}"#),
        (r#"{"password":""#, r#"k7\\"#, r#"","user":"x"}"#),
        (r#"{"password":""#, r#"ab\\\"cd9\"x"#, r#""}"#),
        ("passwd: '", r"don\'t tell 42", "'\n"),
        ("passwd: '", "don''t tell 42", "'\n"),
        (r#"{\"password\": \""#, "hunter2x", r#"\", \"user\": \"y\"}"#),
        // None that ends it follows.
        ("password = \"", "C:hunter2\\", "\"\n"),
    ] {
        let (input, stars) = (format!("{before}{secret}{after}"), "*".repeat(secret.len()));
        for size in [1, 2, 100] {
            let pieces: Vec<&[u8]> = input.as_bytes().chunks(size).collect();
            let shown = String::from_utf8(masked(&default(), Width::Same, &pieces).0).unwrap();
            assert_eq!(shown, format!("{before}{stars}{after}"), "{input}");
        }
    }
}

#[test]
fn base64_and_hexadecimal_are_seen_through_and_digests_stay() {
    let (plain, digest) = (b"user=app PASSWORD=hunter2 ", "3f9a7c1eb05d82649e1c7ab340f6d852");
    let (base64, hex) = (String::from_utf8(in_base64(plain)).unwrap(), String::from_utf8(in_hex(plain)).unwrap());
    assert_eq!(text(&format!("v {base64}\n")), "v dXNlcj1hcHAgUEFTU1dPUkQ9**********A=\n");
    assert_eq!(text(&format!("v 0x{hex}\n")), format!("v 0x{}{}20\n", &hex[..36], "*".repeat(14)));
    assert_eq!(text(&format!("{digest}\n")), format!("{digest}\n"));
}

#[test]
fn a_private_key_in_lines_of_base64_is_hidden_to_its_last_line() {
    let key = [concat!("-----BEGIN ", "PRIVATE KEY-----\n"), &"Q7mZ2xL9vB4nT8kR1cW6yH3jF5dS0gPa\n".repeat(6)].concat();
    let lines: Vec<String> =
        in_base64(key.as_bytes()).chunks(76).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    let shown = text(&format!("{}\nls\nplain words\n", lines.join("\n")));
    assert!(shown.ends_with("*\nls\nplain words\n") || shown.ends_with("=\nls\nplain words\n"), "{shown}");
    assert!(lines.iter().all(|line| !shown.contains(line.as_str())), "{shown}");
}

#[test]
fn a_key_in_lines_of_base64_is_hidden_wherever_the_pieces_end() {
    let key = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        "Q7mZ2xL9vB4nT8kR1cW6yH3j".repeat(20)
    );
    let lines: Vec<u8> = in_base64(key.as_bytes()).chunks(76).flat_map(|line| [line, b"\n"].concat()).collect();
    let whole = masked(&Rules::standard(), Width::Same, &[&lines]);
    assert!(whole.0.iter().all(|byte| matches!(byte, b'*' | b'\n' | b'=')), "{}", String::from_utf8_lossy(&whole.0));
    for cut in 1..lines.len() {
        let (first, rest) = lines.split_at(cut);
        assert_eq!(masked(&Rules::standard(), Width::Same, &[first, rest]), whole, "cut at {cut}");
    }
}

#[test]
fn what_passes_as_plain_text_holds_nothing_that_a_margin_broke() {
    let lines = "a line of a log that is about as long as such lines are, and ends in no secret\n".repeat(8);
    for token in ["AKIAQ7MZ2XL9VB4NT8KR", "https://user:hunter22@example.org/"] {
        for cut in 1..token.len() {
            let (first, rest) = token.split_at(cut);
            let text = format!("{lines}{}{first}\n{rest} and more of it\n{lines}", "x".repeat(79 - cut) + " ");
            let (bytes, hits) = masked(&Rules::standard(), Width::Same, &[text.as_bytes()]);
            assert_eq!(hits.len(), 1, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_token_is_mended_where_a_program_broke_its_line() {
    let token = concat!("gh", "p_", "Q7mZ2xL9vB4nT8kR1cW6", "\n", "yH3jF5dS0gPaWy3k", "\nmore words\n");
    assert_eq!(text(token), format!("{}\n{}\nmore words\n", "*".repeat(24), "*".repeat(16)));
}

#[test]
fn a_number_behind_a_plus_sign_ends_with_its_line_in_whatever_pieces() {
    let input = "+7777\n\x04\x02-\x087777777 x\n+4420\n79460958 and more words behind it\n";
    let bytewise: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
    assert_eq!(masked(&Rules::standard(), Width::Same, &bytewise).0, input.as_bytes());
    assert_eq!(masked(&Rules::standard(), Width::Same, &[input.as_bytes()]).0, input.as_bytes());
}

#[test]
fn a_mended_token_that_is_as_long_as_can_be_ends_with_its_line_in_whatever_pieces() {
    for last in 70..76 {
        let input = format!("x nvapi-{}\n{}\nx tk\n", "jUIjtiTy", "pass".repeat(20).split_at(last).0);
        let once = masked(&default(), Width::Same, &[input.as_bytes()]);
        let bytewise: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        assert_eq!(masked(&default(), Width::Same, &bytewise), once, "{last}");
        assert!(once.0.windows(5).all(|part| part != b"passp"), "{last}");
    }
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
fn a_key_that_a_step_back_ends_is_a_hit_of_its_own_in_whatever_pieces() {
    let key = concat!("-----BEGIN ", "PRIVATE KEY-----\n");
    let input = format!("{key}A\x08ccountName=a;AccountKey={}+/==;x\n", "Q7mZ2xL9vB4nT8kR1cW6yH3j".repeat(3));
    let once = masked(&default(), Width::Same, &[input.as_bytes()]);
    assert_eq!(once.1.iter().map(|hit| hit.length).collect::<Vec<_>>(), [1, 76]);
    for size in [1, 17] {
        assert_eq!(masked(&default(), Width::Same, &input.as_bytes().chunks(size).collect::<Vec<_>>()), once);
    }
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
fn of_an_address_that_quiet_let_go_in_its_name_the_rest_is_hidden() {
    let mut masker = Masker::new(default(), Width::Same);
    masker.resize(80);
    assert_eq!(masker.feed(b"$ mail bob").bytes, b"$ mail ");
    assert!(masker.holds_a_word());
    assert_eq!(masker.release().bytes, b"bob");
    let rest = masker.feed(b"@example.org \n");
    assert_eq!(rest.bytes, b"************ \n");
    assert_eq!(rest.hits, [Hit { rule: "email".into(), offset: 10, length: 12 }]);
}

#[test]
fn what_is_more_than_a_word_waits_as_long_as_anything() {
    for (input, is_word) in [
        ("$ zeitung", true),
        ("$ pas", true),
        ("ghp_", false),
        ("password=h", false),
        ("AKIAQ7MZ", false),
        ("ls ", true),
    ] {
        let mut masker = Masker::new(default(), Width::Same);
        masker.feed(input.as_bytes());
        assert_eq!(masker.holds_a_word(), is_word, "{input}");
    }
}

#[test]
fn an_address_is_hidden_in_text_and_what_looks_like_one_in_binary_data_is_not() {
    let address = b"bob@example.org ";
    for before in [&b"EMAIL=a\0B="[..], b"M\xfcller ", b"\x1b[1;32mto \x1b[0m", b"\x93\xfe\x01\x02\n"] {
        let (out, hits) = masked(&default(), Width::Label, &[before, address]);
        assert_eq!((out, hits.len()), ([before, b"[email] "].concat(), 1));
    }
    let binary = [b"\x93\xfe\x01\x02\xb4\x1f\x80", &address[..]].concat();
    let bytewise: Vec<&[u8]> = binary.chunks(1).collect();
    assert_eq!(masked(&default(), Width::Label, &bytewise), (binary.clone(), vec![]));
    let random = [b"\x93\xfe\x01\x02\xb4\x1f\x80\xb4\xfe\x91\xff\x80\n", &address[..]].concat();
    for size in [1, 5, random.len()] {
        let pieces: Vec<&[u8]> = random.chunks(size).collect();
        assert_eq!(masked(&default(), Width::Label, &pieces), (random.clone(), vec![]));
    }
    let program = b"%s\n\0bug-coreutils@gnu.org\0%s home page: <%s>\n\0";
    assert_eq!(masked(&default(), Width::Label, &[program]), (program.to_vec(), vec![]));
}

#[test]
fn random_bytes_behind_what_looks_like_a_setting_pass_and_a_password_of_another_encoding_does_not() {
    let random = noise(40_000);
    let pieces = random.chunks(100).zip([&b"PWD="[..], b"psk="].into_iter().cycle());
    let binary: Vec<u8> = pieces.flat_map(|(piece, begun)| [piece, begun].concat()).collect();
    let (out, hits) = masked(&default(), Width::Label, &[&binary]);
    // Of 400 places; few random bytes look like text.
    assert!(hits.len() <= 4, "{hits:?}");
    let bytewise: Vec<&[u8]> = binary.chunks(1).collect();
    assert!(masked(&default(), Width::Label, &bytewise) == (out, hits));
    for password in [&b"M\xfcller-1"[..], b"p\xc1\xd2\xcf\xcc\xd81", b"hunter2\xff\xff\xff\xff\xff"] {
        let (out, _) = masked(&default(), Width::Label, &[b"\xf0\xd2\xc9 PWD=", password, b"\n"]);
        assert_eq!(out, b"\xf0\xd2\xc9 PWD=[pwd-assign]\n", "{password:?}");
    }
    let (out, _) = masked(&default(), Width::Same, &[b"\0\x1f\x05\x02\xfe\x01psk=hunter2x\x01\xfe\x93\x02"]);
    assert!(out.starts_with(b"\0\x1f\x05\x02\xfe\x01psk=********"), "{out:?}");
    // A token among the bytes that were taken for a value is one.
    let token = format!("ghp_{}", "a1B2c3D4e5".repeat(4));
    let (binary, last) = (b"\x93\x01\xfe\x02".repeat(5), b"\xb4/");
    let all: [&[u8]; 6] = [&binary, b" PWD=", &binary, last, &token.as_bytes()[..40], b"\n"];
    let (out, _) = masked(&default(), Width::Label, &all);
    assert!(out.ends_with(b"\xb4/[github-token]\n"), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn names_in_a_program_before_a_byte_that_is_a_return_are_left_alone() {
    let names = b"*flag.FlagSet1\x01\rErrorHandling1\x01\rPrintDefaults1\x00\r*fmt.readRune1\x00\rend";
    assert_eq!(masked(&default(), Width::Label, &[names]), (names.to_vec(), vec![]));
}

#[test]
fn names_in_a_program_behind_bytes_that_are_steps_back_are_left_alone() {
    let names = ["settings", "AuthInfo", "Password", "username", "*[]uint8", "Lstat64x", "sendfile", "cap=Name"];
    let table = |kind: u8| names.iter().flat_map(move |name| [&[kind, 0x08], name.as_bytes()].concat());
    let program: Vec<u8> = (0..3).flat_map(table).cycle().take(20_000).collect();
    let wide =
        [b"1\x081\x08\xdc\x0c\xe4\x0c/\x08/\x08".to_vec(), b";\x08".repeat(30), vec![0; 2]].concat().repeat(1000);
    for bytes in [program, wide] {
        assert_eq!(masked(&default(), Width::Label, &[&bytes]), (bytes.clone(), vec![]));
        assert_eq!(masked(&default(), Width::Label, &bytes.chunks(1000).collect::<Vec<_>>()), (bytes, vec![]));
    }
    // What is typed is not taken for that.
    let typed = b"\0\0password=x\x08hunter2hunter2 ";
    let (shown, hits) = masked(&default(), Width::Label, &[typed]);
    assert_eq!((hits.len(), shown.windows(7).any(|part| part == b"hunter2")), (1, false));
}

#[test]
fn a_word_that_a_line_written_anew_begins_with_is_left_unless_it_looks_random() {
    let progress = b"Loading\rinternationalization\rdone\n";
    assert_eq!(masked(&default(), Width::Label, &[progress]), (progress.to_vec(), vec![]));
}

#[test]
fn what_a_kubernetes_secret_holds_is_hidden_under_whatever_name() {
    let text = "apiVersion: v1\ndata:\n  db-conn: cG9zdGdyZXM6Ly9hcHA6aHVudGVyMkBkYi9h\n  tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\nkind: Secret\n";
    let hidden = text.replace("cG9zdGdyZXM6Ly9hcHA6aHVudGVyMkBkYi9h", &"*".repeat(36));
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    for pieces in [vec![text.as_bytes()], bytes] {
        let (shown, hits) = masked(&default(), Width::Same, &pieces);
        assert_eq!((String::from_utf8(shown).unwrap(), hits.len()), (hidden.clone(), 1));
        assert_eq!(&*hits[0].rule, "kubernetes-secret-data");
    }
    let value = "dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcw==";
    for blanks in [2, 4, 8, 12, 16] {
        let line = format!("{}\"db-conn\": \"{value}\",\n", " ".repeat(blanks));
        for size in [1, 100] {
            let pieces: Vec<&[u8]> = line.as_bytes().chunks(size).collect();
            let is_hidden = !String::from_utf8_lossy(&masked(&default(), Width::Same, &pieces).0).contains(value);
            assert_eq!(is_hidden, [8, 16].contains(&blanks), "as far in as kubectl -o json sets it: {blanks}");
        }
    }
    // Not under another thing's name: a message may be anything.
    let message = b"message: dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcw==\nnote dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcw==\n";
    assert_eq!(masked(&default(), Width::Same, &[message]), (message.to_vec(), vec![]));
}

#[test]
fn two_returns_before_a_line_feed_write_nothing_over() {
    // As apt prints what dpkg has printed.
    let line = "Created symlink /etc/systemd/system/a \u{2192} /lib/systemd/system/getty@.service.\r\r\nCreated symlink b.\r\r\n";
    let bytes: Vec<&[u8]> = line.as_bytes().chunks(1).collect();
    for pieces in [vec![line.as_bytes()], bytes] {
        assert_eq!(masked(&default(), Width::Label, &pieces), (line.as_bytes().to_vec(), vec![]));
    }
    let secret = b"DB_PASSWORD=hunter2\r\r\nx\r\rDB_PASSWORD=hunter2\r\n";
    let shown = masked(&default(), Width::Same, &[secret]).0;
    assert_eq!(shown, b"DB_PASSWORD=*******\r\r\nx\r\rDB_PASSWORD=*******\r\n");
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

#[test]
fn a_flood_of_steps_back_costs_no_more_than_its_bytes_and_what_is_under_way_in_it_is_hidden() {
    // Every character corrected: a person's line, and a token is found in it all the same.
    let token = b"ghp_Q7mZ2xL9vB4nT8kR1cW6yH3jQ7mZ2xL9vB4n";
    let typed: Vec<u8> = token.iter().flat_map(|byte| [b'x', 8, b' ', 8, *byte]).chain(*b"\r\n").collect();
    let lines = typed.repeat(30);
    let seen = |masked: &[u8]| masked.iter().filter(|byte| **byte == b'7').count();
    assert_eq!(seen(&masked(&default(), Width::Same, &[&lines]).0), 0);
    let mut flood = b"00\x08 \x08".repeat(20_000);
    flood.extend(&typed);
    let whole = masked(&default(), Width::Same, &[&flood]);
    for size in [1, 7, 100, 4096] {
        let pieces: Vec<&[u8]> = flood.chunks(size).collect();
        assert!(masked(&default(), Width::Same, &pieces) == whole, "in pieces of {size}");
    }
    let mut masker = Masker::new(default(), Width::Same);
    masker.feed(&flood);
    assert!(masker.credit.0 < Credit::MOST / 2, "it was spent: {:?}", masker.credit);
    masker.feed(&b"plain text\n".repeat(4000));
    assert_eq!(masker.credit.0, Credit::MOST);
}

#[test]
fn text_behind_a_program_in_the_same_base64_is_seen_through_again() {
    let mut plain = b"#!/bin/sh of an installer, with a program behind its text\n".to_vec();
    plain.truncate(57);
    plain.extend(noise(57 * 80));
    plain.extend(b"and then a line of settings PASSWORD=hunter2hunter2\n");
    let lines: Vec<u8> = in_base64(&plain).chunks(76).flat_map(|line| [line, b"\n"].concat()).collect();
    let (masked, hits) = masked(&default(), Width::Same, &[&lines]);
    assert_eq!((hits.len(), masked.len()), (1, lines.len()));
    assert!(masked[..masked.len() - 100] == lines[..lines.len() - 100], "the program is as it was");
}

#[test]
fn what_begins_like_a_token_by_chance_does_not_take_all_of_a_long_base64_text() {
    let mut lines: Vec<u8> = in_base64(&noise(200_000)).chunks(76).flat_map(|line| [line, b"\n"].concat()).collect();
    lines[770 - 7..770 - 2].copy_from_slice(b"/ABSK");
    let hidden: u64 = masked(&default(), Width::Same, &[&lines]).1.iter().map(|hit| hit.length).sum();
    assert!((100..40_000).contains(&hidden), "{hidden}");
}

fn in_base64(text: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text).into_bytes()
}

fn in_hex(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn in_url(text: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| {
        if byte.is_ascii_alphanumeric() { vec![*byte] } else { format!("%{byte:02X}").into_bytes() }
    };
    text.iter().flat_map(escape).collect()
}

/// What terminals and formats put between, over and around the characters of a secret.
const BETWEEN: &[&str] = &[
    "\x1b[31m",
    "\x08",
    "\x08 \x08",
    "\x08\x1b[K",
    "\x1b[3D",
    "\r",
    " \r",
    "\r\n",
    "\x1b]0;t\x07",
    "\0",
    "%3D",
    "%20",
    "%",
    "\\n",
    "\\\"",
    "\\",
    "\\u003d",
    "                                                                               ",
    "\t",
    "\x1b[5C",
    "é",
    "密",
];

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let secrets: Vec<Vec<u8>> = known().flat_map(|rule| rule.hide).map(|parts| parts.concat().into_bytes()).collect();
    let halves = proptest::sample::select(secrets.clone()).prop_flat_map(|secret| {
        let length = secret.len();
        (Just(secret), 0..=length, proptest::sample::select(BETWEEN))
    });
    let part = prop_oneof![
        4 => proptest::sample::select(secrets.clone()),
        2 => halves.clone().prop_map(|(secret, at, between)| {
            let (half, rest) = secret.split_at(at);
            let slip = [half, b"~\x08 \x08", rest].concat();
            let anew = [b"\n", half, b"\r", &secret].concat();
            if between.len() % 2 == 0 { slip } else { anew }
        }),
        4 => halves.prop_map(|(mut secret, at, between)| {
            secret.splice(at..at, between.bytes());
            secret
        }),
        1 => proptest::sample::select(secrets.clone()).prop_map(|secret| in_base64(&secret)),
        1 => proptest::collection::vec(proptest::sample::select(secrets.clone()), 1..4).prop_map(|secrets| {
            in_base64(&secrets.concat()).chunks(60).collect::<Vec<_>>().join(&b'\n')
        }),
        1 => proptest::sample::select(secrets.clone()).prop_map(|secret| in_hex(&secret)),
        1 => proptest::sample::select(secrets).prop_map(|secret| in_url(&secret)),
        1 => proptest::sample::select(BETWEEN).prop_map(|between| between.as_bytes().to_vec()),
        2 => "[a-z =:'\"@/.\\-0-9\n]{0,12}".prop_map(String::into_bytes),
        1 => Just(b"\x1b[31m".to_vec()),
        1 => Just(concat!("-----BEGIN ", "PRIVATE KEY-----\n").as_bytes().to_vec()),
        1 => Just(b"-----END".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(part, 0..12)
}

/// What JSON and URLs escape, and what only looks like it.
const ESCAPED: &[&str] = &[
    "\\\"",
    "\\n",
    "\\\\",
    "\\",
    "\\/",
    "\\u003d",
    "\\u0041KIA",
    "\\u4e2d",
    "%20",
    "%3D",
    "%41KIA",
    "%",
    "%5C",
    "%25",
    "password\\\": \\\"",
];

/// Long stretches of what terminals print and of what they do not.
fn stretches() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let secrets: Vec<Vec<u8>> = known()
        .filter(|rule| rule.default)
        .flat_map(|rule| rule.hide)
        .map(|parts| parts.concat().into_bytes())
        .collect();
    let escaped = proptest::collection::vec((proptest::sample::select(ESCAPED), "[a-z0-9 ]{0,12}"), 0..40);
    let escaped =
        escaped.prop_map(|parts| parts.into_iter().map(|(escape, text)| escape.to_owned() + &text).collect::<String>());
    let coloured = "[a-z ]{0,20}".prop_map(|text| format!("\x1b[1;32m{text}\x1b[0m\x1b[K").into_bytes());
    let part = prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..400),
        3 => proptest::collection::vec(coloured, 0..20).prop_map(|parts| parts.concat()),
        2 => "[ -~]{0,90}\r?\n".prop_map(String::into_bytes),
        2 => escaped.prop_map(String::into_bytes),
        1 => "[a-z ]{0,700}".prop_map(String::into_bytes),
        2 => "[a-z密码é🔑\u{200b}\u{301}\t ]{0,90}\r?\n".prop_map(String::into_bytes),
        2 => proptest::collection::vec(proptest::sample::select(BETWEEN), 0..4).prop_map(|all| all.concat().into_bytes()),
        1 => proptest::collection::vec(proptest::sample::select(&b"\0\x01\x08\x0b\r\n\x1b a%\\\xc3\xa9"[..]), 0..200),
        1 => proptest::sample::select(secrets.clone()).prop_map(|secret| in_url(&secret)),
        2 => (proptest::sample::select(secrets.clone()), any::<proptest::sample::Index>(), any::<bool>()).prop_map(
            |(secret, at, is_url)| {
                let (before, rest) = secret.split_at(at.index(secret.len()));
                let escaped = |byte: &u8| if is_url { format!("%{byte:02X}") } else { format!("\\u{byte:04x}") };
                let escaped = rest.first().map(escaped).unwrap_or_default();
                [before, escaped.as_bytes(), rest.get(1..).unwrap_or_default()].concat()
            }
        ),
        1 => proptest::sample::select(secrets),
    ];
    proptest::collection::vec(part, 0..24)
}

proptest! {
    #[test]
    fn what_is_passed_over_at_once_is_as_byte_by_byte(parts in stretches(), columns in proptest::option::of(60_u16..130)) {
        let whole = parts.concat();
        let fresh = || {
            let mut masker = Masker::new(default(), Width::Label);
            columns.into_iter().for_each(|columns| masker.resize(columns));
            masker
        };
        let bytewise: Vec<&[u8]> = whole.chunks(1).collect();
        let once = masked_by(fresh(), &[&whole]);
        prop_assert_eq!(masked_by(fresh(), &bytewise), once.clone());
        let pieces: Vec<&[u8]> = whole.chunks(333).collect();
        prop_assert_eq!(masked_by(fresh(), &pieces), once);
    }

    #[test]
    fn the_pieces_do_not_matter(parts in pieces(), cuts in proptest::collection::vec(1_usize..40, 1..20), label: bool, columns in proptest::option::of(1_u16..90)) {
        let rules = default();
        let width = if label { Width::Label } else { Width::Same };
        let fresh = || {
            let mut masker = Masker::new(Arc::clone(&rules), width);
            columns.into_iter().for_each(|columns| masker.resize(columns));
            masker
        };
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
        let once = masked_by(fresh(), &[&whole]);
        // Behind much plain text, which is passed over, the same is hidden.
        let behind = masked_by(fresh(), &[&b" .\n".repeat(3000), &whole]);
        prop_assert!(behind.0.ends_with(&masked_by(fresh(), &[b"\n", &whole]).0));
        prop_assert_eq!(masked_by(fresh(), &chunks), once.clone());
        let bytewise: Vec<&[u8]> = whole.chunks(1).collect();
        prop_assert_eq!(masked_by(fresh(), &bytewise), once);
    }

    #[test]
    fn a_short_text_that_is_all_there_is_is_masked_as_a_stream_is(parts in pieces(), at in any::<proptest::sample::Index>(), length in 0_usize..80) {
        let text: Vec<u8> = parts.concat().into_iter().filter(|byte| *byte >= b' ').collect();
        let begin = at.index(text.len() + 1);
        for text in [&text[begin..text.len().min(begin + length)], text.as_slice()] {
            prop_assert_eq!(whole(&every(), Width::Label, text), masked(&every(), Width::Label, &[text]).0);
            prop_assert_eq!(whole(&default(), Width::Same, text), masked(&default(), Width::Same, &[text]).0);
        }
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
