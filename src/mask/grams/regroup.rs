//! Chooses the groups that are on file, for minutes: each text goes to where it adds least, again and again, after some were
//! thrown about.

use super::{COUNT, Group, Sample};

/// The file with the groups of these texts, by where they would be asked in a text.
pub(in crate::mask) fn made(texts: &[Vec<u8>], text: &[u8], attempts: usize) -> String {
    let of = searched(texts, &Sample::new(text), attempts);
    let head = "# Made by `cargo test --release --lib groups_are_made_anew`: see decision 0026.\n";
    let line = |group: usize| {
        let texts = texts.iter().zip(&of).filter(|(_, of)| **of == group).map(|(text, _)| escaped(text));
        texts.collect::<Vec<_>>().join(" ") + "\n"
    };
    head.to_owned() + &(0..COUNT).map(line).collect::<String>()
}

fn escaped(text: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b'!'..=b'[' | b']'..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    text.iter().map(byte).collect()
}

/// Of each text its group: the best of attempts, of which a few begin from nothing and the others with what is near the best.
fn searched(texts: &[Vec<u8>], sample: &Sample, attempts: usize) -> Vec<usize> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        // Xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as usize % below
    };
    let mut best: (u32, Vec<usize>) = (u32::MAX, Vec::new());
    for attempt in 0..attempts {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        (1..order.len()).for_each(|at| order.swap(at, draw(at + 1)));
        let mut of: Vec<Option<usize>> = best.1.iter().copied().map(Some).collect();
        if attempt <= attempts / 16 {
            of = vec![None; texts.len()];
        } else {
            (0..1 + draw(texts.len() / 8)).for_each(|at| of[order[at]] = None);
        }
        let (asked, of) = settled(texts, &order, of, sample);
        if asked <= best.0 {
            best = (asked, of);
        }
    }
    best.1
}

/// Takes texts to where they add least, until none adds less elsewhere. How many places are asked then.
fn settled(texts: &[Vec<u8>], order: &[usize], mut of: Vec<Option<usize>>, sample: &Sample) -> (u32, Vec<usize>) {
    let mut groups = vec![Group::new(sample); COUNT];
    for (text, of) in texts.iter().zip(&of) {
        of.iter().for_each(|of| groups[*of].add(text, sample));
    }
    loop {
        let before = of.clone();
        for at in order {
            let (text, here) = (&texts[*at], of[*at]);
            here.into_iter().for_each(|here| groups[here].remove(text, sample));
            let adds = |group: usize| (groups[group].more(text, sample), groups[group].spread(text));
            let least = (0..COUNT).min_by_key(|group| (adds(*group), Some(*group) != here)).unwrap_or_default();
            groups[least].add(text, sample);
            of[*at] = Some(least);
        }
        if before == of {
            return (groups.iter().map(|group| group.asked).sum(), of.into_iter().flatten().collect());
        }
    }
}
