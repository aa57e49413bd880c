//! What Cedar's own checks let pass and we do not.
//!
//! Cedar knows types, not ids, and skips a policy whose evaluation fails: a `forbid` with a
//! misspelt group or an overflow would fail open.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use serde_json::Value;

use super::Catalogue;
use super::fault::nearest;
use super::rule::{Effect, Rule};
use crate::domain::identity::Flow;

/// A finding: the text to point at, what is wrong, and the mend.
pub(super) struct Finding {
    pub(super) needle: String,
    pub(super) what: String,
    pub(super) mend: String,
}

/// Ids of single people and pipelines: nobody can look one up.
pub(super) fn single_ids(literals: &[EntityUid]) -> Vec<Finding> {
    let kinds = literals.iter().map(|uid| uid.type_name().basename());
    let single = kinds.filter(|kind| ["User", "Pipeline"].contains(kind));
    single
        .map(|kind| Finding {
            needle: format!("{kind}::"),
            what: format!("a rule names one {}", kind.to_lowercase()),
            mend: "put them into a [[group]] of the config and name the group: nobody checks an id here".into(),
        })
        .collect()
}

/// Ids of groups, environments, targets and issuers that nobody knows, in the text of a rule and in its annotations.
pub(super) fn unknown_ids(literals: &[EntityUid], rule: &Rule, catalogue: &Catalogue) -> Vec<Finding> {
    let mut findings = Vec::new();
    for uid in literals {
        let (kind, id): (&str, &str) = (uid.type_name().basename(), uid.id().unescaped());
        let known: Vec<&str> = match kind {
            "Group" => catalogue.groups.iter().map(String::as_str).chain(Catalogue::BUILT_IN_GROUPS).collect(),
            "Env" => catalogue.environments.iter().map(String::as_str).collect(),
            "Target" => catalogue.targets.iter().map(String::as_str).collect(),
            "Issuer" => catalogue.issuers.iter().map(String::as_str).collect(),
            // People and pipelines: `single_ids`. Actions and the bastion are part of the schema: Cedar knows their ids.
            _ => continue,
        };
        if !known.contains(&id) {
            findings.push(unknown(kind, id, format!("{kind}::\"{id}\""), &known));
        }
    }
    let known: Vec<&str> = catalogue.groups.iter().map(String::as_str).chain(Catalogue::BUILT_IN_GROUPS).collect();
    let approvers = rule.hold.iter().flat_map(|hold| &hold.groups);
    for group in approvers.filter(|group| !known.contains(&group.as_str())) {
        findings.push(unknown("Group", group, "@approver_groups".into(), &known));
    }
    let profiles: Vec<&str> = catalogue.mask_profiles.iter().map(String::as_str).collect();
    for profile in rule.limits.mask.iter().filter(|profile| !profiles.contains(&profile.as_str())) {
        findings.push(unknown("mask profile", profile, "@mask".into(), &profiles));
    }
    findings
}

fn unknown(kind: &str, id: &str, needle: String, known: &[&str]) -> Finding {
    let word = match kind {
        "Env" => "environment".to_owned(),
        other => other.to_lowercase(),
    };
    let mend = match nearest(id, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => format!("the config has no {word} yet: add it there first"),
        None => format!("add it to the config, or use one of: {}", known.join(", ")),
    };
    Finding { needle, what: format!("{word} {id:?} is not known"), mend }
}

/// Faults in the conditions of a rule, from its JSON form.
pub(super) fn conditions(rule: &Rule, json: &Value) -> Vec<Finding> {
    let mut lint =
        Lint { forbid: rule.effect == Effect::Forbid, findings: Vec::new(), counts: Vec::new(), groups: false };
    let none = Vec::new();
    for condition in json.get("conditions").and_then(Value::as_array).unwrap_or(&none) {
        let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
        if let Some(body) = condition.get("body") {
            lint.expression(body, unless);
        }
    }
    lint.approvals(rule);
    lint.findings
}

struct Lint {
    forbid: bool,
    findings: Vec<Finding>,
    /// Every `context.approval.count >= n`, and whether it stands in an `unless`.
    counts: Vec<(i64, bool)>,
    /// Whether `context.approval.groups` is used.
    groups: bool,
}

impl Lint {
    fn fault(&mut self, needle: &str, what: &str, mend: &str) {
        self.findings.push(Finding { needle: needle.into(), what: what.into(), mend: mend.into() });
    }

    fn expression(&mut self, value: &Value, unless: bool) {
        if let Some(path) = path(value) {
            match path.as_slice() {
                ["context", "flow"] => self.fault(
                    "context.flow",
                    "flow is used in a way that nobody can check",
                    "write context.flow == \"local\", or [\"device\", \"remote\"].contains(context.flow)",
                ),
                ["context", "approval"] | ["context", "approval", "count"] => self.fault(
                    "context.approval",
                    "the number of approvals is used in another way than >=",
                    "write context.approval.count >= 2",
                ),
                ["context", "approval", "groups"] => self.groups = true,
                _ => {}
            }
            return;
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.expression(item, unless)),
            Value::Object(fields) => {
                for (operator, operand) in fields {
                    if !self.handled(operator, operand, unless) {
                        self.expression(operand, unless);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether the operands need no further look.
    fn handled(&mut self, operator: &str, operand: &Value, unless: bool) -> bool {
        let (left, right) = (operand.get("left"), operand.get("right"));
        let is = |side: Option<&Value>, want: &[&str]| side.and_then(path).is_some_and(|path| path == want);
        match operator {
            // A literal, whatever it looks like inside.
            "Value" => true,
            "==" | "!=" if is(left, &["context", "flow"]) || is(right, &["context", "flow"]) => {
                let literal = if is(left, &["context", "flow"]) { right } else { left };
                self.flows(literal.into_iter());
                true
            }
            "contains" if is(right, &["context", "flow"]) => {
                let set = left.and_then(|set| set.get("Set").or_else(|| set.get("Value"))).and_then(Value::as_array);
                match set {
                    Some(items) => self.flows(items.iter()),
                    None => self.expression(right.unwrap_or(&Value::Null), unless),
                }
                true
            }
            ">=" if is(left, &["context", "approval", "count"]) => {
                match right.and_then(|right| right.get("Value")).and_then(Value::as_i64) {
                    Some(count) => self.counts.push((count, unless)),
                    None => self.fault(
                        "context.approval.count",
                        "the number of approvals is compared with something that is no number",
                        "write context.approval.count >= 2",
                    ),
                }
                true
            }
            "like" if is(left, &["context", "command", "argv"]) => {
                if !operand.get("pattern").and_then(Value::as_array).is_some_and(|pattern| fixes_program(pattern)) {
                    self.fault(
                        "like",
                        "the pattern leaves open which program runs",
                        "begin it with an absolute path and a blank: context.command.argv like \"/opt/app/deploy --release *\"",
                    );
                }
                true
            }
            "like" if left.is_some_and(reads_command) => {
                self.fault(
                    "like",
                    "a pattern on the text of a command allows what comes after a `;`",
                    "match the words of a simple command: context.command.argv like \"/opt/app/deploy --release *\"",
                );
                true
            }
            "+" | "-" | "*" | "neg" | "offset" | "durationSince" | "toDate" if self.forbid => {
                self.fault(
                    operator,
                    "arithmetic in a forbid: if it overflows, Cedar skips the rule",
                    "compare with a number that you worked out yourself",
                );
                true
            }
            _ => false,
        }
    }

    fn flows<'a>(&mut self, literals: impl Iterator<Item = &'a Value>) {
        let words = [Flow::Local, Flow::Remote, Flow::Device, Flow::Ci].map(Flow::as_str);
        for literal in literals {
            let text = literal.get("Value").unwrap_or(literal).as_str();
            match text {
                Some(text) if Flow::parse(text).is_some() => {}
                Some(text) => {
                    let mend = match nearest(text, words) {
                        Some(meant) => format!("did you mean {meant:?}?"),
                        None => format!("use one of: {}", words.join(", ")),
                    };
                    let what = format!("flow {text:?} is not known");
                    self.findings.push(Finding { needle: format!("\"{text}\""), what, mend });
                }
                None => self.fault("context.flow", "flow is compared with something else than a text", "name the flow"),
            }
        }
    }

    fn approvals(&mut self, rule: &Rule) {
        let numbers: BTreeSet<i64> = self.counts.iter().map(|(count, _)| *count).collect();
        let outside = self.counts.iter().any(|(_, unless)| !unless);
        match &rule.hold {
            Some(hold) if numbers.is_empty() => {
                let mend = format!("write: unless {{ … || context.approval.count >= {} }}", hold.quorum);
                self.fault("@require_approval", "no condition looks at the approvals, so they change nothing", &mend);
            }
            Some(hold) if numbers.iter().any(|count| *count != i64::from(hold.quorum)) => {
                let mend = format!("use one number in both places, such as {}", hold.quorum);
                self.fault("@require_approval", "the annotation and the condition name different numbers", &mend);
            }
            Some(_) if outside => self.fault(
                "context.approval.count",
                "the approvals stand in a `when`, so they would close instead of open",
                "move them into `unless { … }`",
            ),
            Some(_) => {}
            None if self.groups || !numbers.is_empty() => self.fault(
                "context.approval",
                "a condition looks at approvals that nobody will be asked for",
                "add @require_approval to a forbid, and let a permit without this condition allow",
            ),
            None => {}
        }
    }
}

/// Whether any part of the expression reads the command, by whatever detour.
fn reads_command(expression: &Value) -> bool {
    if path(expression).is_some_and(|path| path.starts_with(&["context", "command"])) {
        return true;
    }
    match expression {
        Value::Array(items) => items.iter().any(reads_command),
        Value::Object(fields) => fields.values().any(reads_command),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a pattern begins with an absolute path that ends at a blank, or is one whole, before anything is left open.
fn fixes_program(pattern: &[Value]) -> bool {
    let literal: String = pattern.iter().map_while(|part| part.get("Literal").and_then(Value::as_str)).collect();
    let open = pattern.iter().any(|part| part.as_str() == Some("Wildcard"));
    literal.starts_with('/') && (!open || literal.contains(' ')) && !literal.starts_with("/ ")
}

/// `context.command.raw` as its words, if the expression is a plain path.
fn path(expression: &Value) -> Option<Vec<&str>> {
    if let Some(variable) = expression.get("Var").and_then(Value::as_str) {
        return Some(vec![variable]);
    }
    let access = expression.get(".")?;
    let mut path = path(access.get("left")?)?;
    path.push(access.get("attr")?.as_str()?);
    Some(path)
}
