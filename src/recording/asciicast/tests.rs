//! What is written reads back, exactly; what nobody wrote is refused.

use proptest::prelude::*;

use super::*;
use crate::domain::session::{RecordingId, SessionId};
use crate::domain::{Digest, Timestamp};

const US: Duration = Duration::from_micros(1);

fn out(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stdout, Bytes::copy_from_slice(bytes))
}

fn err(bytes: &[u8]) -> Event {
    Event::Output(Stream::Stderr, Bytes::copy_from_slice(bytes))
}

fn input(bytes: &[u8]) -> Event {
    Event::Input(Bytes::copy_from_slice(bytes))
}

/// The text of `events`, a microsecond apart.
fn encode(events: &[Event]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut text = Vec::new();
    for (event, n) in events.iter().zip(1..) {
        encoder.event(US * n, event, &mut text);
    }
    encoder.settle(&mut text);
    text
}

fn decode(text: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::within();
    let mut events = Vec::new();
    decoder.feed(text, &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    events.into_iter().map(|timed| timed.event).collect()
}

#[track_caller]
fn check(events: &[Event], lines: &str) {
    let text = encode(events);
    assert_eq!(String::from_utf8(text.clone()).unwrap(), lines);
    assert_eq!(streams(&decode(&text)), streams(events));
}

/// The bytes of each stream, and everything else in order.
fn streams(events: &[Event]) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<Event>) {
    let mut all = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Output(Stream::Stdout, bytes) => all.0.extend_from_slice(bytes),
            Event::Output(Stream::Stderr, bytes) => all.1.extend_from_slice(bytes),
            Event::Input(bytes) => all.2.extend_from_slice(bytes),
            other => all.3.push(other.clone()),
        }
    }
    all
}

#[test]
fn text_is_one_line_each() {
    check(
        &[out("prompt€ ".as_bytes()), input(b"ls\r"), Event::Resize(TerminalSize { cols: 80, rows: 24 })],
        "[0.000001, \"o\", \"prompt€ \"]\n[0.000002, \"i\", \"ls\\r\"]\n[0.000003, \"r\", \"80x24\"]\n",
    );
}

#[test]
fn a_character_split_across_packets_is_joined() {
    check(&[out(b"a\xe2\x82"), out(b"\xac!")], "[0.000001, \"o\", \"a\"]\n[0.000002, \"o\", \"€!\"]\n");
    check(&[out(b"\xe2"), out(b"\x82"), out(b"\xac")], "[0.000003, \"o\", \"€\"]\n");
}

#[test]
fn a_character_that_is_never_finished_is_kept_as_bytes() {
    check(
        &[out(b"a\xe2\x82")],
        "[0.000001, \"o\", \"a\"]\n[0.000001, \"o\", \"\u{fffd}\"]\n[0.000001, \"b\", \"4oI=\"]\n",
    );
}

#[test]
fn a_split_character_does_not_join_another_stream_or_direction() {
    check(
        &[out(b"\xe2"), err(b"\x82"), input(b"\xac")],
        "[0.000001, \"o\", \"\u{fffd}\"]\n[0.000001, \"b\", \"4g==\"]\n\
         [0.000002, \"s\", \"stderr\"]\n[0.000002, \"o\", \"\u{fffd}\"]\n[0.000002, \"b\", \"gg==\"]\n\
         [0.000003, \"i\", \"\u{fffd}\"]\n[0.000003, \"b\", \"rA==\"]\n",
    );
}

#[test]
fn a_marker_does_not_overtake_the_begin_of_a_character() {
    check(
        &[out(b"\xe2"), Event::Marker("exit 0".into())],
        "[0.000001, \"o\", \"\u{fffd}\"]\n[0.000001, \"b\", \"4g==\"]\n[0.000002, \"m\", \"exit 0\"]\n",
    );
}

#[test]
fn text_with_a_few_other_bytes_stays_readable() {
    check(
        &[out(b"caf\xe9 et th\xe9 ok")],
        "[0.000001, \"o\", \"caf\"]\n[0.000001, \"o\", \"\u{fffd} et th\u{fffd}\"]\n\
         [0.000001, \"b\", \"6SBldCB0aOk=\"]\n[0.000001, \"o\", \" ok\"]\n",
    );
}

#[test]
fn a_character_may_begin_after_a_byte_that_is_none() {
    check(
        &[out(b"\xff\xe2\x82"), out(b"\xac")],
        "[0.000001, \"o\", \"\u{fffd}\"]\n[0.000001, \"b\", \"/w==\"]\n[0.000002, \"o\", \"€\"]\n",
    );
}

#[test]
fn a_binary_stretch_is_one_line_that_shows_nothing() {
    let bytes: Vec<u8> = (0..=255).collect();
    let text = String::from_utf8(encode(&[out(&bytes)])).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "[0.000001, \"o\", \"\"]");
    assert!(lines[1].starts_with("[0.000001, \"b\", \"AAEC"));
    assert_eq!(decode(text.as_bytes()), [out(&bytes)]);
}

#[test]
fn zeros_take_four_thirds_of_their_length_and_not_six_times() {
    let text = encode(&[out(&[0; 3000])]);
    assert!(text.len() < 4100, "{}", text.len());
    assert_eq!(decode(&text), [out(&[0; 3000])]);
}

#[test]
fn the_stream_is_named_when_it_changes_and_again_in_each_frame() {
    let mut encoder = Encoder::new();
    let mut text = Vec::new();
    encoder.event(US, &out(b"1"), &mut text);
    encoder.event(US, &err(b"2"), &mut text);
    encoder.event(US, &err(b"3"), &mut text);
    encoder.begin_frame();
    let second = text.len();
    encoder.event(US, &err(b"4"), &mut text);
    encoder.event(US, &out(b"5"), &mut text);
    encoder.begin_frame();
    let third = text.len();
    encoder.event(US, &out(b"6"), &mut text);
    assert_eq!(decode(&text), [out(b"1"), err(b"2"), err(b"3"), err(b"4"), out(b"5"), out(b"6")]);
    assert_eq!(decode(&text[second..third]), [err(b"4"), out(b"5")]);
    assert_eq!(decode(&text[third..]), [out(b"6")]);
    let named = |from: &[u8]| String::from_utf8_lossy(from).matches("\"s\"").count();
    assert_eq!((named(&text[..second]), named(&text[second..third]), named(&text[third..])), (1, 2, 1));
}

#[test]
fn a_recording_without_stderr_never_names_a_stream() {
    let mut encoder = Encoder::new();
    let mut text = Vec::new();
    encoder.event(US, &out(b"1"), &mut text);
    encoder.begin_frame();
    encoder.event(US, &out(b"2"), &mut text);
    assert_eq!(encoder.counts().keys().copied().collect::<Vec<_>>(), ["o"]);
}

#[test]
fn controls_are_escaped_so_that_the_text_is_safe_to_look_at() {
    let shown = |text: &str| {
        let mut out = Vec::new();
        encode::escape(text, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(shown("\u{1b}[1m\"\\\r\n\t\0"), r#"\u001b[1m\"\\\r\n\t\u0000"#);
    assert_eq!(shown("\u{7f}\u{9b}\u{80}\u{9f}"), r"\u007f\u009b\u0080\u009f");
    assert_eq!(shown("\u{a0}£é€😀"), "\u{a0}£é€😀");
}

#[test]
fn times_never_go_backwards() {
    let mut encoder = Encoder::new();
    let mut text = Vec::new();
    encoder.event(US * 2_000_000, &out(b"a"), &mut text);
    encoder.event(US, &out(b"b"), &mut text);
    assert_eq!(String::from_utf8(text).unwrap(), "[2.000000, \"o\", \"a\"]\n[2.000000, \"o\", \"b\"]\n");
}

#[test]
fn a_time_reads_back_to_the_microsecond() {
    for us in [0, 1, 999_999, 1_000_001, 86_400_000_001, 999_999_999_999_999] {
        let text = format!("[{}.{:06}, \"o\", \"\"]", us / 1_000_000, us % 1_000_000);
        assert_eq!(Line::parse(text.as_bytes()).unwrap().at, Duration::from_micros(us));
    }
    for text in ["[-1, \"o\", \"\"]", "[1e300, \"o\", \"\"]"] {
        assert!(Line::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_marker_is_cut_at_its_limit() {
    let text = encode(&[Event::Marker("€".repeat(2000))]);
    assert_eq!(decode(&text), [Event::Marker("€".repeat(MARKER_LIMIT_BYTES / 3))]);
}

#[test]
fn the_longest_piece_makes_a_line_of_less_than_100_kib() {
    for byte in [0, 1, 0x7f, 0xc2, 0xff, b'a', b'"'] {
        let text = encode(&[out(&[byte; PIECE_LIMIT_BYTES])]);
        assert!(text.len() < 100 * 1024, "{byte}: {}", text.len());
    }
}

#[test]
fn text_that_is_no_recording_is_refused() {
    let refused = |text: &str| {
        let mut decoder = Decoder::within();
        let mut events = Vec::new();
        decoder.feed(text.as_bytes(), &mut events).and_then(|()| decoder.finish(&mut events)).unwrap_err()
    };
    assert!(matches!(refused("[0.1, \"b\", \"AA==\"]\n"), DecodeError::Orphan));
    assert!(matches!(refused("[0.1, \"m\", \"x\"]\n[0.1, \"b\", \"AA==\"]\n"), DecodeError::Orphan));
    assert!(matches!(refused("[0.1, \"o\", \"\"]\n[0.1, \"b\", \"?\"]\n"), DecodeError::Base64(_)));
    assert!(matches!(refused("[0.1, \"s\", \"stdin\"]\n"), DecodeError::Stream));
    assert!(matches!(refused("[0.1, \"r\", \"80*24\"]\n"), DecodeError::Size));
    assert!(matches!(refused("[0.1, \"o\"]\n"), DecodeError::Json(_)));
    assert!(matches!(refused("[0.1, \"o\", \"a\"]"), DecodeError::Cut));
    assert!(matches!(refused(&"x".repeat(LINE_LIMIT_BYTES + 1)), DecodeError::TooLong));
}

#[test]
fn codes_of_later_versions_are_skipped() {
    assert_eq!(decode(b"[0.1, \"x\", \"0\"]\n\n[0.1, \"o\", \"a\"]\n"), [out(b"a")]);
}

pub(crate) fn header() -> Header {
    let time = Timestamp::from_micros(1_795_467_889_123_456);
    Header {
        size: TerminalSize { cols: 132, rows: 43 },
        time,
        title: Some("alice@example.com on db1".into()),
        term: Some("xterm-256color".into()),
        about: About {
            recording: RecordingId::from_parts(time, 1),
            session: SessionId::from_parts(time, 2),
            principal: "corp/YWxpY2U".into(),
            name: "alice@example.com".into(),
            target: "db1".into(),
            login: "deploy".into(),
            action: "exec".into(),
            command: Some("echo \u{9b}\"\n".into()),
            pty: false,
            bastion: "bastion-1".into(),
            mask: "none".into(),
            kept: None,
            policy: Some(Digest::of(b"policy")),
        },
    }
}

#[test]
fn a_header_reads_back_and_is_one_line_safe_to_look_at() {
    let mut header = header();
    header.about.kept = Some("digest".into());
    let line = header.line().unwrap();
    assert!(line.ends_with(b"}\n") && !line[..line.len() - 1].contains(&b'\n'));
    assert!(!String::from_utf8(line.clone()).unwrap().contains('\u{9b}'));
    let read = Preamble::parse(&line).unwrap();
    assert_eq!(read.about, Some(header.about));
    assert_eq!(read.size, header.size);
    assert_eq!(read.time.map(Timestamp::secs), Some(header.time.secs()));
    assert_eq!((read.title, read.term), (header.title, header.term));
}

#[test]
fn a_header_without_a_terminal_says_what_readers_can_draw_on() {
    let line = Header { size: TerminalSize { cols: 0, rows: 0 }, ..header() }.line().unwrap();
    assert_eq!(Preamble::parse(&line).unwrap().size, TerminalSize { cols: 80, rows: 24 });
}

#[test]
fn headers_of_others_are_read_and_other_versions_are_not() {
    let read = Preamble::parse(br#"{"version": 2, "width": 10, "height": 5, "timestamp": 1.5, "theme": {}}"#).unwrap();
    assert_eq!((read.time, read.about), (Some(Timestamp::from_micros(1_500_000)), None));
    assert!(matches!(Preamble::parse(br#"{"version": 3, "width": 1, "height": 1}"#), Err(HeaderError::Version(3))));
    assert!(matches!(Preamble::parse(b"[]"), Err(HeaderError::Json(_))));
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,40}".prop_map(String::into_bytes),
        // Characters cut anywhere.
        ("[a-z€😀é\u{80}-\u{a0}]{1,30}", 0..30usize).prop_map(|(text, at)| {
            let bytes = text.into_bytes();
            let at = at.min(bytes.len());
            bytes[at..].to_vec()
        }),
        proptest::collection::vec(prop_oneof![Just(0xe2), Just(0x82), Just(0xac), Just(b'a'), Just(0)], 0..100),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => piece().prop_map(|bytes| out(&bytes)),
        3 => piece().prop_map(|bytes| err(&bytes)),
        3 => piece().prop_map(|bytes| input(&bytes)),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Event::Resize(TerminalSize { cols, rows })),
        1 => "\\PC{0,20}".prop_map(Event::Marker),
    ]
}

proptest! {
    #[test]
    fn decoding_gives_back_every_stream_byte_for_byte(
        events in proptest::collection::vec(event(), 0..40),
        frames in proptest::collection::vec(any::<bool>(), 40),
        piece in 1usize..300,
    ) {
        let mut encoder = Encoder::new();
        let mut text = Vec::new();
        for ((event, frame), n) in events.iter().zip(frames).zip(1..) {
            encoder.event(US * n, event, &mut text);
            if frame {
                encoder.begin_frame();
            }
        }
        encoder.settle(&mut text);
        let mut decoder = Decoder::within();
        let mut read = Vec::new();
        for piece in text.chunks(piece) {
            decoder.feed(piece, &mut read).unwrap();
        }
        decoder.finish(&mut read).unwrap();
        prop_assert!(read.is_sorted_by_key(|timed| timed.at));
        let read: Vec<Event> = read.into_iter().map(|timed| timed.event).collect();
        prop_assert_eq!(streams(&read), streams(&events));
    }

    #[test]
    fn the_decoder_survives_anything(text in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut events = Vec::new();
        let _ = Decoder::new().feed(&text, &mut events);
        let _ = Decoder::within().feed(&text, &mut events);
    }
}
