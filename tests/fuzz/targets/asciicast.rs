#![no_main]
//! Recordings from anywhere: never a panic, and the same events in whatever pieces the text comes.

use libfuzzer_sys::fuzz_target;
use sallyport::recording::Timed;
use sallyport::recording::asciicast::Decoder;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, text) = input;
    let whole = decode(text.chunks(usize::MAX));
    let pieces = decode(text.chunks(usize::from(piece) + 1));
    assert_eq!(whole, pieces);
});

/// The events, and whether the text was good to its end.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Timed>, bool) {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        if decoder.feed(piece, &mut events).is_err() {
            return (events, false);
        }
    }
    let good = decoder.finish(&mut events).is_ok();
    (events, good)
}
