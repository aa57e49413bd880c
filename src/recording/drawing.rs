//! What may be drawn on a reviewer's terminal, out of what a target sent to another.
//!
//! A recording is written by whoever the reviewer suspects. [`Drawing`] lets text, colours, cursor
//! movement, erasing, scrolling and the alternate screen through, by a list of what is harmless; whatever
//! is not on the list is dropped: titles, clipboard, links, reports, key definitions, mouse, paste and
//! window modes, printing, file transfer, and everything that terminals will invent. It keeps a few dozen
//! bytes of state, whatever comes.

/// Brings a terminal that drew a recording back to where it can be used: soft reset, main screen,
/// plain text, visible cursor of its usual shape.
pub const RESET: &[u8] = b"\x1b[!p\x1b[?1049l\x1b[?5l\x1b[?69l\x1b[r\x1b[0m\x1b(B\x1b)B\x0f\x1b[?7h\x1b[?25h\x1b[0 q";

/// Clears the screen for a new begin of the recording.
pub const CLEAR: &[u8] = b"\x1b[!p\x1b[?1049l\x1b[?69l\x1b[r\x1b[0m\x1b(B\x1b)B\x0f\x1b[2J\x1b[H";

/// The longest control sequence that is looked at; longer ones are dropped.
const SEQUENCE_LIMIT_BYTES: usize = 64;
/// A string that does not end (an unfinished title) hides no more than this.
const STRING_LIMIT_BYTES: usize = 64 * 1024;

/// Makes one stream of output safe, piece by piece, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Drawing {
    state: State,
    /// The begin of a UTF-8 character.
    character: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC, with intermediates so far.
    Escape(Vec<u8>),
    /// After ESC `[`, with everything so far. Too long already: `None`.
    Control(Option<Vec<u8>>),
    /// In a string that is dropped: so many bytes so far. Some end at BEL too.
    String { bytes: usize, ends_at_bell: bool },
}

impl Drawing {
    /// At the begin of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `out` what of `bytes` may be drawn. Bytes that are not UTF-8 become U+FFFD.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = bytes.split_first() {
            if matches!(self.state, State::Ground) && self.character.is_empty() {
                let plain = bytes.iter().position(|b| !matches!(b, b' '..=b'~')).unwrap_or(bytes.len());
                if plain > 0 {
                    let (text, after) = bytes.split_at(plain);
                    out.extend_from_slice(text);
                    bytes = after;
                    continue;
                }
            }
            self.byte(*first, out);
            bytes = rest;
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte < 0x80 {
            if !std::mem::take(&mut self.character).is_empty() {
                self.other(char::REPLACEMENT_CHARACTER, out);
            }
            return self.ascii(byte, out);
        }
        self.character.push(byte);
        match std::str::from_utf8(&self.character) {
            Ok(text) => {
                let char = text.chars().next();
                self.character.clear();
                if let Some(char) = char {
                    self.beyond_ascii(char, out);
                }
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                let broken = self.character.len() > 1;
                self.character.clear();
                self.other(char::REPLACEMENT_CHARACTER, out);
                // What broke a character may begin the next one.
                if broken {
                    self.byte(byte, out);
                }
            }
        }
    }

    fn beyond_ascii(&mut self, char: char, out: &mut Vec<u8>) {
        match char {
            // C1 controls are ESC and a letter in one character.
            '\u{80}'..='\u{9f}' => {
                let letter = (u32::from(char) - 0x40).to_le_bytes().first().copied().unwrap_or_default();
                self.state = State::Escape(Vec::new());
                self.ascii(letter, out);
            }
            char => self.other(char, out),
        }
    }

    /// A character beyond ASCII, which no sequence has: outside of strings it is text.
    fn other(&mut self, char: char, out: &mut Vec<u8>) {
        match &mut self.state {
            State::String { bytes, .. } => {
                *bytes += char.len_utf8();
                self.give_up();
            }
            State::Ground | State::Escape(_) | State::Control(_) => {
                self.state = State::Ground;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn ascii(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            // Whatever was begun is abandoned, as terminals do.
            0x1b => self.state = State::Escape(Vec::new()),
            0x18 | 0x1a => self.state = State::Ground,
            0x07 if matches!(self.state, State::String { ends_at_bell: true, .. }) => self.state = State::Ground,
            _ => self.ascii_within(byte, out),
        }
    }

    fn ascii_within(&mut self, byte: u8, out: &mut Vec<u8>) {
        match &mut self.state {
            State::String { bytes, .. } => {
                *bytes += 1;
                self.give_up();
            }
            // Controls take effect even within a sequence.
            _ if byte < 0x20 => out.extend(Some(byte).filter(|byte| draws(*byte))),
            State::Ground => out.extend(Some(byte).filter(|byte| *byte != 0x7f)),
            State::Escape(seen) => match (byte, seen.as_slice()) {
                (b' '..=b'/', _) if seen.len() < 4 => seen.push(byte),
                (b'[', []) => self.state = State::Control(Some(Vec::new())),
                // OSC, DCS, SOS, PM, APC, and the title of `screen`. Some terminals end the last at
                // BEL or a new line; what it would hide otherwise is worth more than a stray title.
                (b']' | b'k', []) => self.state = State::String { bytes: 0, ends_at_bell: true },
                (b'P' | b'X' | b'^' | b'_', []) => self.state = State::String { bytes: 0, ends_at_bell: false },
                (last, seen) => {
                    escape(seen, last, out);
                    self.state = State::Ground;
                }
            },
            State::Control(sequence) => match byte {
                b'@'..=b'~' => {
                    if let Some(sequence) = sequence {
                        control(sequence, byte, out);
                    }
                    self.state = State::Ground;
                }
                _ => {
                    if let Some(seen) = sequence.take().filter(|seen| seen.len() < SEQUENCE_LIMIT_BYTES) {
                        *sequence = Some([seen.as_slice(), &[byte]].concat());
                    }
                }
            },
        }
    }

    fn give_up(&mut self) {
        if matches!(self.state, State::String { bytes, .. } if bytes > STRING_LIMIT_BYTES) {
            self.state = State::Ground;
        }
    }
}

/// C0 controls that draw: BS, HT, LF, VT, FF, CR, and SO and SI for line drawing. Not BEL, not ENQ,
/// which asks the terminal for an answer, and not XON and XOFF.
fn draws(byte: u8) -> bool {
    matches!(byte, 0x08..=0x0f)
}

/// ESC, intermediates, a last byte.
fn escape(seen: &[u8], last: u8, out: &mut Vec<u8>) {
    let harmless = match (seen, last) {
        // Save and restore the cursor; index, next line, tab stop, reverse index.
        ([], b'7' | b'8' | b'D' | b'E' | b'H' | b'M') => true,
        // Full reset, which would also bring keys and modes of its own.
        ([], b'c') => {
            out.extend_from_slice(CLEAR);
            return;
        }
        // Character sets: line drawing, ASCII, British.
        ([b'(' | b')' | b'*' | b'+'], b'0' | b'A' | b'B') => true,
        // Double lines and the alignment pattern.
        ([b'#'], b'3'..=b'6' | b'8') => true,
        _ => false,
    };
    if harmless {
        out.push(0x1b);
        out.extend_from_slice(seen);
        out.push(last);
    }
}

/// ESC `[`, parameters and intermediates, a last byte.
fn control(seen: &[u8], last: u8, out: &mut Vec<u8>) {
    let split = seen.iter().position(|b| matches!(b, b' '..=b'/')).unwrap_or(seen.len());
    let (parameters, intermediates) = seen.split_at(split);
    let (private, numbers) = match parameters.split_first() {
        Some((mark @ b'<'..=b'?', numbers)) => (Some(*mark), numbers),
        _ => (None, parameters),
    };
    // Bytes after an intermediate, or numbers that no screen has, belong to nothing that draws.
    let plausible = numbers.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':'))
        && intermediates.iter().all(|b| matches!(b, b' '..=b'/'))
        && numbers.split(|b| matches!(b, b';' | b':')).all(|number| number.len() <= 4);
    if !plausible {
        return;
    }
    let harmless = match (private, intermediates, last) {
        // Erasing what scrolled away would take the reviewer's own lines.
        (None | Some(b'?'), [], b'J') => !numbers.contains(&b'3'),
        // Insert, move, erase, delete, scroll, repeat, tabulate; colours; margins.
        (None, [], b'@'..=b'M' | b'P' | b'S' | b'X' | b'Z' | b'`' | b'a' | b'b' | b'd'..=b'g' | b'm' | b'r') => true,
        // Scroll down; with more numbers it would begin to track the mouse.
        (None, [], b'T') => !numbers.contains(&b';'),
        // Save and restore the cursor; left and right margins.
        (None, [], b's' | b'u') => true,
        // Insert mode.
        (None, [], b'h' | b'l') => numbers == b"4",
        // Soft reset, cursor shape, scroll left and right.
        (None, [b'!'], b'p') | (None, [b' '], b'q' | b'@' | b'A') => true,
        // Change, copy, fill and erase rectangles. Not their checksum, which is a report.
        (None, [b'$'], b'r' | b't' | b'v' | b'x' | b'z' | b'{') => true,
        (Some(b'?'), [], b'K') => true,
        (Some(b'?'), [], b'h' | b'l') => return modes(numbers, last, out),
        _ => false,
    };
    if harmless {
        out.extend_from_slice(b"\x1b[");
        out.extend_from_slice(seen);
        out.push(last);
    }
}

/// Private modes, of which several may stand in one sequence: those that draw.
fn modes(numbers: &[u8], last: u8, out: &mut Vec<u8>) {
    // Reverse video, origin, wrap, blinking and visible cursor, reverse wrap, alternate screens, margins.
    let draws = |mode: &&[u8]| {
        matches!(*mode, b"5" | b"6" | b"7" | b"12" | b"25" | b"45" | b"47" | b"69" | b"1047" | b"1048" | b"1049")
    };
    for mode in numbers.split(|b| *b == b';').filter(draws) {
        out.extend_from_slice(b"\x1b[?");
        out.extend_from_slice(mode);
        out.push(last);
    }
}

#[cfg(test)]
mod tests;
