//! A line that is written over from its beginning by a longer one: what may still become a secret waits for the longer one, so
//! that its beginning is hidden with it.
//!
//! Only where the second line repeats the first. Any other is decided at once, by what stood there. And a character that rules
//! something out may be a slip of the keys: what follows it says so.

use std::sync::Arc;

use super::Masker;
use super::line::OF_LINE;
use super::rule::Rules;
use super::shape::{Place, Verdict};
use super::view::Spot;

/// Lines under way, each of which repeats the one before it and says more.
#[derive(Clone, Debug, Default)]
pub(super) struct Anew(Vec<Line>);

/// One of them, in cells.
#[derive(Clone, Copy, Debug)]
struct Line {
    begin: usize,
    /// Where in it something has begun.
    open: usize,
    /// Behind its last cell.
    end: usize,
}

impl Anew {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So many cells are gone from the beginning.
    pub(super) fn forget(&mut self, cells: usize) {
        for line in &mut self.0 {
            line.begin = line.begin.saturating_sub(cells);
            line.open = line.open.saturating_sub(cells);
            line.end = line.end.saturating_sub(cells);
        }
    }
}

impl Masker {
    /// The line that is under way will be written over, and in it something has begun that is no secret yet.
    pub(super) fn wait_for_more(&mut self, rules: &Rules) {
        let (begin, end) = (self.start, self.cells.len());
        let open = match self.anew.0.first() {
            None => self.cursor.at,
            Some(first) => begin + (first.open - first.begin),
        };
        let fits = begin <= open && open + LEAST <= end && end - begin <= OF_LINE && self.anew.0.len() < MOST;
        let is_open = |at: usize| matches!(self.spot_at(at, false).verdict(rules), Verdict::More);
        if fits && (open..end.min(open + FAR)).any(is_open) {
            self.anew.0.push(Line { begin, open, end });
        }
    }

    /// Whether what has begun in a line that is written over still waits for the line that does so.
    pub(super) fn waits(&mut self, rules: &Arc<Rules>, is_end: bool) -> bool {
        let (Some(first), Some(last)) = (self.anew.0.first().copied(), self.anew.0.last().copied()) else {
            return false;
        };
        let here = self.text.get(last.end + 1..).unwrap_or_default();
        let so_far = self.text.get(last.begin..last.end).unwrap_or_default();
        let is_same = so_far.iter().zip(here).all(|(before, now)| before == now);
        let held = self.cells.get(first.open).map_or(0, |cell| self.raw.len().saturating_sub(cell.raw));
        if is_same && !is_end && held < self.hold {
            if here.len() <= so_far.len() {
                return true;
            }
            let open = last.end + 1 + (last.open - last.begin);
            for far in 0..(last.end - last.open).min(FAR) {
                let at = open + far;
                match self.spot_at(at, false).verdict(rules) {
                    Verdict::More => return true,
                    Verdict::Found(rule, span) if self.by_chance(rule, at, &span.hidden).is_none() => {
                        self.doomed_by = rule.id.clone();
                        for line in std::mem::take(&mut self.anew.0) {
                            let at = line.open + far;
                            self.mark(at + span.hidden.start, line.end.min(at + span.hidden.end));
                        }
                        break;
                    }
                    Verdict::Found(..) | Verdict::Nothing => {}
                }
            }
        }
        self.anew.0.clear();
        false
    }

    /// The verdict of the next cell; none where the last character alone rules out what had begun: whoever types takes a slip back
    /// at once.
    pub(super) fn but_for_slips<'r>(&self, rules: &'r Rules, spot: &Spot<'_>) -> Option<Verdict<'r>> {
        let so_far = (self.cells.len() - self.cursor.at).saturating_sub(1);
        let text = spot.place.text.get(..so_far).unwrap_or_default();
        let may_be_one = (LEAST..SLIP).contains(&so_far) && self.text.last().is_some_and(u8::is_ascii_graphic);
        if spot.place.is_closed || !may_be_one {
            return Some(spot.verdict(rules));
        }
        // Mostly it was ruled out before it: that stays so.
        let wrap = spot.wrap.filter(|wrap| *wrap <= so_far);
        match (Spot { place: Place { text, ..spot.place }, wrap, ..*spot }.verdict(rules), spot.wrap == wrap) {
            (Verdict::More, _) => Some(spot.verdict(rules)).filter(|verdict| !matches!(verdict, Verdict::Nothing)),
            (verdict, true) => Some(verdict),
            (_, false) => Some(spot.verdict(rules)),
        }
    }
}

/// So much of what had begun at most waits for a slip to be taken back.
pub(super) const SLIP: usize = 160;

/// So much must have come: who sees one character knows little.
const LEAST: usize = 2;

/// So far behind what has begun something else may have begun.
const FAR: usize = 64;

/// So many lines wait at once.
const MOST: usize = 16;
