//! Log lines, to standard error.
//!
//! Other people's code is capped at `info`, whatever the filter says: what it says beyond may hold secrets.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt};

use super::{LogFormat, variable};

/// Starts once; `serving` says more than the other commands by itself.
pub(super) fn start(format: LogFormat, serving: bool) {
    let usual = if serving { "info" } else { "error" };
    let asked = variable("SALLYPORT_LOG").unwrap_or_else(|| usual.to_owned());
    let filter = EnvFilter::builder().parse_lossy(asked).and(filter_fn(ours_or_plain));
    let layer = fmt::layer().with_writer(|| Lines(io::stderr()));
    let layer = match format {
        LogFormat::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // A second start in one process keeps the first.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer.with_filter(filter)));
}

fn ours_or_plain(line: &Metadata<'_>) -> bool {
    line.target().starts_with("sallyport") || *line.level() <= Level::INFO
}

/// One line an event, whatever stands in it: a newline inside is spelled out. An event comes in one write.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (body, end) = match event.strip_suffix(b"\n") {
            Some(body) => (body, &b"\n"[..]),
            None => (event, &b""[..]),
        };
        let mut line = Cow::Borrowed(body);
        if body.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let spelled = body.iter().flat_map(|byte| match byte {
                b'\n' => b"\\n".iter(),
                b'\r' => b"\\r".iter(),
                other => std::slice::from_ref(other).iter(),
            });
            line = Cow::Owned(spelled.copied().collect());
        }
        self.0.write_all(&[&line[..], end].concat())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_sent() {
        let mut out = Vec::new();
        Lines(&mut out).write_all(b"WARN connection error=a\nINFO forged\r\n\n").unwrap();
        Lines(&mut out).write_all(b"INFO next\n").unwrap();
        assert_eq!(out, b"WARN connection error=a\\nINFO forged\\r\\n\nINFO next\n");
    }
}
