//! One question to the policy, as Cedar sees it: its entities and its context.
//!
//! Builds, decides nothing. What is missing is missing: nothing is filled in that would help the asker.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{EntityUid, Request as CedarRequest, Schema};
use cedar_policy_core::ast::{self, Value};
use smol_str::SmolStr;

use super::scene::Scene;
use super::scope::Cut;
use super::{Policy, Reading};
use crate::domain::Timestamp;
use crate::domain::forward::Endpoint;
use crate::domain::identity::{Identity, Principal, SignIn};
use crate::domain::listen::Listen;
use crate::domain::session::{Action, Command};
use crate::domain::target::{Login, Target};

/// What somebody asks to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A login shell on a target.
    Shell,
    /// One command on a target.
    Exec(&'a Command),
    /// A command that moves files, unmasked and recorded by digest.
    Transfer(&'a Command),
    /// File transfer by SFTP.
    Sftp,
    /// A forwarded connection.
    Forward(&'a Endpoint),
    /// A place where the target takes connections for the client.
    Listen(&'a Listen),
    /// Agent forwarding.
    Agent,
    /// X11 forwarding.
    X11,
    /// An environment variable beyond the default ones.
    Env,
    /// Output without masking.
    Unmask,
    /// Traffic without a recording; where it goes, if it is a forwarded connection.
    Unrecorded(Option<&'a Endpoint>),
    /// The loud way past approval.
    BreakGlass,
    /// Look at a recording.
    Review,
    /// Look at a live session.
    Watch,
    /// End a live session.
    Terminate,
    /// Vote on a held request.
    Approve,
    /// Ask why something would be decided as it would.
    Explain,
    /// Take evidence out.
    Audit,
    /// Get a user certificate.
    Certify,
    /// Void certificates and sessions.
    Revoke,
}

impl<'a> Asked<'a> {
    /// What is asked of a target.
    pub fn of(action: &'a Action) -> Self {
        match action {
            Action::Shell => Self::Shell,
            Action::Exec(command) => Self::Exec(command),
            Action::Sftp => Self::Sftp,
            Action::Forward(forward) => Self::Forward(&forward.to),
            Action::Listen(listen) => Self::Listen(listen),
        }
    }
}

impl Asked<'_> {
    /// Every word, as the schema has them.
    pub(super) const WORDS: [&'static str; 20] = [
        "shell",
        "exec",
        "transfer",
        "sftp",
        "forward",
        "listen",
        "agent",
        "x11",
        "env",
        "unmask",
        "unrecorded",
        "break_glass",
        "review",
        "watch",
        "terminate",
        "approve",
        "explain",
        "audit",
        "certify",
        "revoke",
    ];

    /// Whether it is something done on a target, which approvals may stand for.
    fn is_on_target(&self) -> bool {
        match self {
            Self::Shell
            | Self::Exec(_)
            | Self::Transfer(_)
            | Self::Sftp
            | Self::Forward(_)
            | Self::Listen(_)
            | Self::Agent
            | Self::X11
            | Self::Env
            | Self::Unmask
            | Self::Unrecorded(_)
            | Self::BreakGlass => true,
            Self::Review
            | Self::Watch
            | Self::Terminate
            | Self::Approve
            | Self::Explain
            | Self::Audit
            | Self::Certify
            | Self::Revoke => false,
        }
    }

    /// Where a forwarded connection goes.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Forward(to) | Self::Unrecorded(Some(to)) => Some(to),
            _ => None,
        }
    }

    /// The word in policy and records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec(_) => "exec",
            Self::Transfer(_) => "transfer",
            Self::Sftp => "sftp",
            Self::Forward(_) => "forward",
            Self::Listen(_) => "listen",
            Self::Agent => "agent",
            Self::X11 => "x11",
            Self::Env => "env",
            Self::Unmask => "unmask",
            Self::Unrecorded(_) => "unrecorded",
            Self::BreakGlass => "break_glass",
            Self::Review => "review",
            Self::Watch => "watch",
            Self::Terminate => "terminate",
            Self::Approve => "approve",
            Self::Explain => "explain",
            Self::Audit => "audit",
            Self::Certify => "certify",
            Self::Revoke => "revoke",
        }
    }
}

/// One question.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub identity: &'a Identity,
    /// By which sign-in.
    pub sign_in: &'a SignIn,
    /// What.
    pub action: Asked<'a>,
    /// Where, for whatever concerns a target.
    pub target: Option<(&'a Target, &'a Login)>,
    /// Whose session a review, a watch or a termination concerns, or whose request a vote.
    pub owner: Option<&'a Principal>,
    /// When.
    pub now: Timestamp,
    /// From where.
    pub source: IpAddr,
    /// Whether with a terminal.
    pub pty: bool,
}

/// Approvals that stand when the question is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// How many.
    pub count: u8,
    /// Groups that the approvers are members of.
    pub groups: BTreeSet<String>,
}

/// A request in Cedar's terms. Only the approvals differ from one evaluation to the next.
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) request: &'a Request<'a>,
    pub(super) scene: Arc<Scene>,
    pub(super) action: EntityUid,
    /// The rules that can speak of it.
    pub(super) cut: Arc<Cut>,
    /// Its context without the approvals.
    context: BTreeMap<SmolStr, Value>,
    pub(super) reading: Option<Reading>,
}

/// What cannot be put into Cedar's terms, in a phrase.
pub(super) type Unfit = String;

impl<'a> Case<'a> {
    pub(super) fn new(policy: &'a Policy, request: &'a Request<'a>) -> Result<Self, Unfit> {
        let words = &policy.words;
        let action = words.action(&request.action).ok_or("the schema lacks this action")?.clone();
        let scene = policy.scenes.of(policy, request)?;
        let reading = match request.action {
            Asked::Exec(command) | Asked::Transfer(command) => {
                let posix = request.target.is_some_and(|(target, _)| target.posix_shell);
                Some(policy.commands.read(command.bytes(), posix, request.pty))
            }
            _ => None,
        };
        let cut = policy.scopes.speaking(&scene.place(&action));
        let context = context(policy, request, (&scene.source, reading.as_ref()))?;
        Ok(Self { policy, request, scene, action, cut, context, reading })
    }

    /// The question with these approvals standing; refused if it does not fit the schema.
    pub(super) fn asked(&self, approvals: &Approvals) -> Result<CedarRequest, Unfit> {
        self.put(approvals, Some(&self.policy.words.schema))
    }

    /// The question once more, after it was found to fit: nothing but the number of approvals and their groups is new.
    pub(super) fn asked_again(&self, approvals: &Approvals) -> Result<CedarRequest, Unfit> {
        self.put(approvals, None)
    }

    fn put(&self, approvals: &Approvals, schema: Option<&Schema>) -> Result<CedarRequest, Unfit> {
        let mut context = self.context.clone();
        if self.request.action.is_on_target() {
            context.insert("approval".into(), self.approval(approvals));
        }
        let context = ast::Context::Value(Arc::new(context)).into();
        let (principal, resource) = (self.scene.principal.clone(), self.scene.resource.clone());
        CedarRequest::new(principal, self.action.clone(), resource, context, schema).map_err(|error| error.to_string())
    }

    fn approval(&self, approvals: &Approvals) -> Value {
        let words = &self.policy.words;
        let groups = approvals.groups.iter().map(|group| named(words.entity(&words.group, group)));
        record([("count", i64::from(approvals.count).into()), ("groups", Value::set(groups, None))])
    }
}

/// What Cedar is told besides the entities, but for the approvals.
fn context(
    policy: &Policy,
    request: &Request<'_>,
    (source, reading): (&Value, Option<&Reading>),
) -> Result<BTreeMap<SmolStr, Value>, Unfit> {
    let words = &policy.words;
    let mut context: BTreeMap<SmolStr, Value> = BTreeMap::new();
    let mut add = |name: &'static str, value: Value| context.insert(SmolStr::new_static(name), value);
    add("now", words.time(datetime(request.now))?);
    add("source_ip", source.clone());
    add("flow", request.sign_in.flow.as_str().into());
    add("auth_age_s", auth_age(request).into());
    add("groups_age_s", seconds(request.now.since(request.sign_in.at).as_secs()).into());
    let on_target = || request.target.ok_or_else(|| format!("{} needs a target", request.action.as_str()));
    let command = match request.action {
        Asked::Exec(command) | Asked::Transfer(command) => Some(command),
        Asked::Review | Asked::Watch | Asked::Terminate => {
            let own = request.owner == Some(&request.identity.principal());
            add("own", own.into());
            return Ok(context);
        }
        Asked::Approve => {
            let owner = request.owner.ok_or("a vote needs to know whose request it is for")?;
            add("requester", named(words.entity(&words.user, owner.as_str())));
            return Ok(context);
        }
        Asked::Explain | Asked::Audit | Asked::Certify | Asked::Revoke => return Ok(context),
        Asked::Shell
        | Asked::Sftp
        | Asked::Forward(_)
        | Asked::Listen(_)
        | Asked::Agent
        | Asked::X11
        | Asked::Env
        | Asked::Unmask
        | Asked::Unrecorded(_)
        | Asked::BreakGlass => None,
    };
    let (_, login) = on_target()?;
    add("login", login.as_str().into());
    if let Some(to) = request.action.endpoint() {
        add("destination", record([("host", to.host().into()), ("port", i64::from(to.port()).into())]));
    }
    if let Asked::Listen(at) = request.action {
        add("bind", record([("host", at.host().into()), ("port", i64::from(at.port()).into())]));
    }
    if command.is_some() || request.action == Asked::Shell {
        add("pty", request.pty.into());
    }
    if let (Some(command), Some(reading)) = (command, reading) {
        let raw = String::from_utf8_lossy(command.bytes());
        let set = |texts: &BTreeSet<String>| Value::set(texts.iter().map(|one| one.as_str().into()), None);
        let fields = [
            ("length", seconds(command.bytes().len() as u64).into()),
            ("raw", raw.as_ref().into()),
            ("simple", reading.is_simple().into()),
            ("opaque", reading.is_opaque().into()),
            ("elevated", reading.elevated.into()),
            ("harmless", reading.harmless.into()),
            ("argv0", reading.argv.first().map_or("", String::as_str).into()),
            ("argv", reading.joined().into()),
            ("programs", set(&reading.programs)),
            ("classes", set(&reading.classes)),
        ];
        add("command", record(fields));
    }
    Ok(context)
}

fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::record(fields.map(|(name, value)| (SmolStr::new_static(name), value)), None)
}

fn named(uid: EntityUid) -> Value {
    ast::EntityUID::from(uid).into()
}

/// Absent means oldest: an issuer that does not say when somebody signed in must not look fresh. A
/// time that lies ahead counts as now.
fn auth_age(request: &Request<'_>) -> i64 {
    request.sign_in.auth_time.map_or(i64::MAX, |time| seconds(request.now.since(time).as_secs()))
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Cedar's form of a time has exactly three digits of a second.
fn datetime(time: Timestamp) -> String {
    let shown = time.to_string();
    format!("{}Z", shown.get(..shown.len().saturating_sub(4)).unwrap_or_default())
}
