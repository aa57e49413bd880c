//! Verdicts on command lines, with the lists as shipped, and what no rewriting may do to them.

use proptest::prelude::*;

use super::verdicts::VERDICTS;
use super::*;
use crate::policy::Reading;

fn shipped() -> Commands {
    commands(&[]).unwrap_or_else(|faults| panic!("{faults}"))
}

fn verdict(reading: &Reading) -> String {
    let form = reading.form.to_string();
    let form = form.split(':').next().unwrap_or_default();
    let mut shown = if reading.harmless { "harmless".to_owned() } else { form.to_owned() };
    if reading.elevated {
        shown.push_str(" elevated");
    }
    reading.classes.iter().for_each(|class| shown.push_str(&format!(" {class}")));
    shown
}

#[test]
fn every_command_of_the_table_has_its_verdict() {
    let commands = shipped();
    let wrong: Vec<String> = VERDICTS
        .iter()
        .flat_map(|(want, lines)| lines.iter().map(move |line| (want, line)))
        .filter_map(|(want, line)| {
            let got = verdict(&commands.read(line.as_bytes(), true, false));
            (got != **want).then(|| format!("{line:?}: {got}, not {want}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(VERDICTS.iter().map(|(_, lines)| lines.len()).sum::<usize>() >= 300);
}

#[test]
fn a_pager_in_a_terminal_is_as_good_as_a_shell() {
    let commands = shipped();
    let check =
        |line: &str, pty, want: bool| assert_eq!(commands.read(line.as_bytes(), true, pty).harmless, want, "{line}");
    check("systemctl status nginx", false, true);
    check("systemctl status nginx", true, false);
    check("systemctl status --no-pager nginx", true, true);
    check("uptime", true, true);
}

#[test]
fn nothing_is_known_of_a_login_without_a_posix_shell() {
    let reading = shipped().read(b"rm -rf /srv; uptime", false, false);
    assert_eq!((verdict(&reading).as_str(), reading.harmless), ("opaque destructive", false));
    assert_eq!(
        verdict(&Commands::default().read(b"uptime", true, false)),
        "simple",
        "without lists nothing is harmless"
    );
}

#[test]
fn words_keep_their_borders_when_they_are_joined() {
    let joined = |line: &str| shipped().read(line.as_bytes(), true, false).joined();
    assert_eq!(
        joined("/opt/app/deploy  --release '1 2'\t\"it's\" ''"),
        "/opt/app/deploy --release '1 2' 'it'\\''s' ''"
    );
    assert_eq!(joined("/opt/app/deploy --release 1; rm -rf /"), "", "only a simple command has words");
}

#[test]
fn a_site_adds_its_own_commands() {
    let own = r#"
        [harmless."/opt/app/deploy"]
        options = ["--release *"]
        [harmless."app-ctl reload"]
        [class.destructive]
        programs = ["app-ctl wipe"]
        [class.billing]
        programs = ["invoice"]
    "#;
    let commands = commands(&[("own.toml".into(), own.into())]).unwrap();
    let check =
        |line: &str, want: &str| assert_eq!(verdict(&commands.read(line.as_bytes(), true, false)), want, "{line}");
    check("/opt/app/deploy --release 42", "harmless");
    check("/opt/app/deploy --release 42; rm -rf /", "compound destructive");
    check("/opt/app/deploy --release $X", "opaque");
    check("/opt/app/deploy --release", "simple");
    check("/opt/app/deploy --release --force", "simple");
    check("/tmp/opt/app/deploy --release 42", "simple");
    check("deploy --release 42", "simple");
    check("app-ctl reload", "harmless");
    check("app-ctl wipe", "simple destructive");
    check("invoice 7", "simple billing");
    assert_ne!(commands.digest(), shipped().digest());
}

#[test]
fn faults_of_a_commands_file_come_with_their_place() {
    let fault = |text: &str, want: &str| {
        let faults = commands(&[("own.toml".into(), text.into())]).unwrap_err().to_string();
        assert!(faults.contains(want), "{text}: {faults}");
    };
    fault(
        "[class.x]\nprogram = [\"rm\"]",
        "own.toml: class.x.program: is not a key that exists here; did you mean programs?",
    );
    fault("[class.x]\nprograms = [\"\"]", "is no program");
    fault("[class.\"x y\"]\n", "is no name for a class");
    fault("[harmless.\"/tmp/x\"]\n", "others may write to");
    fault("[harmless.\"opt/x\"]\n", "others may write to");
    fault("[harmless.\"ls *\"]\n", "is no program with words");
    fault("[[harmless]]\n", "write it as tables");
    fault("x", "own.toml: line 1");
}

#[test]
fn a_hundred_thousand_parentheses_are_a_short_answer() {
    let commands = shipped();
    for open in ["(", "$(", "{", "[", "`", "'", "\"", "\\", "<(", "((", "$((", "a(", "&", ";", "|", "> ", "sudo ", "\n"]
    {
        let line = open.repeat(100_000);
        assert!(commands.read(line.as_bytes(), true, false).is_opaque(), "{open}");
        let shorter = line.get(..32 * 1024).unwrap();
        assert!(!commands.read(shorter.as_bytes(), true, false).harmless, "{open}");
    }
}

#[test]
fn the_worst_line_costs_little() {
    let commands = shipped();
    // Each of them is another word with a name that has rules of its own.
    let many: String = (0..4000).map(|n| format!("{n}/git ")).collect();
    let line = format!("$x {many}");
    assert!(commands.read(line.as_bytes(), true, false).is_opaque());
    assert!(!commands.marks(&format!("{line} sudo")).is_empty());
}

#[test]
fn what_somebody_should_look_at_is_marked() {
    let text = "ls -la; sudo rm -rf /srv && cat /etc/shadow";
    let marked: Vec<&str> = shipped().marks(text).iter().map(|(from, to)| &text[*from..*to]).collect();
    assert_eq!(marked, ["sudo", "rm", "/etc/shadow"]);
}

const BASES: &[&str] = &[
    "uptime",
    "ls -la /srv",
    "systemctl status nginx",
    "rm -rf /srv/x",
    "systemctl restart nginx",
    "cat /etc/shadow",
    "sudo systemctl stop db",
    "chmod 777 /srv",
    "app --flag value",
    "docker rm -f web",
    "echo one two",
    "cat /var/log/syslog",
    "iptables -F",
    "apt-get install x",
    "ls; rm x",
    "uptime | wc -l",
    "sudo -n id",
    "kill -9 7",
    "mount /dev/sdb /mnt",
    "printenv",
];

type Rewrite = fn(&str, usize) -> String;

/// Ways to write the same command, or more than it, otherwise.
const REWRITES: &[(&str, Rewrite)] = &[
    ("quotes around the program", |line, _| quoted(line, "'")),
    ("double quotes around the program", |line, _| quoted(line, "\"")),
    ("a backslash in a word", |line, at| within(line, at, "\\")),
    ("empty quotes in a word", |line, at| within(line, at, "''")),
    ("the program in ANSI-C quotes", |line, _| {
        let (first, rest) = split(line);
        format!("$'\\x{:02x}{}'{rest}", first.as_bytes()[0], &first[1..])
    }),
    ("IFS for blanks", |line, _| line.replace(' ', "${IFS}")),
    ("tabs and more blanks", |line, at| line.replace(' ', ["\t", "  ", " \t "][at % 3])),
    ("a line that goes on", |line, at| within(line, at, "\\\n")),
    ("sudo", |line, _| format!("sudo {line}")),
    ("sudo with an option", |line, at| {
        format!("sudo {} {line}", ["-n", "-E", "-u root", "--non-inter", "-i", "--"][at % 6])
    }),
    ("nohup", |line, _| format!("nohup {line}")),
    ("timeout", |line, at| format!("timeout {}5 {line}", ["", "-k 1 ", "-k1 ", "--foreground "][at % 4])),
    ("nice", |line, at| format!("nice {}{line}", ["", "-n 5 ", "-5 "][at % 3])),
    ("env", |line, _| format!("env {line}")),
    ("env that sets", |line, _| format!("env LD_PRELOAD=/tmp/x.so {line}")),
    ("a variable before it", |line, _| format!("PATH=/tmp {line}")),
    ("command", |line, _| format!("command {line}")),
    ("busybox", |line, _| format!("busybox {line}")),
    ("an absolute path", |line, _| format!("/usr/bin/{line}")),
    ("a place of one's own", |line, _| format!("/tmp/{line}")),
    ("sh -c", |line, _| format!("sh -c '{}'", line.replace('\'', "'\\''"))),
    ("su -c", |line, _| format!("su - root -c '{}'", line.replace('\'', "'\\''"))),
    ("eval", |line, _| format!("eval {line}")),
    ("xargs", |line, _| format!("xargs {line}")),
    ("in a subshell", |line, _| format!("({line})")),
    ("in braces", |line, _| format!("{{ {line}; }}")),
    ("in a substitution", |line, _| format!("echo $({line})")),
    ("in backticks", |line, _| format!("echo `{line}`")),
    ("behind another", |line, at| format!("true {} {line}", ["&&", ";", "|", "&", "\n"][at % 5])),
    ("before another", |line, at| format!("{line} {} true", ["&&", ";", "|", "||", "\n", "&"][at % 6])),
    ("redirected", |line, at| format!("{line} {}", ["> /dev/null", "2>&1", "< /dev/null", ">> x", "&> x"][at % 5])),
    ("in the background", |line, _| format!("{line} &")),
    ("a comment behind it", |line, _| format!("{line} # harmless")),
    ("a variable for the program", |line, _| {
        let (first, rest) = split(line);
        format!("X={first}; $X{rest}")
    }),
    ("a here-string", |line, _| format!("sh <<< '{line}'")),
    ("decoded", |line, _| format!("echo {line} | base64 -d | sh")),
    ("a character that shows as nothing", |line, at| {
        format!("{}\u{200b}{}", &line[..at % line.len()], &line[at % line.len()..])
    }),
    ("a carriage return", |line, _| format!("{line}\r")),
    ("a file name pattern", |line, _| format!("{line} *")),
];

/// With `what` between two letters, where it means nothing: elsewhere it could take the meaning from a character.
fn within(line: &str, at: usize, what: &str) -> String {
    let letter = |at: usize| line.as_bytes()[at].is_ascii_alphanumeric();
    let fits: Vec<usize> = (1..line.len()).filter(|at| letter(at - 1) && letter(*at)).collect();
    let at = fits.get(at % fits.len().max(1)).copied().unwrap_or(0);
    format!("{}{what}{}", &line[..at], &line[at..])
}

fn split(line: &str) -> (&str, &str) {
    line.split_at(line.find([' ', ';', '\t', '\n']).unwrap_or(line.len()))
}

fn quoted(line: &str, quote: &str) -> String {
    let (first, rest) = split(line);
    format!("{quote}{first}{quote}{rest}")
}

fn severity(reading: &Reading) -> u8 {
    match (reading.harmless, reading.is_simple(), reading.is_opaque()) {
        (true, ..) => 0,
        (_, true, _) => 1,
        (_, _, false) => 2,
        (_, _, true) => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rewriting_makes_a_command_look_less_severe(
        base in 0..BASES.len(),
        steps in prop::collection::vec((0..REWRITES.len(), 0..1000_usize), 1..4),
    ) {
        thread_local!(static SHIPPED: Commands = shipped());
        SHIPPED.with(|commands| {
            let read = |line: &str| commands.read(line.as_bytes(), true, false);
            let mut line = BASES[base].to_owned();
            let mut before = read(&line);
            for (which, at) in steps {
                // Beyond ASCII everything is opaque already, and cannot be cut anywhere.
                if !line.is_ascii() || line.is_empty() || line.starts_with(['$', '\'', '"']) {
                    break;
                }
                let (name, rewrite) = REWRITES[which];
                let written = rewrite(&line, at);
                let after = read(&written);
                prop_assert!(severity(&after) >= severity(&before), "{name}: {line:?} became {written:?}");
                prop_assert!(after.is_opaque() || after.elevated >= before.elevated, "{name}: {line:?} became {written:?}");
                prop_assert!(after.is_opaque() || after.classes.is_superset(&before.classes), "{name}: {line:?} became {written:?}");
                (line, before) = (written, after);
            }
            Ok(())
        })?;
    }
}
