#![no_main]
//! What is recorded reads back byte for byte, in each stream and in order.

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sallyport::domain::session::Stream;
use sallyport::recording::Event;
use sallyport::recording::asciicast::{Decoder, Encoder};

fuzz_target!(|pushed: Vec<(u8, u16, Vec<u8>)>| {
    let mut encoder = Encoder::new();
    let mut text = Vec::new();
    let mut expect = Written::default();
    let mut at = Duration::ZERO;
    for (kind, wait, bytes) in pushed {
        at += Duration::from_micros(wait.into());
        let bytes = Bytes::from(bytes);
        let event = match kind % 3 {
            0 => Event::Output(Stream::Stdout, bytes),
            1 => Event::Output(Stream::Stderr, bytes),
            _ => Event::Input(bytes),
        };
        expect.add(&event);
        encoder.event(at, &event, &mut text);
        if kind >= 250 {
            encoder.settle(&mut text);
            encoder.begin_frame();
        }
    }
    encoder.settle(&mut text);
    let mut events = Vec::new();
    let mut decoder = Decoder::within();
    decoder.feed(&text, &mut events).expect("we wrote it");
    decoder.finish(&mut events).expect("it ends with a line");
    let mut got = Written::default();
    events.iter().for_each(|timed| got.add(&timed.event));
    assert_eq!(got, expect);
});

#[derive(Debug, Default, PartialEq)]
struct Written {
    output: Vec<u8>,
    error: Vec<u8>,
    input: Vec<u8>,
}

impl Written {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Output(Stream::Stderr, bytes) => self.error.extend_from_slice(bytes),
            Event::Output(_, bytes) => self.output.extend_from_slice(bytes),
            Event::Input(bytes) => self.input.extend_from_slice(bytes),
            Event::Resize(_) | Event::Marker(_) => {}
        }
    }
}
