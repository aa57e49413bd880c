//! What a recording may do on a reviewer's terminal: draw.

use proptest::prelude::*;

use super::*;

fn safe(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Drawing::new().feed(bytes, &mut out);
    out
}

#[track_caller]
fn passes(text: &str) {
    assert_eq!(String::from_utf8(safe(text.as_bytes())).unwrap(), text);
}

#[track_caller]
fn becomes(bytes: &[u8], text: &str) {
    assert_eq!(String::from_utf8(safe(bytes)).unwrap(), text);
}

#[test]
fn text_and_what_draws_it_pass() {
    passes("größe €😀 \r\n\t\x08\x0e\x0f");
    passes("\x1b[1;31mred\x1b[38;5;12m\x1b[38:2::1:2:3m\x1b[0m\x1b[m");
    passes("\x1b[H\x1b[2;3H\x1b[2;3f\x1b[5A\x1b[5B\x1b[C\x1b[D\x1b[3E\x1b[3F\x1b[7G\x1b[7`\x1b[7a\x1b[7d\x1b[7e");
    passes("\x1b[J\x1b[2J\x1b[K\x1b[1K\x1b[4X\x1b[2L\x1b[2M\x1b[2P\x1b[2@\x1b[2S\x1b[2T\x1b[5b\x1b[?J");
    passes("\x1b[2;20r\x1b[r\x1b[s\x1b[u\x1b7\x1b8\x1bM\x1bD\x1bE\x1bH\x1b[3g\x1b[I\x1b[Z\x1b[4h\x1b[4l");
    passes("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?25h\x1b[?1049l\x1b[?47h\x1b[2 q\x1b[!p");
    passes("\x1b(0lqqk\x1b(B\x1b)0\x1b#8");
}

#[test]
fn titles_clipboard_and_links_are_dropped() {
    becomes(b"a\x1b]0;title\x07b", "ab");
    becomes(b"a\x1b]2;title\x1b\\b", "ab");
    becomes(b"a\x1b]52;c;cm0gLXJmIC8=\x07b", "ab");
    becomes(b"a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b", "alinkb");
    becomes(b"a\x1b]4;1;?\x07\x1b]10;?\x07\x1b]1337;File=x:AAAA\x07\x1b]777;notify;a;b\x07b", "ab");
    becomes(b"a\x1bktitle\x1b\\b", "ab");
    becomes("a\u{9d}0;title\u{9c}b".as_bytes(), "ab");
}

#[test]
fn device_strings_are_dropped_whole() {
    becomes(b"a\x1bP$qm\x1b\\b", "ab");
    becomes(b"a\x1bP+q544e\x1b\\b", "ab");
    becomes(b"a\x1bP0;1|17/ab\x07still\x1b\\b", "ab");
    becomes(b"a\x1b_Gi=1;AAAA\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d", "abcd");
    becomes("a\u{90}$qm\u{9c}b\u{9f}x\u{9c}c\u{98}x\u{9c}d\u{9e}x\u{9c}e".as_bytes(), "abcde");
}

#[test]
fn whatever_makes_a_terminal_answer_is_dropped() {
    becomes(b"\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1bZ\x05", "");
    becomes(b"\x1b[5n\x1b[6n\x1b[?6n\x1b[?15n", "");
    becomes(b"\x1b[x\x1b[1x\x1b[4$p\x1b[?1$p\x1b[1;1;1;1;9;9*y\x1b[>q\x1b[?u\x1b[?4m\x1b[1\"q\x1b[?1;1;0S", "");
    becomes(b"\x1b[14t\x1b[18t\x1b[21t", "");
    becomes("\u{9b}c\u{9b}6n\u{9a}".as_bytes(), "");
}

#[test]
fn modes_of_keys_mouse_paste_and_windows_are_dropped() {
    becomes(b"\x1b[?1h\x1b=\x1b>\x1b[?66h\x1b[>4;2m\x1b[>1u\x1b[=5u\x1b[<u\x1b[?1034h\x1b[20h\x1b[2h", "");
    becomes(b"\x1b[?9h\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1004h\x1b[?1006h\x1b[?2004h\x1b[1;2;3;4;5T", "");
    becomes(b"\x1b[8;50;200t\x1b[3;0;0t\x1b[22;0t\x1b[?3h\x1b[?1000s\x1b[?1000r\x1b[2;1\"p\x1b[?5W", "");
    becomes(b"\x1b[4i\x1b[5i\x1b[?5i\x1b[1q\x1b[2;1y\x1b%@\x1b%G\x1b F\x1bn\x1bo\x1bN\x1bl", "");
}

#[test]
fn of_several_modes_those_that_draw_remain() {
    becomes(b"\x1b[?1049;1000;25h", "\x1b[?1049h\x1b[?25h");
    becomes(b"\x1b[?1000;2004l", "");
}

#[test]
fn a_full_reset_becomes_a_clear() {
    becomes(b"a\x1bcb", &format!("a{}b", String::from_utf8_lossy(CLEAR)));
}

#[test]
fn bells_flow_control_and_the_erasing_of_scrollback_are_dropped() {
    becomes(b"\x1b[3J\x1b[?3J\x1b[2;3J", "");
    becomes(b"a\x07b\x11c\x13d\0e\x7ff", "abcdef");
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_and_hide_no_control() {
    becomes(b"caf\xe9!", "caf\u{fffd}!");
    becomes(b"\x9b6n", "\u{fffd}6n");
    becomes(b"\xe2\x1b]0;x\x07\x82", "\u{fffd}\u{fffd}");
    becomes(b"\xe2\x82\xe2\x82\xac", "\u{fffd}\u{20ac}");
    becomes(b"\xc0\x9b6n\xed\xa0\x80", "\u{fffd}\u{fffd}6n\u{fffd}\u{fffd}\u{fffd}");
}

#[test]
fn a_broken_sequence_does_not_smuggle_another() {
    becomes(b"\x1b[\x1b[6n", "");
    becomes(b"\x1b]0;\x1b[6n", "");
    becomes(b"\x1b[3\x18 4\x1b[6\x1an", " 4n");
    becomes(b"\x1b[1\r\n;2Hx", "\r\n\x1b[1;2Hx");
    becomes(b"\x1b[1 2q\x1b[?1 h\x1b[99999A\x1b[1<2m", "");
    becomes("\x1b[1é2m".as_bytes(), "é2m");
    becomes(b"\x1b(\x1b[6n\x1b(!!!!!!!!0", "!!!!0");
    becomes(&[b"\x1b[".as_slice(), &[b'1'; 1000], b"mx"].concat(), "x");
}

#[test]
fn a_string_that_never_ends_hides_little() {
    let text = safe(&[b"\x1b]0;".as_slice(), &[b'x'; STRING_LIMIT_BYTES + 100]].concat());
    assert!((50..150).contains(&text.len()), "{}", text.len());
}

#[test]
fn reset_and_clear_are_themselves_harmless() {
    assert_eq!(safe(RESET), RESET);
    assert_eq!(safe(CLEAR), CLEAR);
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        "[0-9;?>!$ \\[\\]Pkcnhlmtq\\\\]{1,6}".prop_map(String::into_bytes),
        Just(b"\x1b".to_vec()),
        Just(b"\x1b[".to_vec()),
        Just(b"\xc2\x9b".to_vec()),
        Just(b"\x1b]0;".to_vec()),
    ];
    proptest::collection::vec(bit, 0..60).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn pieces_do_not_matter(bytes in soup(), size in 1usize..7) {
        let mut drawing = Drawing::new();
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            drawing.feed(piece, &mut out);
        }
        prop_assert_eq!(out, safe(&bytes));
    }

    #[test]
    fn what_is_safe_stays_as_it_is_and_is_utf_8(bytes in soup()) {
        let once = safe(&bytes);
        prop_assert!(std::str::from_utf8(&once).is_ok());
        prop_assert_eq!(safe(&once), once);
    }
}
