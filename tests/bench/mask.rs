//! How fast text passes the masker: `cargo bench --bench mask`. Prints figures of CPU time, judges none.
//!
//! Clean text of nine kinds that terminals and logs are full of, the same with a token every 4 KiB, and next to them a copy
//! of the bytes, and the `regex` crate with the same rules and nothing before it: look-ahead, which it has not, is left out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and says so"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use sallyport::mask::rule::{Rules, Start};
use sallyport::mask::{Masker, Width, known};

const BYTES: usize = 32 * 1024 * 1024;
/// What one read of a channel brings at most.
const PIECE: usize = 64 * 1024;
const ROUNDS: usize = 3;

fn main() {
    let clean = logs();
    let mut hits = clean.clone();
    for at in (2048..hits.len() - 64).step_by(4096) {
        let token = b" AKIAQ7MZ2XL9VB4NT8KR ";
        hits[at..at + token.len()].copy_from_slice(token);
    }
    let rules = Arc::new(Rules::new(known().filter(|rule| rule.default)));
    println!(
        "{} rules, {} MB of text in pieces of {} KiB, best of {ROUNDS}",
        rules.iter().count(),
        BYTES >> 20,
        PIECE >> 10
    );
    show("copied", BYTES, || clean.chunks(PIECE).map(|piece| black_box(piece.to_vec()).len()).sum());
    show("masked, no secret in it", BYTES, || masked(&rules, &clean).0);
    show("masked, a token every 4 KiB", BYTES, || masked(&rules, &hits).0);
    println!("{:<34}{:>10}", "secrets found", format!("{} and {}", masked(&rules, &clean).1, masked(&rules, &hits).1));

    let patterns = patterns(&rules);
    let few = &clean[..1 << 20];
    let single: Vec<Regex> = patterns
        .iter()
        .map(|pattern| RegexBuilder::new(pattern).unicode(false).size_limit(1 << 28).build().unwrap())
        .collect();
    show("regex, one after another", few.len(), || {
        few.chunks(PIECE).map(|piece| single.iter().map(|regex| regex.find_iter(piece).count()).sum::<usize>()).sum()
    });
    let set: RegexSet = RegexSetBuilder::new(&patterns).unicode(false).size_limit(1 << 30).build().unwrap();
    show("regex, all in one set, by line", few.len() / 8, || {
        few[..few.len() / 8].split(|byte| *byte == b'\n').map(|line| set.matches(line).iter().count()).sum()
    });
}

fn masked(rules: &Arc<Rules>, text: &[u8]) -> (usize, usize) {
    let mut masker = Masker::new(rules.clone(), Width::Label);
    let (mut bytes, mut hits) = (0, 0);
    for piece in text.chunks(PIECE) {
        let out = masker.feed(piece);
        bytes += black_box(out.bytes).len();
        hits += out.hits.len();
    }
    let out = masker.finish();
    (bytes + out.bytes.len(), hits + out.hits.len())
}

fn show(name: &str, bytes: usize, mut run: impl FnMut() -> usize) {
    let took = (0..ROUNDS).map(|_| {
        let began = cpu();
        black_box(run());
        cpu() - began
    });
    let took = took.min().unwrap();
    println!("{name:<34}{:>10.1} MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
}

/// Of this process: what else runs on the machine does not count.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// The rules' own files, in the words of the crate.
fn patterns(rules: &Rules) -> Vec<String> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/mask/rules")).unwrap();
    let mut patterns = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let table: toml::Table = text.parse().unwrap();
        for rule in table["rule"].as_array().unwrap() {
            let Some(known) = rules.iter().find(|known| *known.id == *rule["id"].as_str().unwrap()) else { continue };
            let words: Vec<String> = match &known.start {
                Start::Exact(words) | Start::AnyCase(words) => words.iter().map(|word| regex::escape(word)).collect(),
                _ => Vec::new(),
            };
            let any_case = if matches!(known.start, Start::AnyCase(_)) { "(?i)" } else { "" };
            let forms = match &rule["pattern"] {
                toml::Value::Array(forms) => forms.iter().map(|form| form.as_str().unwrap().to_owned()).collect(),
                form => vec![form.as_str().unwrap().to_owned()],
            };
            let forms: Vec<String> = forms.iter().map(|form| translated(form)).collect();
            patterns.push(format!("{any_case}(?:{})(?:{})", words.join("|"), forms.join("|")));
        }
    }
    patterns
}

fn translated(form: &str) -> String {
    let mut form = form.to_owned();
    while let Some((before, after)) = form.split_once("(?!") {
        let end = after.find("])").map_or_else(|| after.find(')').unwrap() + 1, |end| end + 2);
        form = format!("{before}{}", &after[end..]);
    }
    for (ours, theirs) in [
        ("(?&assigned)", r#"["']?[ \t]{0,4}[:=]{1,2}[ \t]{0,4}"#),
        ("(?&card)", r"\d{13,19}|\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}"),
        ("(?&iban)", "[A-Z]{2}[0-9]{2}[A-Z0-9 ]{11,34}"),
        ("(?&phone)", r"[\d .()-]{7,24}"),
        ("(?&mail)", r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}"),
        ("(?&private-key)", "(?s:.)"),
        ("[:token:]", r"\w-"),
        ("[:base64:]", "A-Za-z0-9+/="),
        ("[:header:]", "A-Za-z0-9+/=_.~%-"),
        ("[:crypt:]", "A-Za-z0-9./$=,+"),
        ("[:value:]", r##"!#$%()*+./:<=>?@A-Z\[\\\]^_a-z{|}~0-9-"##),
        ("[:in-double:]", r"!#-~ "),
        ("[:in-single:]", r"!-&(-~ "),
        ("[:url-password:]", r"!#-&(-.0-;=?A-_a-~"),
        ("[:user:]", r"!$-&(-.0-9;=A-_a-~"),
    ] {
        form = form.replace(ours, theirs);
    }
    form
}

/// Text without a secret, always the same.
fn logs() -> Vec<u8> {
    let mut made = Made(0x2545_f491_4f6c_dd1d);
    let mut text = String::with_capacity(BYTES + 4096);
    while text.len() < BYTES {
        made.piece(&mut text);
    }
    text.truncate(BYTES);
    text.into_bytes()
}

struct Made(u64);

impl Made {
    fn number(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "alpha", "cache", "deploy", "server", "worker", "index", "backup", "queue", "login", "session", "user",
            "update", "build", "config", "network", "storage", "render", "parser", "stream", "bucket", "region",
            "volume", "payment", "order",
        ];
        WORDS[self.number(24) as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.number(16) as u32, 16).unwrap()).collect()
    }

    fn piece(&mut self, text: &mut String) {
        let (a, b, c, n, m) = (self.word(), self.word(), self.word(), self.number(10_000), self.number(254));
        let time = format!("{:02}:{:02}:{:02}", self.number(24), self.number(60), self.number(60));
        let (short, long) = (self.hex(9), self.hex(40));
        let uuid = format!("{}-{}-{}-{}-{}", self.hex(8), self.hex(4), self.hex(4), self.hex(4), self.hex(12));
        match self.number(9) {
            0 => writeln!(text, "Nov 28 {time} host{m} sshd[{n}]: Failed password for invalid user {a} from 10.{m}.30.7 port 5{n} ssh2"),
            1 => writeln!(text, "10.20.{m}.40 - - [28/Nov/2026:{time} +0000] \"GET /{a}/{n}?page={m}&sort={b} HTTP/1.1\" 200 {n} \"https://www.example.org/{c}\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\""),
            2 => writeln!(text, "Nov 28 {time} node-{m} systemd[1]: Started {a}-{b}.service - {c} daemon.\nNov 28 {time} node-{m} kernel: [{n}.123456] audit: type=1400 audit(17{n}0011.{m}:{n}): apparmor=\"ALLOWED\" operation=\"open\""),
            3 => {
                writeln!(text, "2026-11-28T{time}.123456Z ERROR [exec-{m}] c.e.{a}.Service - request {uuid} failed\njava.lang.IllegalStateException: {b} must not be null").unwrap();
                (0..m % 12).try_for_each(|at| writeln!(text, "\tat com.example.{a}.{b}.Handler{at}.{c}(Handler{at}.java:{n})"))
            }
            4 => writeln!(text, "{{\"ts\":\"2026-11-28T{time}.123456Z\",\"level\":\"info\",\"logger\":\"{a}.{b}\",\"msg\":\"handled request\",\"path\":\"/api/v1/{c}/{n}\",\"status\":200,\"duration_ms\":{m}.25,\"request_id\":\"{uuid}\"}}"),
            5 => writeln!(text, "commit {long}\nDate:   Sat Nov 28 {time} 2026 +0000\n\n    {a}: the {b} when the {c} is gone\n\ndiff --git a/src/{a}.rs b/src/{a}.rs\n@@ -{m},7 +{m},9 @@ fn {b}() {{\n-    let {c} = {a}::new(&{b}, {n})?;\n+    let {c} = {a}::with({b}.len(), {n})?;\n     let token = session.token();"),
            6 => (0..m % 9).try_for_each(|at| writeln!(text, "{a}-{short}-{at}   1/1     Running   0          {m}d")),
            7 => writeln!(text, "I1128 {time}.123456       1 httplog.go:132] \"HTTP\" verb=\"GET\" URI=\"/api/v1/namespaces/{a}/pods/{b}-{short}\" latency=\"{m}.25ms\" userAgent=\"kubelet/v1.31.2 (linux/amd64)\" resp=200"),
            _ => writeln!(text, "drwxr-xr-x 2 root root {n} Nov 28 09:44 {a}.{b}\n{long}  {c}-1.{m}.tar.gz"),
        }
        .unwrap();
    }
}
