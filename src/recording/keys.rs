//! Keys of a terminal, byte by byte, as what somebody who watches a replay asks for.
//!
//! Pure. Knows which bytes belong to one key; what a key means stands in [`Command::of_key`].

use super::player::Command;

/// Reads keys.
#[derive(Debug, Default)]
pub struct Keys {
    /// The key that is not complete, which begins with ESC.
    sequence: Vec<u8>,
    /// What to find, while it is being typed.
    find: Option<String>,
}

/// What a byte led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing yet, or nothing at all.
    Nothing,
    /// This is asked for.
    Do(Command),
    /// A text to find is being typed; print these bytes, they show it in the last line.
    Show(Vec<u8>),
    /// It is typed: print these bytes, they clear that line; and do this, if it is not nothing.
    Find(Vec<u8>, Option<Command>),
}

/// The longest text to find.
const FIND_LIMIT_BYTES: usize = 200;
const ESCAPE: u8 = 0x1b;
/// What the last line shows is forgotten, and the cursor is where it was.
const BACK: &[u8] = b"\x1b[2K\x1b8";

impl Keys {
    /// The next byte.
    pub fn feed(&mut self, byte: u8) -> Pressed {
        if let Some(text) = self.find.take() {
            return self.finding(text, byte);
        }
        if self.sequence.is_empty() && byte != ESCAPE {
            if byte == b'/' {
                self.find = Some(String::new());
                // Saves the cursor: everything after is put back by `BACK`.
                return Pressed::Show(b"\x1b7\x1b[999;1H\x1b[2K/".to_vec());
            }
            return Command::of_key(&[byte]).map_or(Pressed::Nothing, Pressed::Do);
        }
        self.sequence.push(byte);
        match self.sequence.as_slice() {
            [ESCAPE] | [ESCAPE, b'[' | b'O'] => Pressed::Nothing,
            // Parameters of a key with Shift or Ctrl.
            [ESCAPE, b'[', .., 0x20..=0x3f] if self.sequence.len() < 16 => Pressed::Nothing,
            // A lone ESC, and then a key.
            [ESCAPE, ESCAPE] => {
                self.sequence.pop();
                Pressed::Nothing
            }
            key => {
                let command = Command::of_key(key);
                self.sequence.clear();
                command.map_or(Pressed::Nothing, Pressed::Do)
            }
        }
    }

    fn finding(&mut self, mut text: String, byte: u8) -> Pressed {
        match byte {
            b'\r' | b'\n' => {
                let find = (!text.is_empty()).then(|| Command::Find(text.into_bytes()));
                return Pressed::Find(BACK.to_vec(), find);
            }
            3 | ESCAPE => return Pressed::Find(BACK.to_vec(), None),
            8 | 0x7f if text.is_empty() => return Pressed::Find(BACK.to_vec(), None),
            8 | 0x7f => {
                text.pop();
            }
            b' '..=b'~' if text.len() < FIND_LIMIT_BYTES => text.push(char::from(byte)),
            _ => {}
        }
        let shown = format!("\r\x1b[2K/{text}").into_bytes();
        self.find = Some(text);
        Pressed::Show(shown)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &[Command]) {
        let mut keys = Keys::default();
        let done = bytes.iter().filter_map(|byte| match keys.feed(*byte) {
            Pressed::Do(command) | Pressed::Find(_, Some(command)) => Some(command),
            Pressed::Nothing | Pressed::Show(_) | Pressed::Find(_, None) => None,
        });
        assert_eq!(done.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_key_may_be_several_bytes() {
        let five = Duration::from_secs(5);
        check(b" \x1b[C\x1bODq", &[Command::Pause, Command::Forward(five), Command::Back(five), Command::Quit]);
        check(b"\x1b[1;5C\x1b[3~x\x1b\x1b[A.", &[Command::Faster, Command::Step]);
        check(b"\x03", &[Command::Quit]);
    }

    #[test]
    fn text_to_find_is_typed_after_a_slash() {
        check(b"/rm -rx\x7ff\r ", &[Command::Find(b"rm -rf".to_vec()), Command::Pause]);
        check(b"/\r/\x7f/q\x03q", &[Command::Quit]);
        let mut keys = Keys::default();
        keys.feed(b'/');
        assert_eq!(keys.feed(b'a'), Pressed::Show(b"\r\x1b[2K/a".to_vec()));
    }
}
