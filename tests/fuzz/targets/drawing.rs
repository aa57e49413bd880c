#![no_main]
//! What a reviewer's terminal is given: text that draws, the same in whatever pieces it came.

use libfuzzer_sys::fuzz_target;
use sallyport::recording::drawing::Drawing;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let whole = draw(bytes.chunks(usize::MAX));
    assert_eq!(whole, draw(bytes.chunks(usize::from(piece) + 1)));
    let text = std::str::from_utf8(&whole).expect("UTF-8");
    // Titles and clipboard (OSC), device strings (DCS, APC, PM, SOS), in both spellings; reports asked for (CSI c, CSI n).
    for never in [
        "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\u{9b}", "\u{9d}", "\u{90}", "\u{9f}", "\x1b[c", "\x1b[6n",
        "\x05",
    ] {
        assert!(!text.contains(never), "{never:?}");
    }
});

fn draw<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut drawing = Drawing::new();
    let mut out = Vec::new();
    pieces.for_each(|piece| drawing.feed(piece, &mut out));
    out
}
