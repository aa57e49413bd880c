//! Tables hold against hostile names, and a lot against the shell.

use super::*;

#[track_caller]
fn shown(text: &str, expect: &str) {
    assert_eq!(cell(text), expect);
}

#[test]
fn no_cell_is_run_by_a_terminal_or_a_spreadsheet() {
    shown("alice@example.com", "alice@example.com");
    shown("", "");
    shown("a,b", "\"a,b\"");
    shown("say \"hi\"", "\"say \"\"hi\"\"\"");
    shown("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1");
    shown("@SUM(A1,A2)", "\"'@SUM(A1,A2)\"");
    shown("-2", "'-2");
    shown("a\x1b[2J\r\nb", "a\\u001b[2J\\u000d\\u000ab");
    shown("Jos\u{e9} \u{202e}\u{1f511}", "Jos\\u00e9 \\u202e\\ud83d\\udd11");
    shown("DOM\\bob", "DOM\\\\bob");
}

#[test]
fn every_control_has_kinds_of_its_own_that_exist() {
    let known: Vec<_> = crate::ledger::examples::all().into_iter().map(|(_, fact)| fact.event.kind()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for control in Control::ALL {
        assert_eq!(Control::parse(control.as_str()), Some(control));
        for kind in control.kinds() {
            assert!(known.contains(kind), "{kind} is no kind of record");
            assert!(seen.insert(kind), "{kind} stands in two populations");
        }
    }
    assert_eq!(
        Control::BreakGlass.query(),
        r#"select(.kind == "approval.break_glass" or .kind == "approval.break_glass_reviewed")"#
    );
}

#[test]
fn dates_are_read_in_one_spelling_only() {
    let at = |text| Timestamp::parse(text).unwrap();
    let dates = Dates { from: at("2026-07-01T00:00:00Z"), to: at("2026-10-01T00:00:00Z") };
    assert_eq!(Dates::decode(&dates.encode()), Some(dates));
    assert!(dates.hold(at("2026-07-01T00:00:00Z")) && !dates.hold(at("2026-10-01T00:00:00Z")));
    for other in ["", "\n", "2026-07-01T00:00:00Z 2026-10-01T00:00:00Z\n", "x y\n"] {
        assert_eq!(Dates::decode(other), None, "{other:?}");
    }
}

#[test]
fn a_sample_is_the_same_whatever_the_order_and_another_for_another_seed() {
    // printf '%s:%s' 7 0000…0000 | sha256sum
    let zero = Digest([0; 32]);
    assert_eq!(lot(7, &zero), Digest::of(format!("7:{}", "0".repeat(64)).as_bytes()));
    let leaves: Vec<Digest> = (0..200_u32).map(|number| Digest::of(&number.to_be_bytes())).collect();
    let pick = |seed, reversed: bool| {
        let mut sample = Sample::new(seed, 25);
        let mut order: Vec<_> = leaves.iter().enumerate().collect();
        if reversed {
            order.reverse();
        }
        order.into_iter().for_each(|(index, leaf)| sample.offer(leaf, index));
        sample.into_items().collect::<Vec<_>>()
    };
    assert_eq!(pick(1, false).len(), 25);
    assert_eq!(pick(1, false), pick(1, true));
    assert_ne!(pick(1, false), pick(2, false));
    let mut lots: Vec<_> = leaves.iter().enumerate().map(|(index, leaf)| (lot(1, leaf), index)).collect();
    lots.sort();
    assert_eq!(pick(1, false), lots.iter().take(25).map(|(_, index)| *index).collect::<Vec<_>>());
}
