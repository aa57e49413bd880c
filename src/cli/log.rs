//! Log lines, to standard error.
//!
//! Other people's code is capped at `info`, whatever the filter says: what it says beyond may hold secrets.

use std::io;

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
    let layer = fmt::layer().with_writer(io::stderr);
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
