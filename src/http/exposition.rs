//! Numbers as Prometheus reads them: the text format, version 0.0.4.
//!
//! Pure. A label's value may come from anywhere: it is escaped here and nowhere else.

use std::fmt::Write as _;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// As it is now.
    Gauge,
    /// How many were at most so large.
    Histogram,
}

/// Samples of one name.
#[derive(Clone, Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Family {
    /// One that only grows; its name ends in `_total`.
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter, samples: Vec::new() }
    }

    /// One that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge, samples: Vec::new() }
    }

    /// One of sizes: `buckets` are upper bounds, each with how many were at most so large.
    pub fn histogram(name: &'static str, help: &'static str, buckets: &[(f64, u64)], sum: f64, count: u64) -> Self {
        let mut family = Self { name, help, kind: Kind::Histogram, samples: Vec::new() };
        let ends = buckets.iter().copied().chain(std::iter::once((f64::INFINITY, count)));
        for (bound, at_most) in ends {
            family.push("_bucket", vec![("le", number(bound))], at_most as f64);
        }
        family.push("_sum", Vec::new(), sum);
        family.push("_count", Vec::new(), count as f64);
        family
    }

    /// With this value.
    pub fn is(mut self, value: f64) -> Self {
        self.push("", Vec::new(), value);
        self
    }

    /// With this value under these labels.
    pub fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.push("", labels, value);
        self
    }

    fn push(&mut self, suffix: &'static str, labels: Vec<(&'static str, String)>, value: f64) {
        self.samples.push(Sample { suffix, labels, value });
    }
}

/// The text of all of them.
pub fn encode(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {} {help}\n# TYPE {} {kind}", family.name, family.name);
        for sample in &family.samples {
            let _ = write!(out, "{}{}", family.name, sample.suffix);
            for (at, (name, value)) in sample.labels.iter().enumerate() {
                let open = if at == 0 { '{' } else { ',' };
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(out, "{open}{name}=\"{value}\"");
            }
            let close = if sample.labels.is_empty() { "" } else { "}" };
            let _ = writeln!(out, "{close} {}", number(sample.value));
        }
    }
    out
}

fn number(value: f64) -> String {
    if value.is_infinite() && value > 0.0 { "+Inf".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_says() {
        let families = [
            Family::counter("a_total", "Things.").with(&[("how", "well"), ("by", "x")], 3.0),
            Family::gauge("b", "Now.").is(0.25),
            Family::gauge("nobody", "Never seen."),
            Family::histogram("c_seconds", "Spans.", &[(0.001, 1), (0.5, 3)], 1.5, 4),
        ];
        let expected = "# HELP a_total Things.\n# TYPE a_total counter\na_total{how=\"well\",by=\"x\"} 3\n\
                        # HELP b Now.\n# TYPE b gauge\nb 0.25\n\
                        # HELP c_seconds Spans.\n# TYPE c_seconds histogram\n\
                        c_seconds_bucket{le=\"0.001\"} 1\nc_seconds_bucket{le=\"0.5\"} 3\n\
                        c_seconds_bucket{le=\"+Inf\"} 4\nc_seconds_sum 1.5\nc_seconds_count 4\n";
        assert_eq!(encode(&families), expected);
    }

    #[test]
    fn a_label_from_a_stranger_cannot_break_a_line() {
        let family = Family::gauge("a", "A \\ and\na line.").with(&[("v", "\"\\\n} 7")], 1.0);
        assert_eq!(encode(&[family]), "# HELP a A \\\\ and\\na line.\n# TYPE a gauge\na{v=\"\\\"\\\\\\n} 7\"} 1\n");
    }
}
