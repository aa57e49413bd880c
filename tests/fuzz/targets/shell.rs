#![no_main]
//! The reader of command lines: any bytes get a verdict, and a harmless one is simple, literal and short of surprises.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sallyport::app::file::commands::commands;
use sallyport::policy::Commands;

static SHIPPED: LazyLock<Commands> = LazyLock::new(|| commands(&[]).expect("the shipped lists load"));

fuzz_target!(|bytes: &[u8]| {
    let reading = SHIPPED.read(bytes, true, false);
    assert!(!(reading.harmless && (reading.elevated || !reading.is_simple())));
    assert_eq!(reading.is_simple(), !reading.argv.is_empty());
    if reading.is_simple() {
        // Its own quoted form says the same words.
        let again = SHIPPED.read(reading.joined().as_bytes(), true, false);
        assert!(again.is_opaque() || again.argv == reading.argv);
        assert!(bytes.is_ascii() && !bytes.iter().any(|b| b"$`".contains(b)) || bytes.iter().any(|b| b"'\\".contains(b)));
    }
    assert!(SHIPPED.read(bytes, false, false).is_opaque());
    let text = String::from_utf8_lossy(bytes);
    for (from, to) in SHIPPED.marks(&text) {
        assert!(text.get(from..to).is_some_and(|word| !word.is_empty()));
    }
});
