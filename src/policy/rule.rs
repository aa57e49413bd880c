//! What annotations say of a rule: its id, the limits that follow from it, what a hold asks for.
//!
//! Annotations that are not known are faults: one that is silently ignored would be a limit that
//! nobody keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::nearest;
use crate::domain::files::{Pattern, Reach};
use crate::domain::parse_span;

/// Whether a rule opens or closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// `permit`.
    Permit,
    /// `forbid`.
    Forbid,
}

impl Effect {
    /// The word in policy and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

/// Limits on what is allowed: the strictest of all rules that allowed it.
///
/// The default is what holds where no rule says more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// `@max_session`: the session is cut after so long.
    pub max_session: Option<Duration>,
    /// `@mask`: mask profiles beyond the default one; all of them apply.
    pub mask: BTreeSet<String>,
    /// `@record("digest")`: content need not be kept. Only if every rule says so.
    pub digest_only: bool,
    /// `@durable`: output waits until its recording is on disk.
    pub durable: bool,
    /// `@input("record")`: keystrokes of a terminal are recorded.
    pub record_input: bool,
    /// `@hidden_input("end")`: typing without echo ends the session.
    pub hidden_input_ends: bool,
    /// `@shell("guarded")`: no shell but the bastion's own prompt.
    pub guarded_shell: bool,
    /// `@require_reason`: whoever asks must say why.
    pub require_reason: bool,
    /// `@without_alert`: it may begin although no channel took the alert. Only if every rule says so.
    pub without_alert: bool,
    /// `@sftp`, `@sftp_paths`, `@sftp_deny`: how far SFTP reaches.
    pub sftp: Reach,
}

impl Obligations {
    /// The strictest of both.
    pub fn merge(mut self, other: &Self) -> Self {
        self.max_session = self.max_session.into_iter().chain(other.max_session).min();
        self.mask.extend(other.mask.iter().cloned());
        self.digest_only &= other.digest_only;
        self.durable |= other.durable;
        self.record_input |= other.record_input;
        self.hidden_input_ends |= other.hidden_input_ends;
        self.guarded_shell |= other.guarded_shell;
        self.require_reason |= other.require_reason;
        self.without_alert &= other.without_alert;
        self.sftp.merge(&other.sftp);
        self
    }

    /// As `name=value`, for records.
    pub fn named(&self) -> Vec<String> {
        let mut named = Vec::new();
        if let Some(span) = self.max_session {
            named.push(format!("max_session={}s", span.as_secs()));
        }
        named.extend(self.mask.iter().map(|profile| format!("mask={profile}")));
        let flags = [
            (self.digest_only, "record=digest"),
            (self.durable, "durable=true"),
            (self.record_input, "input=record"),
            (self.hidden_input_ends, "hidden_input=end"),
            (self.guarded_shell, "shell=guarded"),
            (self.require_reason, "require_reason=true"),
            (self.without_alert, "without_alert=true"),
        ];
        named.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
        named.extend(self.sftp.named());
        named
    }

    /// The first limit whose name is not among `served`: whoever cannot keep a limit must refuse
    /// what it limits. (`record=digest` and `without_alert` loosen, so nobody has to keep them.)
    pub fn unserved(&self, served: &[&str]) -> Option<String> {
        let tightens = |limit: &String| {
            let name = limit.split('=').next().unwrap_or_default();
            !["record", "without_alert"].contains(&name) && !served.contains(&name)
        };
        self.named().into_iter().find(tightens)
    }
}

/// What must happen before something held may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// So many approvals: the largest number of all rules that hold.
    pub quorum: u8,
    /// Approvers come from these groups: the union. Empty means whoever may `approve`.
    pub approver_groups: BTreeSet<String>,
    /// The request expires after so long.
    pub ttl: Duration,
    /// Limits on what runs once it is approved.
    pub obligations: Obligations,
    /// Commands of the same classes need no further approval for so long, if every rule that holds says so.
    pub window: Option<Duration>,
    /// Standard input is not part of what is approved, if every rule that holds says so.
    pub open_input: bool,
}

impl Terms {
    /// The strictest of both, for what both hold.
    pub fn merge(mut self, other: &Self) -> Self {
        self.quorum = self.quorum.max(other.quorum);
        self.approver_groups.extend(other.approver_groups.iter().cloned());
        self.ttl = self.ttl.min(other.ttl);
        self.obligations = self.obligations.merge(&other.obligations);
        self.window = self.window.zip(other.window).map(|(one, two)| one.min(two));
        self.open_input &= other.open_input;
        self
    }
}

/// The longest time, and the default one, that a request stays open.
pub const TTL: Duration = Duration::from_secs(15 * 60);

/// What the annotations of one `@require_approval` rule ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) quorum: u8,
    pub(super) groups: BTreeSet<String>,
    pub(super) ttl: Duration,
    pub(super) window: Option<Duration>,
    pub(super) open_input: bool,
}

impl Hold {
    pub(super) fn terms(&self) -> Terms {
        let Self { quorum, groups, ttl, window, open_input } = self.clone();
        Terms { quorum, approver_groups: groups, ttl, obligations: Obligations::default(), window, open_input }
    }
}

/// One rule, beside its Cedar text.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) effect: Effect,
    pub(super) limits: Obligations,
    pub(super) hold: Option<Hold>,
}

/// Something wrong with the annotation `name`: what, and the mend.
pub(super) struct Wrong {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) mend: String,
}

impl Rule {
    /// Reads all annotations; those that are wrong are pushed to `wrong` and have no effect.
    pub(super) fn read(effect: Effect, annotations: &BTreeMap<&str, &str>, wrong: &mut Vec<Wrong>) -> Self {
        let mut rule = Self { effect, limits: Obligations::default(), hold: None };
        let mut hold = Hold { quorum: 0, groups: BTreeSet::new(), ttl: TTL, window: None, open_input: false };
        for (name, value) in annotations {
            if let Err((what, mend)) = rule.apply(&mut hold, name, value) {
                wrong.push(Wrong { name: (*name).to_owned(), what, mend });
            }
        }
        rule.hold = (hold.quorum > 0).then_some(hold);
        rule
    }

    fn apply(&mut self, hold: &mut Hold, name: &str, value: &str) -> Result<(), (String, String)> {
        let exactly = |want: &str| match value == want {
            true => Ok(true),
            false => Err((format!("@{name} cannot be {value:?}"), format!("write @{name}(\"{want}\")"))),
        };
        let Some((_, owner, _)) = KNOWN.iter().find(|(known, _, _)| *known == name) else {
            return Err((format!("@{name} is not known"), known_annotations(name)));
        };
        if owner.is_some_and(|owner| owner != self.effect) {
            let word = owner.map_or("", Effect::as_str);
            return Err((format!("@{name} has no effect here"), format!("it belongs to a {word} rule")));
        }
        match name {
            "max_session" => {
                let most = Duration::from_secs(24 * 3600);
                self.limits.max_session = Some(span(name, value, Duration::from_secs(1), most)?);
            }
            "mask" => self.limits.mask = words(name, value)?,
            "record" => self.limits.digest_only = exactly("digest")?,
            "durable" => self.limits.durable = exactly("true")?,
            "input" => self.limits.record_input = exactly("record")?,
            "hidden_input" => self.limits.hidden_input_ends = exactly("end")?,
            "shell" => self.limits.guarded_shell = exactly("guarded")?,
            "require_reason" => self.limits.require_reason = exactly("true")?,
            "without_alert" => self.limits.without_alert = exactly("true")?,
            "sftp" => match value {
                "read" => self.limits.sftp.read_only = true,
                "drop" => self.limits.sftp.drop_only = true,
                other => {
                    let mend = "write @sftp(\"read\"), or @sftp(\"drop\") for a folder to put files into";
                    return Err((format!("@sftp cannot be {other:?}"), mend.to_owned()));
                }
            },
            "sftp_paths" => self.limits.sftp.within = vec![patterns(name, value)?],
            "sftp_deny" => self.limits.sftp.without = patterns(name, value)?,
            "require_approval" => {
                let number = value.parse().ok().filter(|n| (1..=9).contains(n) && value.len() == 1);
                hold.quorum = number.ok_or_else(|| {
                    (format!("@require_approval cannot be {value:?}"), "write how many approvals, 1 to 9".to_owned())
                })?;
            }
            "approver_groups" => hold.groups = words(name, value)?,
            "ttl" => hold.ttl = span(name, value, Duration::from_secs(30), TTL)?,
            "window" => {
                let most = Duration::from_secs(3600);
                hold.window = Some(span(name, value, Duration::from_secs(30), most)?);
            }
            "stdin" => hold.open_input = exactly("open")?,
            // `id` was read by whoever made this rule.
            _ => {}
        }
        Ok(())
    }
}

/// Each annotation, the effect it belongs to, and what it is for.
const KNOWN: &[(&str, Option<Effect>, &str)] = &[
    ("id", None, "the rule's name in records and messages"),
    ("max_session", Some(Effect::Permit), "cuts the session after so long"),
    ("mask", Some(Effect::Permit), "further mask profiles, with commas"),
    ("record", Some(Effect::Permit), "\"digest\": content need not be kept"),
    ("durable", Some(Effect::Permit), "\"true\": output waits for its recording"),
    ("input", Some(Effect::Permit), "\"record\": keystrokes are recorded"),
    ("hidden_input", Some(Effect::Permit), "\"end\": typing without echo ends the session"),
    ("shell", Some(Effect::Permit), "\"guarded\": only the bastion's own prompt"),
    ("require_reason", Some(Effect::Permit), "\"true\": whoever asks must say why"),
    ("without_alert", Some(Effect::Permit), "\"true\": break_glass begins although no channel took the alert"),
    ("sftp", Some(Effect::Permit), "\"read\" or \"drop\": what SFTP may do"),
    ("sftp_paths", Some(Effect::Permit), "where SFTP may do it, with commas"),
    ("sftp_deny", Some(Effect::Permit), "where it may not, with commas"),
    ("require_approval", Some(Effect::Forbid), "holds until so many have approved"),
    ("approver_groups", Some(Effect::Forbid), "who may approve, with commas"),
    ("ttl", Some(Effect::Forbid), "how long the request stays open"),
    ("window", Some(Effect::Forbid), "commands of the same classes run unasked for so long afterwards"),
    ("stdin", Some(Effect::Forbid), "\"open\": standard input is not part of what is approved"),
];

/// The names of all annotations.
pub fn annotations() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _, _)| *name)
}

fn known_annotations(name: &str) -> String {
    match nearest(name, KNOWN.iter().map(|(known, _, _)| *known)) {
        Some(meant) => format!("did you mean @{meant}?"),
        None => {
            let mut mend = "remove it; known are".to_owned();
            for (known, _, _) in KNOWN {
                // Writing to a String cannot fail.
                let _ = write!(mend, " @{known}");
            }
            mend
        }
    }
}

fn span(name: &str, value: &str, least: Duration, most: Duration) -> Result<Duration, (String, String)> {
    parse_span(value).filter(|span| (least..=most).contains(span)).ok_or_else(|| {
        let mend = format!("write a span from {}s to {}s, such as \"15m\"", least.as_secs(), most.as_secs());
        (format!("@{name} cannot be {value:?}"), mend)
    })
}

fn words(name: &str, value: &str) -> Result<BTreeSet<String>, (String, String)> {
    let words: BTreeSet<String> = value.split(',').map(|word| word.trim().to_owned()).collect();
    match words.iter().any(String::is_empty) {
        true => Err((format!("@{name} has an empty name"), format!("write names with commas: @{name}(\"a,b\")"))),
        false => Ok(words),
    }
}

fn patterns(name: &str, value: &str) -> Result<BTreeSet<Pattern>, (String, String)> {
    let parsed = |text: String| {
        Pattern::parse(&text).ok_or_else(|| {
            let mend = "write absolute paths with commas; * is any text within a part, ** any number of parts";
            (format!("@{name} has no path {text:?}"), format!("{mend}: @{name}(\"/srv/drop/**\")"))
        })
    };
    words(name, value)?.into_iter().map(parsed).collect()
}
