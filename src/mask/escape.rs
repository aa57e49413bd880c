//! Escapes of URLs and of JSON, and a text with all of one form undone.
//!
//! Knows no rules. Where reading begins inside an escape it reads otherwise than from its beginning: such places are told.

/// How an escape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `%3D`
    Url,
    /// `\n`, `\"`, `\u003d`
    Json,
}

/// An escape that has not come whole.
pub(super) struct Partly;

impl Form {
    pub(super) const ALL: [Self; 2] = [Self::Url, Self::Json];

    /// The longest of all escapes.
    pub(super) const LONGEST: usize = 6;

    /// What an escape begins with.
    pub(super) fn mark(self) -> u8 {
        match self {
            Self::Url => b'%',
            Self::Json => b'\\',
        }
    }

    /// What the escape that a text begins with stands for, and its length; none where none stands.
    pub(super) fn undo(self, text: &[u8]) -> Option<Result<(u8, usize), Partly>> {
        match self {
            Self::Url => percent(text),
            Self::Json => backslash(text),
        }
    }

    /// What the escape stands for that ends behind these bytes, as far as so few tell.
    pub(super) fn before(self, behind: &[u8; 3]) -> Option<u8> {
        let escape = match self {
            Self::Url => &behind[..],
            Self::Json => behind.last_chunk::<2>()?,
        };
        self.undo(escape)?.ok().map(|(byte, _)| byte)
    }
}

fn percent(text: &[u8]) -> Option<Result<(u8, usize), Partly>> {
    let (b'%', rest) = text.split_first()? else {
        return None;
    };
    let digit = |at: usize| rest.get(at).map(|byte| char::from(*byte).to_digit(16));
    match (digit(0), digit(1)) {
        (Some(None), _) | (_, Some(None)) => None,
        (Some(Some(high)), Some(Some(low))) => u8::try_from(high * 16 + low).ok().map(|byte| Ok((byte, 3))),
        (None, _) | (_, None) => Some(Err(Partly)),
    }
}

fn backslash(text: &[u8]) -> Option<Result<(u8, usize), Partly>> {
    let (b'\\', rest) = text.split_first()? else {
        return None;
    };
    let Some(kind) = rest.first() else {
        return Some(Err(Partly));
    };
    Some(Ok(match kind {
        b'n' => (b'\n', 2),
        b'r' => (b'\r', 2),
        b't' => (b'\t', 2),
        b'"' | b'\\' | b'/' => (*kind, 2),
        b'u' => {
            let Some(digits) = rest.get(1..5) else {
                return Some(Err(Partly));
            };
            let number = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
            (u8::try_from(number).ok().filter(u8::is_ascii)?, 6)
        }
        _ => return None,
    }))
}

/// A text with the escapes of one form undone. Kept from text to text.
#[derive(Clone, Debug, Default)]
pub(super) struct Undone {
    /// Without escapes.
    pub(super) text: Vec<u8>,
    /// Where pieces of it begin that stand in the original as they are: here, and there.
    runs: Vec<(usize, usize)>,
    /// Places of the original that are read otherwise: inside an escape, or right behind one that other bytes seem to be another of.
    pub(super) odd: Vec<usize>,
    /// Places of the text where an escape was, and its end if it ends before one that has not come whole.
    pub(super) changed: Vec<usize>,
    length: usize,
}

impl Undone {
    /// Reads a text with such marks, up to an escape that has not come whole.
    pub(super) fn read(&mut self, form: Form, text: &[u8], marks: impl Iterator<Item = usize>) {
        self.text.clear();
        self.runs.clear();
        self.odd.clear();
        self.changed.clear();
        let (mut from, mut odd_until, mut end) = (0, 0, text.len());
        for at in marks {
            let (byte, length) = match form.undo(text.get(at..).unwrap_or_default()) {
                Some(Ok(undone)) => undone,
                Some(Err(Partly)) => {
                    end = end.min(at.max(from));
                    continue;
                }
                None => continue,
            };
            // Inside an escape another one may seem to begin.
            let is_one = at >= from && at < end;
            // Behind a short one what stands before is known from its last bytes, too.
            let last = if is_one && length <= 3 { at + length - 1 } else { at + length };
            self.odd.extend((at + 1).max(odd_until)..=last);
            odd_until = odd_until.max(last + 1);
            if is_one {
                self.go_on(from, text.get(from..at).unwrap_or_default());
                self.changed.push(self.text.len());
                self.go_on(at, &[byte]);
                from = at + length;
            }
        }
        self.go_on(from, text.get(from..end).unwrap_or_default());
        self.changed.extend((end < text.len()).then_some(self.text.len()));
        self.length = end;
    }

    fn go_on(&mut self, raw: usize, text: &[u8]) {
        self.runs.push((self.text.len(), raw));
        self.text.extend_from_slice(text);
    }

    /// Where in the original a place of the text is.
    pub(super) fn raw(&self, place: usize) -> usize {
        let run = self.runs.partition_point(|(begin, _)| *begin <= place).checked_sub(1);
        let raw = run.and_then(|run| self.runs.get(run)).map_or(place, |(begin, raw)| raw + (place - begin));
        raw.min(self.length)
    }

    /// The first place of the text that is at a place of the original or behind it.
    pub(super) fn place(&self, raw: usize) -> usize {
        let run = self.runs.partition_point(|(_, begin)| *begin < raw).checked_sub(1);
        let (begin, from) = run.and_then(|run| self.runs.get(run)).copied().unwrap_or_default();
        let next = run.and_then(|run| self.runs.get(run + 1)).map_or(self.text.len(), |(begin, _)| *begin);
        (begin + raw.saturating_sub(from)).min(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: Form, text: &str, expected: &str, odd: &[usize]) -> Undone {
        let mut undone = Undone::default();
        undone.read(form, text.as_bytes(), memchr::memchr_iter(form.mark(), text.as_bytes()));
        assert_eq!((String::from_utf8_lossy(&undone.text), undone.odd.as_slice()), (expected.into(), odd), "{text}");
        for place in 0..undone.text.len() {
            let raw = undone.raw(place);
            assert_eq!(undone.place(raw), place, "{text}: {place} at {raw}");
            let byte = form.undo(&text.as_bytes()[raw..]).and_then(Result::ok).map(|(byte, _)| byte);
            assert_eq!(byte.unwrap_or(text.as_bytes()[raw]), undone.text[place], "{text}: {place} at {raw}");
        }
        undone
    }

    #[test]
    fn escapes_are_undone_and_each_byte_knows_where_it_stood() {
        check(Form::Url, "a%3Db 100% of %zz%41", "a=b 100% of %zzA", &[2, 3, 18, 19]);
        check(Form::Json, r#"{"a":"x\"y\u003dz"}"#, r#"{"a":"x"y=z"}"#, &[8, 11, 12, 13, 14, 15, 16]);
    }

    #[test]
    fn an_escape_that_seems_to_begin_inside_another_is_odd_too() {
        check(Form::Json, r"a\\nb", r"a\nb", &[2, 3, 4]);
    }

    #[test]
    fn what_has_not_come_whole_is_left_out() {
        let undone = check(Form::Url, "a%3Db%4", "a=b", &[2, 3]);
        assert_eq!(undone.raw(3), 5);
        check(Form::Json, r"a\u00", "a", &[]);
    }
}
