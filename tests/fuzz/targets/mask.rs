#![no_main]
//! Masking: the same in whatever pieces the input came, and never much held back.

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sallyport::mask::rule::Rules;
use sallyport::mask::{Masked, Masker, Width, known};

/// Those of a session, which pass plain text over quickly, and all there are, which cannot. Made once: that takes a hundred times as
/// long as masking a short text.
static RULES: LazyLock<[Arc<Rules>; 2]> = LazyLock::new(|| [Rules::standard(), Arc::new(Rules::new(known()))]);

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    for rules in &*RULES {
        let whole = mask(rules, bytes.chunks(usize::MAX));
        assert_eq!(whole, mask(rules, bytes.chunks(usize::from(piece) + 1)));
    }
});

fn mask<'a>(rules: &Arc<Rules>, pieces: impl Iterator<Item = &'a [u8]>) -> Masked {
    let mut masker = Masker::new(Arc::clone(rules), Width::Same);
    let mut out = Masked::default();
    let mut add = |part: Masked| {
        out.bytes.extend(part.bytes);
        out.hits.extend(part.hits);
    };
    for piece in pieces {
        add(masker.feed(piece));
        assert!(masker.held() <= 4096);
    }
    add(masker.finish());
    out
}
