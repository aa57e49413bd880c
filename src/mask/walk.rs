//! Decides place by place what is hidden, and puts the bytes out in their order.

use std::sync::Arc;

use super::class::Class;
use super::column::Next;
use super::encoded::{self, Begins, Encoded};
use super::escape::Form;
use super::rule::{NAMED, Rule, Rules, Shown};
use super::shape::{Place, Span, Then, Verdict};
use super::view::Spot;
use super::{Hit, Kind, Masked, Masker, Width};

/// How far it is decided.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// As far as it is known.
    Known,
    /// The same, but no further than a secret that ended: there is more text, and much of it may pass at once.
    Hit,
    /// All of it: nothing follows.
    End,
}

impl Masker {
    /// Decides as far as it can be decided.
    pub(super) fn walk(&mut self, until: Until, out: &mut Masked) {
        let rules = Arc::clone(&self.rules);
        let (is_end, hits) = (until == Until::End, out.hits.len());
        loop {
            let goes_on = match self.cursor.then {
                _ if self.cursor.encoded.is_some() => self.encoded(is_end, out),
                Then::Scan => self.scan(&rules, is_end, out),
                Then::Onward(class) => self.onward(class, is_end, out),
                Then::Block(class) => self.block(class, is_end, out),
            };
            if !goes_on || until == Until::Hit && out.hits.len() > hits {
                break;
            }
        }
    }

    /// One place further. Whether there is more to decide.
    fn scan(&mut self, rules: &Arc<Rules>, is_end: bool, out: &mut Masked) -> bool {
        if self.waits(rules, is_end) {
            return false;
        }
        let next = match self.next_of_table(rules, is_end) {
            Next::Plain(next) => next,
            Next::More => return false,
            Next::Hide(count, rule) => {
                if let Some(rule) = rules.at(rule) {
                    // What was stepped back over before it is none of it.
                    self.pass(0, false, out);
                    (self.cursor.rule, self.cursor.shown) = (rule.id.clone(), rule.shown);
                    self.passing.begin(rule.kind);
                    self.pass(count, true, out);
                    self.close(out);
                }
                return true;
            }
        };
        let dull = self.dull_ahead(rules).min(next);
        self.pass(dull, false, out);
        if self.cursor.at >= self.cells.len() {
            return false;
        }
        if dull == next {
            return true;
        }
        let spot = self.spot_at(self.cursor.at, is_end);
        let Some(verdict) = self.but_for_slips(rules, &spot) else {
            return false;
        };
        match verdict {
            Verdict::More => return false,
            Verdict::Nothing => {
                let begins = match self.marks {
                    None => encoded::begins(spot.before(), spot.place.text, spot.place.is_closed),
                    Some(_) => Begins::No,
                };
                match begins {
                    Begins::More => return false,
                    Begins::Yes(kind) => match self.secret_of_a_cluster(rules) {
                        Some(rule) => {
                            (self.cursor.rule, self.cursor.shown) = (rule.id.clone(), rule.shown);
                            self.passing.begin(rule.kind);
                            self.cursor.then = Then::Onward(Class::PLAIN_BASE64);
                        }
                        None => self.cursor.encoded = Some(Encoded::new(kind, rules)),
                    },
                    Begins::No => self.pass(1, false, out),
                }
            }
            Verdict::Found(rule, _) if rule.is_header() => match self.heads_a_table(rules, is_end) {
                None => return false,
                Some(_) => self.pass(1, false, out),
            },
            Verdict::Found(rule, Span { hidden, then }) => {
                if let Some(count) = self.by_chance(rule, self.cursor.at, &hidden) {
                    self.pass(count, false, out);
                    return true;
                }
                (self.cursor.rule, self.cursor.shown) = (rule.id.clone(), rule.shown);
                self.passing.begin(rule.kind);
                // Of a short one the last characters would be too much of it.
                let is_open = rule.shown == Shown::LastFour && then == Then::Scan && hidden.len() >= 12;
                let last = if is_open { 4 } else { 0 };
                let then = match then {
                    Then::Block(class) => Then::Block(class.or(self.margin_of_line())),
                    then => then,
                };
                self.pass_before(hidden.start, out);
                (self.cursor.then, self.cursor.left) = (then, BLOCK_LIMIT);
                self.pass(hidden.len() - last, true, out);
                if then == Then::Scan {
                    self.close(out);
                }
                if last > 0 {
                    self.pass(last, false, out);
                }
            }
        }
        true
    }

    /// What stands in the line before the next cell, if it ends like what programs begin each line with.
    fn margin_of_line(&self) -> Class {
        let at = self.cursor.at;
        let line = self.line_before(at).and_then(|begin| self.text.get(begin..at)).unwrap_or_default();
        let ends = line.last().is_some_and(|last| b" \t:|".contains(last));
        if line.len() <= MARGIN && ends { Class::of(line) } else { Class::default() }
    }

    /// The rule for what a Kubernetes secret holds, if the value of such a line begins here: blanks, a name of any kind, and
    /// text in base64. Keys and certificates are known by what they decode to.
    fn secret_of_a_cluster<'r>(&self, rules: &'r Rules) -> Option<&'r Rule> {
        let at = self.cursor.at;
        let (before, value) = self.text.split_at_checked(at)?;
        // What looks like a wrap may be one.
        let line = before.get(self.line_before(at)?..)?;
        let told = line.trim_ascii_start();
        let json = told.strip_prefix(b"\"").and_then(|told| told.strip_suffix(b"\": \""));
        let name = json.or_else(|| told.strip_suffix(b": "))?;
        let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
        // In JSON, as far in as `kubectl` sets what a secret holds, one of its own or in a list.
        let is_in = match json {
            Some(_) => [8, 16].contains(&(line.len() - told.len())),
            None => line.starts_with(b"  "),
        };
        let is_block = value.starts_with(b"LS0tLS1CRUdJTi");
        let holds = is_in && is_name && !is_block && encoded::is_plain(value);
        if holds { rules.iter().find(|rule| &*rule.id == "kubernetes-secret-data") } else { None }
    }

    /// How many cells surely begin nothing, as their first bytes tell.
    fn dull_ahead(&self, rules: &Rules) -> usize {
        let ahead = self.text.get(self.cursor.at..).unwrap_or_default();
        let mut before = self.before(self.cursor.at);
        // The last byte has no other behind it yet: whoever may begin with it decides.
        let pairs = ahead.iter().zip(ahead.iter().skip(1)).enumerate();
        let is_dull = |(at, (first, second)): &(usize, (&u8, &u8))| {
            let may = rules.may_begin(before, ahead.get(*at..).unwrap_or_default())
                || matches!(first, b'%' | b'\\')
                || matches!(second, b'%' | b'\\')
                || encoded::may_begin(before, **first, **second)
                || self.is_behind_escape(self.cursor.at + at);
            before = Some(**first);
            !may
        };
        // Behind a wrap anything may begin.
        let wrap = self.wraps.iter().find(|wrap| **wrap > self.cursor.at);
        pairs.take(wrap.map_or(usize::MAX, |wrap| wrap - self.cursor.at)).take_while(is_dull).count()
    }

    /// Whether an escape seems to end before a cell: there something may begin that would not behind its last byte.
    pub(super) fn is_behind_escape(&self, at: usize) -> bool {
        let behind = self.behind(at);
        Form::ALL.iter().any(|form| form.before(&behind).is_some())
    }

    /// The three bytes before a cell, as far as they are kept.
    fn behind(&self, at: usize) -> [u8; 3] {
        let mut behind = [0; 3];
        let before = self.text.get(..at).unwrap_or_default().iter().rev();
        behind.iter_mut().rev().zip(before).for_each(|(to, byte)| *to = *byte);
        behind
    }

    /// What stands before a cell; nothing behind a wrap.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        if !self.wraps.is_empty() && self.wraps.contains(&at) {
            return None;
        }
        at.checked_sub(1).map_or(self.first_before, |before| self.text.get(before).copied())
    }

    /// What may be looked at from a cell: no more than may be held back.
    pub(super) fn spot_at(&self, at: usize, is_end: bool) -> Spot<'_> {
        let here = self.cells.get(at..).unwrap_or_default();
        let limit = here.first().map_or(0, |cell| cell.raw + self.hold);
        let inside = here.partition_point(|cell| cell.raw < limit);
        let text = self.text.get(at..at + inside).unwrap_or_default();
        // Of a shorter one its line is all: as much of it is kept.
        let so_far = self.text.get(at.saturating_sub(NAMED)..at).unwrap_or_default();
        let place = Place { before: self.before(at), so_far, text, is_closed: is_end || self.raw.len() >= limit };
        let wrap = self.wraps.iter().find(|wrap| **wrap > at).map(|wrap| wrap - at).filter(|wrap| *wrap <= inside);
        Spot { place, behind: self.behind(at), wrap }
    }

    fn onward(&mut self, class: Class, is_end: bool, out: &mut Masked) -> bool {
        let ahead = self.text.get(self.cursor.at..).unwrap_or_default();
        let (more, all) = (ahead.iter().take_while(|byte| class.has(**byte)).count(), ahead.len());
        self.pass(more, true, out);
        if more == all {
            return false;
        }
        self.cursor.left = self.cursor.left.saturating_sub(more);
        // Broken into lines too, but not for ever: what began like a token by chance does not take a whole archive.
        let is_base64 = class.has(b'+') && class.has(b'/') && self.cursor.left > 0;
        if is_base64 && encoded::is_full_line(self.text.get(..self.cursor.at).unwrap_or_default()) {
            let is_closed = is_end || self.raw.len() - self.cursor.raw >= self.hold;
            match encoded::goes_on(self.text.get(self.cursor.at..).unwrap_or_default(), is_closed) {
                Some(Some(skip)) => {
                    self.pass(skip, true, out);
                    return true;
                }
                Some(None) => {}
                None => return false,
            }
        }
        self.cursor.then = Then::Scan;
        self.close(out);
        true
    }

    fn block(&mut self, class: Class, is_end: bool, out: &mut Masked) -> bool {
        if self.cursor.at >= self.cells.len() {
            self.pass(0, false, out);
            return false;
        }
        let place = self.spot_at(self.cursor.at, is_end).place;
        let begins = BLOCK_END.iter().zip(place.text).all(|(wanted, byte)| wanted == byte);
        if begins && place.text.len() < BLOCK_END.len() && !place.is_closed {
            return false;
        }
        let first = place.text.first().copied().unwrap_or(0);
        let is_over = (begins && place.text.len() >= BLOCK_END.len()) || self.cursor.left == 0 || !class.has(first);
        if is_over {
            self.cursor.then = Then::Scan;
            self.close(out);
            return true;
        }
        self.cursor.left -= 1;
        self.pass(1, !matches!(first, b'\r' | b'\n'), out);
        true
    }

    fn encoded(&mut self, is_end: bool, out: &mut Masked) -> bool {
        let Some(mut encoded) = self.cursor.encoded.take() else {
            return false;
        };
        let is_closed = is_end || self.raw.len() - self.cursor.raw >= self.hold;
        let fates = encoded.read(self.text.get(self.cursor.at..).unwrap_or_default(), is_closed);
        self.passing.forget();
        for fate in fates {
            if fate.is_none() || fate.as_ref() != self.cursor.open.as_ref().map(|open| &open.rule) {
                self.close(out);
            }
            (self.cursor.rule, self.cursor.shown) = (fate.clone().unwrap_or_default(), Shown::Mask);
            self.pass(1, fate.is_some(), out);
        }
        if encoded.is_done() {
            self.close(out);
            // It is not gone back into.
            self.line = self.line.max(self.cursor.at);
            return true;
        }
        self.cursor.encoded = Some(encoded);
        false
    }

    /// So many cells go out with the escapes between them, and those behind them when nothing else waits.
    fn pass(&mut self, count: usize, is_hidden: bool, out: &mut Masked) {
        let until = (self.cursor.at + count).min(self.cells.len());
        // What may be a wrap waits for what follows.
        let all = self.raw.len() - usize::from(self.margin.is_some());
        let end = self.cells.get(until).map_or(all, |cell| cell.raw);
        self.pass_until(until, end, is_hidden, out);
    }

    /// Cells before a secret: what somebody stepped back over behind them goes with the secret.
    fn pass_before(&mut self, count: usize, out: &mut Masked) {
        let until = self.cursor.at + count;
        let last = until.checked_sub(1).filter(|_| count > 0).and_then(|last| self.cells.get(last));
        if let Some(last) = last.copied() {
            self.pass_until(until, last.raw + 1, false, out);
        }
    }

    fn pass_until(&mut self, until: usize, end: usize, is_hidden: bool, out: &mut Masked) {
        let then = self.cursor.then;
        for cell in self.cells.get_mut(self.cursor.at..until).unwrap_or_default() {
            cell.then = then;
        }
        let from = self.cursor.raw.max(self.shown);
        if is_hidden && from > self.cursor.raw {
            self.passing.forget();
        }
        if is_hidden || self.doomed > 0 {
            for at in from..end {
                self.pass_byte(at, is_hidden, out);
            }
        } else if from < end {
            let is_seen = |masker: &Self| masker.kinds.get(from..end).is_some_and(|kinds| kinds.contains(&Kind::Seen));
            if self.cursor.open.is_some() && then == Then::Scan && is_seen(self) {
                self.close(out);
            }
            let passed = self.raw.get(from..end).unwrap_or_default();
            out.bytes.extend_from_slice(passed);
            self.put_out += passed.len() as u64;
            if let Some(marks) = &mut self.marks {
                marks.resize(marks.len() + passed.len(), None);
            }
        }
        let last = until.checked_sub(1).filter(|last| *last >= self.cursor.at).and_then(|last| self.text.get(last));
        self.cursor.before = last.copied().or(self.cursor.before);
        (self.cursor.at, self.cursor.raw) = (until, end.max(self.cursor.raw));
    }

    fn pass_byte(&mut self, at: usize, is_hidden: bool, out: &mut Masked) {
        let (Some(byte), Some(kind)) = (self.raw.get(at).copied(), self.kinds.get(at).copied()) else {
            return;
        };
        match kind {
            Kind::Doomed => {
                self.passing.forget();
                if !is_hidden {
                    (self.cursor.rule, self.cursor.shown) = (self.doomed_by.clone(), Shown::Mask);
                }
                self.cover(byte, out);
            }
            // Lines stay lines.
            Kind::Seen if is_hidden && !matches!(byte, b'\r' | b'\n') => {
                self.passing.add(byte);
                self.cover(byte, out);
            }
            // A blank that takes a character away is no secret, and a star would stay.
            Kind::Erased if is_hidden && byte != b' ' => self.cover(byte, out),
            Kind::Seen | Kind::Erased | Kind::Unseen => {
                if kind == Kind::Seen && !is_hidden && self.cursor.then == Then::Scan {
                    self.close(out);
                }
                self.put(&[byte], out);
            }
        }
    }

    /// What is left goes out as it is.
    pub(super) fn rest(&mut self, out: &mut Masked) {
        let (until, end) = (self.cells.len(), self.raw.len());
        self.pass_until(until, end, false, out);
    }

    fn cover(&mut self, byte: u8, out: &mut Masked) {
        if let Some(marks) = &mut self.marks {
            marks.push(Some(self.cursor.rule.clone()));
            return;
        }
        let is_new = self.cursor.open.is_none();
        let (rule, offset) = (self.cursor.rule.clone(), self.put_out);
        let hit = self.cursor.open.get_or_insert(Hit { rule, offset, length: 0 });
        hit.length += 1;
        let width = if self.cursor.shown == Shown::Label { Width::Label } else { self.width };
        match width {
            // A character of several bytes has one star: its first byte's.
            Width::Same if byte & 0xc0 != 0x80 => self.put(b"*", out),
            Width::Label if is_new => self.put(format!("[{}]", self.cursor.rule).as_bytes(), out),
            Width::Same | Width::Label => {}
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Masked) {
        if let Some(marks) = &mut self.marks {
            marks.resize(marks.len() + bytes.len(), None);
        }
        out.bytes.extend_from_slice(bytes);
        self.put_out += bytes.len() as u64;
    }

    pub(super) fn close(&mut self, out: &mut Masked) {
        let Some(hit) = self.cursor.open.take() else {
            return;
        };
        out.prints.extend(self.passing.end().map(|print| (hit.rule.clone(), print)));
        out.hits.push(hit);
    }
}

/// What programs write before each line is no longer.
const MARGIN: usize = 100;

/// The last line of a private key begins so.
const BLOCK_END: &[u8] = b"-----END";

/// The longest body of a private key that is hidden; and about as much of a value that goes on in further lines.
const BLOCK_LIMIT: usize = 32 * 1024;
