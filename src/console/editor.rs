//! A line that is being typed, with a little editing: for the console's prompt and for the guarded one. Pure.

use super::io::CTRL_C;
use super::line::LIMIT_BYTES;

/// A line that is being typed. Pure: bytes in, what to echo out.
#[derive(Debug, Default)]
pub struct Editor {
    prompt: String,
    text: String,
    /// Bytes of a character that is not complete.
    partial: Vec<u8>,
    /// Within an escape sequence: its bytes so far.
    escape: Option<Vec<u8>>,
    /// The last byte was CR: an LF behind it is the same key.
    returned: bool,
    past: Vec<String>,
    /// How far back in `past`; 0 is the new line.
    back: usize,
}

/// What a byte leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that shows.
    Nothing,
    /// This is shown.
    Echo(String),
    /// A line is done.
    Line(String),
    /// Whoever types wants to leave.
    Leave,
}

/// Lines that come back with the arrow keys.
const PAST_LINES: usize = 100;

impl Editor {
    /// An empty line behind this prompt.
    pub fn new(prompt: &str) -> Self {
        Self { prompt: prompt.to_owned(), ..Self::default() }
    }

    /// Another prompt from the next line on.
    pub fn prompt(&mut self, prompt: &str) {
        prompt.clone_into(&mut self.prompt);
    }

    /// One byte of what is typed.
    pub fn feed(&mut self, byte: u8) -> Step {
        let returned = std::mem::replace(&mut self.returned, byte == b'\r');
        if let Some(mut sequence) = self.escape.take() {
            sequence.push(byte);
            return self.escaped(sequence);
        }
        match byte {
            b'\n' if returned => Step::Nothing,
            b'\r' | b'\n' => self.enter(),
            CTRL_C => {
                self.clear();
                Step::Echo(format!("^C\n{}", self.prompt))
            }
            CTRL_D if self.text.is_empty() => Step::Leave,
            CTRL_D => Step::Nothing,
            CTRL_U => {
                self.clear();
                self.redraw()
            }
            CTRL_W => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
                self.redraw()
            }
            BACKSPACE | DELETE => match self.text.pop() {
                Some(c) if c.is_ascii() => Step::Echo("\x08 \x08".to_owned()),
                Some(_) => self.redraw(),
                None => Step::Nothing,
            },
            ESCAPE => {
                self.escape = Some(Vec::new());
                Step::Nothing
            }
            b'\t' | b' '..=b'~' => self.put(if byte == b'\t' { ' ' } else { char::from(byte) }),
            0x80.. => self.beyond_ascii(byte),
            _ => Step::Nothing,
        }
    }

    fn enter(&mut self) -> Step {
        let line = std::mem::take(&mut self.text);
        self.clear();
        if !line.trim().is_empty() && self.past.last() != Some(&line) {
            if self.past.len() == PAST_LINES {
                self.past.remove(0);
            }
            self.past.push(line.clone());
        }
        Step::Line(line)
    }

    fn put(&mut self, c: char) -> Step {
        self.partial.clear();
        if self.text.len() + c.len_utf8() > LIMIT_BYTES {
            return Step::Echo("\x07".to_owned());
        }
        self.text.push(c);
        Step::Echo(c.to_string())
    }

    fn beyond_ascii(&mut self, byte: u8) -> Step {
        if byte >= 0xc0 {
            self.partial.clear();
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial).ok().and_then(|text| text.chars().next()) {
            // Letters only: what has no width, or turns text round, has no place in a command.
            Some(c) if c.is_alphanumeric() => self.put(c),
            None if self.partial.len() < 4 => Step::Nothing,
            _ => {
                self.partial.clear();
                Step::Nothing
            }
        }
    }

    /// `CSI … final` or `SS3 final`; the arrows up and down mean something.
    fn escaped(&mut self, sequence: Vec<u8>) -> Step {
        match sequence.as_slice() {
            [b'[' | b'O', b'A'] => self.recall(self.back + 1),
            [b'[' | b'O', b'B'] => self.recall(self.back.saturating_sub(1)),
            [b'['] | [b'O'] | [b'[', .., 0x20..=0x3f] if sequence.len() < 16 => {
                self.escape = Some(sequence);
                Step::Nothing
            }
            _ => Step::Nothing,
        }
    }

    fn recall(&mut self, back: usize) -> Step {
        let line = match back {
            0 => Some(String::new()),
            back => self.past.len().checked_sub(back).and_then(|at| self.past.get(at)).cloned(),
        };
        match line {
            Some(line) => {
                self.back = back;
                self.text = line;
                self.redraw()
            }
            None => Step::Nothing,
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.partial.clear();
        self.back = 0;
    }

    /// The line as it stands, prompt and all, for a screen where something else was said meanwhile.
    pub fn shown(&self) -> String {
        format!("\r\x1b[K{}{}", self.prompt, self.text)
    }

    fn redraw(&self) -> Step {
        Step::Echo(self.shown())
    }
}

const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const CTRL_W: u8 = 23;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
const ESCAPE: u8 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(editor: &mut Editor, bytes: &[u8]) -> Vec<Step> {
        bytes.iter().map(|byte| editor.feed(*byte)).filter(|step| *step != Step::Nothing).collect()
    }

    #[track_caller]
    fn line(bytes: &[u8], expect: &str) {
        let steps = type_in(&mut Editor::default(), bytes);
        assert_eq!(steps.last(), Some(&Step::Line(expect.to_owned())), "{steps:?}");
    }

    #[test]
    fn what_is_typed_is_echoed_and_can_be_mended() {
        line(b"whoami\r", "whoami");
        line(b"whoq\x7f\x08oami\r", "whoami");
        line(b"junk\x15whoami\r", "whoami");
        line(b"play junk\x17x\r", "play x");
        line(b"junk\x03whoami\r", "whoami");
        line("--who Zo\u{eb}x\x7f\r".as_bytes(), "--who Zo\u{eb}");
        let steps = type_in(&mut Editor::default(), b"a\x7f\x7f");
        assert_eq!(steps, [Step::Echo("a".into()), Step::Echo("\x08 \x08".into())]);
    }

    #[test]
    fn enter_is_one_key_however_it_is_sent() {
        let steps = type_in(&mut Editor::default(), b"\r\n\n");
        assert_eq!(steps, [Step::Line(String::new()), Step::Line(String::new())]);
    }

    #[test]
    fn ctrl_d_leaves_only_from_an_empty_line() {
        assert_eq!(type_in(&mut Editor::default(), b"\x04"), [Step::Leave]);
        line(b"x\x04\r", "x");
    }

    #[test]
    fn sequences_of_keys_without_meaning_are_swallowed() {
        line(b"wh\x1b[1;5Co\x1bOPami\x1b[3~\r", "whoami");
        line("a\u{202e}b\u{200b}\r".as_bytes(), "ab");
        line(b"a\xff\xc3\x28b\r", "a(b");
    }

    #[test]
    fn earlier_lines_come_back_with_the_arrows() {
        let mut editor = Editor::default();
        type_in(&mut editor, b"one\rtwo\r");
        let steps = type_in(&mut editor, b"\x1b[A\x1b[A\x1b[A\x1b[B\r");
        assert_eq!(steps.last(), Some(&Step::Line("two".into())));
    }

    #[test]
    fn a_line_does_not_grow_without_end() {
        let mut editor = Editor::default();
        type_in(&mut editor, &[b'x'; 5000]);
        assert_eq!(editor.text.len(), LIMIT_BYTES);
        assert_eq!(editor.feed(b'x'), Step::Echo("\x07".into()));
    }
}
