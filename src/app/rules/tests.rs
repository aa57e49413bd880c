//! The starter policies and a few rules more, asked as an operator would.

use std::path::Path;

use super::*;
use crate::policy::Outcome;
use crate::policy::STARTER;

const POLICY_MD: &str = include_str!("../../../docs/POLICY.md");
const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);

const CONFIG: &str = r#"
name = "bastion.example.com"
state = "state"
[ssh]
listen = "[::]:2222"
[[issuer]]
name = "corp"
profile = "okta"
url = "https://example.okta.com"
client_id = "c"
[[issuer]]
name = "actions"
profile = "github"
require = { repository_owner_id = "1" }
[[group]]
name = "users"
members = ["corp/engineering"]
[[group]]
name = "sre"
members = ["corp:00u1abcd"]
[[group]]
name = "sre-leads"
members = ["corp:00u2efgh"]
[[target]]
name = "db1"
aliases = ["db"]
address = "10.0.3.4"
shell = "posix"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"
logins = ["deploy", "root"]
labels = { env = "production", ci_issuer = "actions", ci_repository = "123456", ci_environment = "production", ci_login = "deploy" }
[[target]]
name = "web1"
address = "10.0.3.5"
shell = "posix"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"
logins = ["deploy"]
default_login = "deploy"
labels = { env = "staging" }
"#;

fn config() -> Config {
    Config::parse(CONFIG, Path::new("/nowhere")).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The starter policies with the hold that the documentation teaches, and somebody whom it concerns.
fn policy(config: &Config) -> Policy {
    let mut files: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let more = r#"
@id("sre-production") @max_session("2h")
permit (principal in Sallyport::Group::"sre", action in [Sallyport::Action::"exec", Sallyport::Action::"shell"],
        resource in Sallyport::Env::"production")
when { context.login != "root" };
@id("hold-privileged-production") @require_approval("2") @approver_groups("sre-leads") @ttl("15m")
forbid (principal, action == Sallyport::Action::"exec", resource in Sallyport::Env::"production")
unless { context.command.harmless || context.approval.count >= 2 };
"#;
    files.push(("50-hold.cedar".to_owned(), more.to_owned()));
    let commands = config.commands().unwrap();
    Policy::load(&files, &config.catalogue()).unwrap_or_else(|faults| panic!("{faults}")).with_commands(commands)
}

fn question(target: &str, login: &str, command: &str) -> Question {
    Question {
        target: target.to_owned(),
        login: Some(login.to_owned()),
        command: (!command.is_empty()).then(|| command.to_owned()),
        ..Question::default()
    }
}

fn answer(question: &Question) -> Answer {
    let config = config();
    ask(&config, &policy(&config), question, NOW).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_privileged_command_is_held_and_says_by_which_rules() {
    let asked = Question { who: Some("corp:00u1abcd".into()), ..question("db1", "deploy", "systemctl restart x") };
    let answer = answer(&asked);
    let Outcome::Hold(terms) = &answer.explanation.decision.outcome else { panic!("{answer:?}") };
    assert_eq!((terms.quorum, terms.approver_groups.len()), (2, 1));
    let ids: Vec<&str> = answer.explanation.decision.rules.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["hold-privileged-production", "sre-production"]);
    assert_eq!(answer.explanation.near, [""; 0]);
}

#[test]
fn a_denial_names_the_permit_that_came_near() {
    let asked = Question { groups: vec!["sre".into()], ..question("db1", "root", "uptime") };
    let answer = answer(&asked);
    assert_eq!(answer.explanation.decision.outcome, Outcome::Deny);
    assert!(answer.explanation.near.contains(&"sre-production".to_owned()), "{answer:?}");
    let config = config();
    let stranger = ask(&config, &policy(&config), &question("db1", "deploy", "uptime"), NOW).unwrap();
    assert!(!stranger.explanation.near.contains(&"sre-production".to_owned()), "a rule for others is not near");
    let held = ask(&config, &policy(&config), &question("db1", "deploy", "sudo id"), NOW).unwrap();
    let needed = ("sre-production".to_owned(), "whoever is in sre".to_owned());
    for answer in [&stranger, &held] {
        assert!(answer.explanation.others.contains(&needed), "{answer:?}");
    }
}

#[test]
fn groups_follow_from_who_asks_and_from_what_the_issuer_asserts() {
    let asserted = Question { groups: vec!["corp/engineering".into()], ..question("web1", "deploy", "uptime") };
    let answer = answer(&asserted);
    let groups: Vec<&str> = answer.identity.groups.iter().map(Group::as_str).collect();
    assert_eq!(groups, ["corp/engineering", "users"]);
    assert_eq!(answer.explanation.decision.outcome.as_str(), "allow");
}

#[test]
fn what_cannot_be_meant_is_told_with_its_mend() {
    let config = config();
    let policy = policy(&config);
    let refused = |asked: Question| ask(&config, &policy, &asked, NOW).unwrap_err().to_string();
    assert_eq!(refused(question("db2", "deploy", "")), "no target is called \"db2\"; did you mean db1?");
    assert_eq!(refused(question("db1", "bob", "")), "the target has no such login; its logins are: deploy root");
    let grouped = Question { groups: vec!["srre".into()], ..question("db1", "deploy", "") };
    assert_eq!(refused(grouped), "no group is called \"srre\"; did you mean sre?");
    let nobody = Question { who: Some("okta:x".into()), ..question("db1", "deploy", "") };
    assert_eq!(refused(nobody), "no issuer is called \"okta\"; there are: corp actions");
    let nobody = Question { who: Some("x".into()), ..question("db1", "deploy", "") };
    assert!(refused(nobody).contains("ISSUER:SUBJECT"));
}

/// What the documentation says of each starter policy is true.
#[test]
fn the_cases_of_the_documentation_are_answered_as_it_says() {
    let config = config();
    let text = POLICY_MD.split("```cases\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    let tried = cases(&config, &policy(&config), text, NOW).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(tried.len() >= 8, "{tried:?}");
    for case in tried {
        assert_eq!(case.wrong, None, "{}", case.name);
    }
}

#[test]
fn a_case_that_is_answered_otherwise_says_what_came_instead() {
    let config = config();
    let policy = policy(&config);
    let wrong = |text: &str| cases(&config, &policy, text, NOW).unwrap().remove(0).wrong;
    let case = "[[case]]\nname = \"a\"\ntarget = \"web1\"\ncommand = \"uptime\"\ngroups = [\"users\"]\n";
    assert_eq!(wrong(&format!("{case}expect = \"allow\"")), None);
    let said = wrong(&format!("{case}expect = \"deny\"")).unwrap();
    assert_eq!(said, "expected deny, got allow by users-outside-production");
    let said = wrong(&format!("{case}expect = \"allow\"\nrules = [\"other\"]")).unwrap();
    assert_eq!(said, "allow, but not by other: by users-outside-production");
}

#[test]
fn a_case_file_with_faults_names_each_by_its_place() {
    let config = config();
    let policy = policy(&config);
    let faults = |text: &str| cases(&config, &policy, text, NOW).unwrap_err().to_string();
    assert!(faults("").contains("tests nothing"));
    assert!(faults("[[case]]\nname = \"a\"").contains("case[1].target: is missing"));
    assert!(faults("[[case]]\nname = \"a\"\ntarget = \"db1\"\nexpect = \"yes\"").contains("write allow, hold or deny"));
    assert!(faults("[[case]]\nnam = \"a\"\n").contains("did you mean name?"));
    assert!(faults("[[case").starts_with("line 1"));
}
