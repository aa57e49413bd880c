//! Our own reader of command lines: linear, without recursion, bounded.
//!
//! It takes a text apart only where it can say what every POSIX shell makes of it. All else is opaque: a reader that
//! guesses would be a judge that can be talked to. It knows no program and no rule.

use std::iter::Peekable;
use std::str::Bytes;

/// A command line that was understood word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Each command's words after the quotes were taken off; none is empty.
    pub(super) commands: Vec<Vec<Word>>,
    /// Files that input or output is redirected to.
    pub(super) files: Vec<String>,
    /// Whether it is one command and nothing else: no operator, no redirection.
    pub(super) single: bool,
}

/// One word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether any part of it was quoted.
    pub(super) quoted: bool,
}

/// Why a text was not understood, in a phrase that goes on "opaque: ".
pub(super) type Why = &'static str;

/// The longest text that is read at all.
pub(super) const LIMIT_BYTES: usize = 32 * 1024;
/// The most words and commands of one line.
const LIMIT_WORDS: usize = 4096;
const LIMIT_COMMANDS: usize = 256;

/// Reads a whole command line.
pub(super) fn read(bytes: &[u8]) -> Result<Line, Why> {
    if bytes.len() > LIMIT_BYTES {
        return Err("it is longer than 32 KiB");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    if !text.is_ascii() {
        return Err("it has characters beyond ASCII");
    }
    if text.bytes().any(|b| b.is_ascii_control() && b != b'\t' && b != b'\n') {
        return Err("it has control characters");
    }
    Reader { rest: text.bytes().peekable(), ..Reader::default() }.read()
}

/// What stands between two commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    /// `;` or `&`: another command may follow.
    End,
    /// `|`, `&&` or `||`: another one must.
    Joint,
}

/// What the next word is for, after `<` or `>`.
#[derive(Clone, Copy)]
enum Redirect {
    File,
    Descriptor,
}

struct Reader<'a> {
    rest: Peekable<Bytes<'a>>,
    line: Line,
    words: Vec<Word>,
    word: Option<Word>,
    redirect: Option<Redirect>,
    redirected: bool,
    between: Option<Between>,
    count: usize,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self {
            rest: "".bytes().peekable(),
            line: Line::default(),
            words: Vec::new(),
            word: None,
            redirect: None,
            redirected: false,
            between: None,
            count: 0,
        }
    }
}

impl Reader<'_> {
    fn read(mut self) -> Result<Line, Why> {
        while let Some(byte) = self.rest.next() {
            self.byte(byte)?;
        }
        self.end_command(None)?;
        let operators = self.between.is_some() || self.redirected;
        if self.line.commands.is_empty() {
            return Err("it is empty");
        }
        self.line.single = !operators && self.line.commands.len() == 1;
        Ok(self.line)
    }

    fn byte(&mut self, byte: u8) -> Result<(), Why> {
        match byte {
            b' ' | b'\t' => self.end_word(),
            b'\n' => self.newline(),
            b';' => self.end_command(Some(Between::End)),
            b'&' => match self.rest.peek() {
                Some(b'&') => self.joint(),
                Some(b'>') => Err("it has a redirection that shells read differently"),
                _ => self.end_command(Some(Between::End)),
            },
            b'|' => match self.rest.peek() {
                Some(b'|') => self.joint(),
                Some(b'&') => Err("it has an operator that shells read differently"),
                _ => self.end_command(Some(Between::Joint)),
            },
            b'<' | b'>' => self.redirection(byte),
            b'\'' => self.single_quoted(),
            b'"' => self.double_quoted(),
            b'\\' => self.escaped(),
            b'$' | b'`' => Err("it has an expansion"),
            b'*' | b'?' | b'[' | b'^' => Err("it has a file name pattern"),
            b'{' | b'}' => Err("it has a brace"),
            b'(' | b')' => Err("it has a parenthesis"),
            b'~' => Err("it has a tilde"),
            b'!' => Err("it has an exclamation mark"),
            b'#' | b'=' | b'%' if self.word.is_none() => Err("a word begins with one of # = %"),
            plain => {
                self.word().text.push(char::from(plain));
                Ok(())
            }
        }
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn quoted_word(&mut self) -> &mut Word {
        let word = self.word();
        word.quoted = true;
        word
    }

    fn single_quoted(&mut self) -> Result<(), Why> {
        self.quoted_word();
        loop {
            match self.rest.next() {
                Some(b'\'') => return Ok(()),
                Some(byte) => self.word().text.push(char::from(byte)),
                None => return Err(OPEN),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), Why> {
        self.quoted_word();
        loop {
            match self.rest.next() {
                Some(b'"') => return Ok(()),
                Some(b'$' | b'`') => return Err("it has an expansion"),
                Some(b'\\') => match self.rest.next() {
                    Some(b'\n') => {}
                    Some(byte @ (b'$' | b'`' | b'"' | b'\\')) => self.word().text.push(char::from(byte)),
                    Some(byte) => self.word().text.extend(['\\', char::from(byte)]),
                    None => return Err(OPEN),
                },
                Some(byte) => self.word().text.push(char::from(byte)),
                None => return Err(OPEN),
            }
        }
    }

    fn escaped(&mut self) -> Result<(), Why> {
        match self.rest.next() {
            // The line goes on. Within a word that is a way to hide it.
            Some(b'\n') => {
                if let Some(word) = &mut self.word {
                    word.quoted = true;
                }
            }
            Some(byte) => self.quoted_word().text.push(char::from(byte)),
            None => return Err(OPEN),
        }
        Ok(())
    }

    fn redirection(&mut self, byte: u8) -> Result<(), Why> {
        match self.word.take() {
            // `2>`: the number belongs to the redirection.
            Some(word) if !word.quoted && word.text.bytes().all(|b| b.is_ascii_digit()) => {}
            word => {
                self.word = word;
                self.end_word()?;
            }
        }
        if self.redirect.is_some() {
            return Err("a redirection has no file");
        }
        self.redirected = true;
        let mut kind = Redirect::File;
        match (byte, self.rest.peek()) {
            (b'<', Some(b'<')) => return Err("it has a here-document"),
            (b'<', Some(b'>')) | (b'>', Some(b'|')) => return Err("it has an uncommon redirection"),
            (_, Some(b'&')) => {
                self.rest.next();
                kind = Redirect::Descriptor;
            }
            (b'>', Some(b'>')) => {
                self.rest.next();
            }
            _ => {}
        }
        self.redirect = Some(kind);
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), Why> {
        let Some(word) = self.word.take() else { return Ok(()) };
        self.count += 1;
        if self.count > LIMIT_WORDS {
            return Err("it has more than 4096 words");
        }
        match self.redirect.take() {
            None => self.words.push(word),
            Some(Redirect::File) => self.line.files.push(word.text),
            Some(Redirect::Descriptor) if word.text == "-" || word.text.bytes().all(|b| b.is_ascii_digit()) => {}
            Some(Redirect::Descriptor) => return Err("it has an uncommon redirection"),
        }
        Ok(())
    }

    fn newline(&mut self) -> Result<(), Why> {
        self.end_word()?;
        if self.words.is_empty() && self.redirect.is_none() {
            return Ok(());
        }
        // Blank lines around one command change nothing; a second command shows by its own words.
        self.end_command(Some(Between::End))?;
        if self.line.commands.len() == 1 && self.rest.clone().all(|b| matches!(b, b' ' | b'\t' | b'\n')) {
            self.between = None;
        }
        Ok(())
    }

    fn joint(&mut self) -> Result<(), Why> {
        self.rest.next();
        self.end_command(Some(Between::Joint))
    }

    fn end_command(&mut self, between: Option<Between>) -> Result<(), Why> {
        self.end_word()?;
        if self.redirect.is_some() {
            return Err("a redirection has no file");
        }
        if self.words.is_empty() {
            return match between {
                None if self.between != Some(Between::Joint) && !(self.redirected && self.line.commands.is_empty()) => {
                    Ok(())
                }
                _ => Err("a command is missing"),
            };
        }
        if self.line.commands.len() == LIMIT_COMMANDS {
            return Err("it has more than 256 commands");
        }
        self.line.commands.push(std::mem::take(&mut self.words));
        if between.is_some() {
            self.between = between;
        } else if self.between == Some(Between::Joint) {
            self.between = Some(Between::End);
        }
        Ok(())
    }
}

const OPEN: Why = "a quote is not closed";
