//! Policy as a whole: golden cases, bad files, and what no added rule may change.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::identity::{Flow, Group, Identity, IssuerName, Kind, Principal, SignIn};
use crate::domain::session::Command;
use crate::domain::target::{Address, HostTrust, Login, Target, TargetName};
use crate::domain::{RecordId, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);

const GOLDEN: &str = r#"
@id("sre-prod-exec") @max_session("2h")
permit (principal in Sallyport::Group::"sre", action == Sallyport::Action::"exec", resource in Sallyport::Env::"production");

@id("hold-privileged-prod") @require_approval("2") @approver_groups("sre-leads,security") @ttl("15m")
forbid (principal, action == Sallyport::Action::"exec", resource in Sallyport::Env::"production")
unless { context.command.raw == "uptime" || context.approval.count >= 2 };

@id("stale-login")
forbid (principal, action == Sallyport::Action::"exec", resource)
when { context.auth_age_s > 28800 };

@id("approvers")
permit (principal in Sallyport::Group::"sre-leads", action == Sallyport::Action::"approve", resource in Sallyport::Env::"production");

@id("never-self-approve")
forbid (principal, action == Sallyport::Action::"approve", resource) when { context.requester == principal };

@id("ci-deploy-main") @max_session("20m")
permit (principal is Sallyport::Pipeline, action == Sallyport::Action::"exec", resource in Sallyport::Env::"production")
when { principal.repository_id == "123456" && principal.ref == "refs/heads/main" &&
       principal has environment && principal.environment == "production" && context.login == "deploy" };

@id("no-pull-request-builds") forbid (principal is Sallyport::Pipeline, action, resource)
when { ["pull_request","pull_request_target"].contains(principal.event) };
"#;

fn catalogue() -> Catalogue {
    let set = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Catalogue {
        groups: set(&["sre", "sre-leads", "security"]),
        environments: set(&["production", "staging"]),
        targets: set(&["db1"]),
        issuers: set(&["corp", "actions"]),
        mask_profiles: set(&["strict"]),
    }
}

fn load(text: &str) -> Result<Policy, Faults> {
    Policy::load(&[("a.cedar".to_owned(), text.to_owned())], &catalogue())
}

fn starter() -> Policy {
    let files: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let catalogue = Catalogue { environments: ["production".to_owned()].into(), ..Catalogue::default() };
    Policy::load(&files, &catalogue).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Somebody, somewhere, asking; each test changes what it is about.
struct Asker {
    identity: Identity,
    sign_in: SignIn,
    target: Target,
    login: Login,
    owner: Option<Principal>,
}

impl Asker {
    fn person(groups: &[&str]) -> Self {
        let issuer = IssuerName::parse("corp").unwrap();
        Self {
            identity: Identity {
                issuer_url: "https://corp.example".into(),
                issuer,
                subject: "00u1abcd".into(),
                kind: Kind::Person,
                name: "ann@example.com".into(),
                groups: groups.iter().map(|group| Group::configured(group)).collect(),
                claims: BTreeMap::new(),
            },
            sign_in: SignIn {
                record: RecordId::from_parts(NOW, 1),
                at: NOW.minus(Duration::from_secs(60)),
                auth_time: Some(NOW.minus(Duration::from_secs(60))),
                until: NOW.plus(Duration::from_secs(3600)),
                flow: Flow::Local,
                amr: vec!["pwd".into()],
            },
            target: target(&[("env", "production")]),
            login: Login::parse("deploy").unwrap(),
            owner: None,
        }
    }

    fn pipeline(claims: &[(&str, &str)]) -> Self {
        let mut asker = Self::person(&[]);
        asker.identity.issuer = IssuerName::parse("actions").unwrap();
        asker.identity.kind = Kind::Pipeline;
        asker.identity.claims = claims.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        asker.sign_in.flow = Flow::Ci;
        asker
    }

    fn flow(mut self, flow: Flow) -> Self {
        self.sign_in.flow = flow;
        self
    }

    fn target(mut self, labels: &[(&str, &str)]) -> Self {
        self.target = target(labels);
        self
    }

    fn request<'a>(&'a self, action: Asked<'a>) -> Request<'a> {
        let bastion = matches!(action, Asked::Certify | Asked::Audit | Asked::Revoke);
        Request {
            identity: &self.identity,
            sign_in: &self.sign_in,
            action,
            target: (!bastion).then_some((&self.target, &self.login)),
            owner: self.owner.as_ref(),
            now: NOW,
            source: "10.1.2.3".parse().unwrap(),
            pty: false,
        }
    }
}

fn target(labels: &[(&str, &str)]) -> Target {
    Target {
        name: TargetName::parse("db1").unwrap(),
        aliases: Vec::new(),
        address: Address::parse("10.0.3.4").unwrap(),
        logins: vec![Login::parse("deploy").unwrap()],
        default_login: None,
        labels: labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        posix_shell: true,
        host_trust: HostTrust::Pinned(Vec::new()),
        key_file: None,
        seen_as: None,
        env: Vec::new(),
        allow_loopback: false,
    }
}

/// A decision in one line: `allow [rules]`, `hold 2 [rules]`, `deny [rules]`, errors counted.
fn shown(decision: &Decision) -> String {
    let rules: Vec<&str> = decision.rules.iter().map(|(id, _)| id.as_str()).collect();
    let word = match &decision.outcome {
        Outcome::Allow(_) => "allow".to_owned(),
        Outcome::Hold(terms) => format!("hold {}", terms.quorum),
        Outcome::Deny => "deny".to_owned(),
    };
    let errors = if decision.errors.is_empty() { String::new() } else { format!(" errors {}", decision.errors.len()) };
    format!("{word} [{}]{errors}", rules.join(", "))
}

#[track_caller]
fn check(policy: &Policy, asker: &Asker, action: Asked<'_>, want: &str) -> Decision {
    let decision = decide(policy, &asker.request(action));
    assert_eq!(shown(&decision), want, "{:?}", decision.errors);
    decision
}

#[track_caller]
fn exec(policy: &Policy, asker: &Asker, command: &str, want: &str) -> Decision {
    let command = Command::parse(command.to_owned()).unwrap();
    check(policy, asker, Asked::Exec(&command), want)
}

#[track_caller]
fn refused(text: &str, place: &str, want: &str) {
    let faults = load(text).err().map(|faults| faults.to_string()).unwrap_or_default();
    assert!(faults.contains(want) && faults.contains(&format!("a.cedar:{place}")), "{text}\n{faults}");
}

#[test]
fn how_far_sftp_reaches_is_the_strictest_of_all_rules_that_let_it() {
    let rule = |id: &str, limits: &str| {
        format!(
            "@id(\"{id}\") {limits} permit (principal, action == Sallyport::Action::\"sftp\", resource is Sallyport::Target);"
        )
    };
    let both = [rule("a", "@sftp(\"read\") @sftp_paths(\"/srv/**\")"), rule("b", "@sftp_deny(\"/srv/x\")")].concat();
    let decision = decide(&load(&both).unwrap(), &Asker::person(&[]).request(Asked::Sftp));
    let Outcome::Allow(limits) = decision.outcome else { panic!("{decision:?}") };
    assert_eq!(limits.named(), ["sftp=read", "sftp_paths=/srv/**", "sftp_deny=/srv/x"]);
    for wrong in ["@sftp(\"write\")", "@sftp_paths(\"srv\")", "@sftp_deny(\"/a/../b\")", "@sftp_paths(\"\")"] {
        assert_eq!(Policy::faults(&[("a.cedar".to_owned(), rule("a", wrong))]).0.len(), 1, "{wrong}");
    }
}

#[test]
fn a_plain_command_is_allowed_and_a_privileged_one_held() {
    let policy = load(GOLDEN).unwrap();
    let sre = Asker::person(&["sre"]);
    let allowed = exec(&policy, &sre, "uptime", "allow [sre-prod-exec]");
    let Outcome::Allow(limits) = allowed.outcome else { panic!() };
    assert_eq!(limits.named(), ["max_session=7200s"]);
    let held = exec(&policy, &sre, "systemctl stop db", "hold 2 [hold-privileged-prod, sre-prod-exec]");
    let Outcome::Hold(terms) = held.outcome else { panic!() };
    assert_eq!(terms.approver_groups, ["security".to_owned(), "sre-leads".to_owned()].into());
    assert_eq!((terms.ttl, held.pass), (TTL, Pass::Hypothetical));
    assert_eq!(terms.obligations.max_session, Some(Duration::from_secs(7200)));
}

#[test]
fn one_approval_is_not_two() {
    let policy = load(GOLDEN).unwrap();
    let sre = Asker::person(&["sre"]);
    let command = Command::parse("systemctl stop db").unwrap();
    let request = sre.request(Asked::Exec(&command));
    let with = |count| {
        shown(&decide_approved(&policy, &request, &Approvals { count, groups: ["sre-leads".to_owned()].into() }))
    };
    assert_eq!(with(0), "deny [hold-privileged-prod]");
    assert_eq!(with(1), "deny [hold-privileged-prod]");
    assert_eq!(with(2), "allow [sre-prod-exec]");
}

#[test]
fn a_stale_login_is_denied_without_asking_anybody() {
    let policy = load(GOLDEN).unwrap();
    let mut sre = Asker::person(&["sre"]);
    sre.sign_in.auth_time = Some(NOW.minus(Duration::from_secs(28_801)));
    exec(&policy, &sre, "systemctl stop db", "deny [hold-privileged-prod, stale-login]");
    exec(&policy, &sre, "uptime", "deny [stale-login]");
    // An issuer that does not say when: oldest.
    sre.sign_in.auth_time = None;
    exec(&policy, &sre, "uptime", "deny [stale-login]");
}

#[test]
fn somebody_unknown_is_denied_and_nobody_is_asked() {
    let policy = load(GOLDEN).unwrap();
    exec(&policy, &Asker::person(&[]), "uptime", "deny []");
    // The hold would apply, but no permit stands behind it.
    exec(&policy, &Asker::person(&["security"]), "systemctl stop db", "deny [hold-privileged-prod]");
    // A group that the config does not name is no group, however it came.
    exec(&policy, &Asker::person(&["SRE", "corp/sre", "srе"]), "uptime", "deny []");
}

#[test]
fn nobody_approves_their_own_request() {
    let policy = load(GOLDEN).unwrap();
    let mut lead = Asker::person(&["sre-leads"]);
    lead.owner = Some(Principal::of(&lead.identity.issuer, "somebody else"));
    check(&policy, &lead, Asked::Approve, "allow [approvers]");
    lead.owner = Some(lead.identity.principal());
    check(&policy, &lead, Asked::Approve, "deny [never-self-approve]");
    lead.owner = None;
    check(&policy, &lead, Asked::Approve, "deny [] errors 1");
}

#[test]
fn a_pipeline_is_judged_by_its_claims() {
    let policy = load(GOLDEN).unwrap();
    let claims =
        [("repository_id", "123456"), ("ref", "refs/heads/main"), ("environment", "production"), ("event", "push")];
    let held = "hold 2 [ci-deploy-main, hold-privileged-prod]";
    exec(&policy, &Asker::pipeline(&claims), "/opt/app/deploy", held);
    exec(&policy, &Asker::pipeline(&claims), "uptime", "allow [ci-deploy-main]");
    exec(&policy, &Asker::pipeline(&claims[..2]), "uptime", "deny []");
    let pull: Vec<_> = claims[..3].iter().copied().chain([("event", "pull_request_target")]).collect();
    exec(&policy, &Asker::pipeline(&pull), "uptime", "deny [no-pull-request-builds]");
}

#[test]
fn a_rule_that_errs_denies_whatever_else_allows() {
    // Arithmetic is refused in a forbid, so the overflow stands in a permit beside a good one.
    let policy = load(
        r#"@id("good") permit (principal, action == Sallyport::Action::"exec", resource);
           @id("bad") permit (principal, action == Sallyport::Action::"exec", resource)
           when { context.groups_age_s * 9223372036854775807 > 1 };"#,
    )
    .unwrap();
    let decision = exec(&policy, &Asker::person(&[]), "uptime", "deny [good] errors 1");
    assert_eq!(decision.recorded(), event::Outcome::Error);
    assert!(decision.errors[0].contains("bad"), "{:?}", decision.errors);
}

#[test]
fn a_question_that_does_not_fit_is_denied() {
    let policy = starter();
    let asker = Asker::person(&["admins"]);
    let request = Request { target: None, ..asker.request(Asked::Shell) };
    assert_eq!(shown(&decide(&policy, &request)), "deny [] errors 1");
}

#[test]
fn bytes_that_are_not_text_are_opaque() {
    let policy = load(
        r#"@id("plain") permit (principal, action == Sallyport::Action::"exec", resource)
           when { !context.command.opaque && context.command.length < 10 };"#,
    )
    .unwrap();
    let asker = Asker::person(&[]);
    for (bytes, want) in
        [(&b"uptime"[..], "allow [plain]"), (&b"up\xfftime"[..], "deny []"), (&[b'a'; 10][..], "deny []")]
    {
        let command = Command::parse(bytes.to_vec()).unwrap();
        check(&policy, &asker, Asked::Exec(&command), want);
    }
}

#[test]
fn limits_of_several_rules_merge_to_the_strictest() {
    let policy = load(
        r#"@id("a") @max_session("2h") @record("digest") @mask("strict")
           permit (principal, action == Sallyport::Action::"shell", resource);
           @id("b") @max_session("30m") @durable("true") @input("record") @hidden_input("end")
           permit (principal, action == Sallyport::Action::"shell", resource);
           @id("c") @shell("guarded") @require_reason("true")
           permit (principal, action == Sallyport::Action::"shell", resource);"#,
    )
    .unwrap();
    let decision = check(&policy, &Asker::person(&[]), Asked::Shell, "allow [a, b, c]");
    let Outcome::Allow(limits) = &decision.outcome else { panic!() };
    let want = [
        "max_session=1800s",
        "mask=strict",
        "durable=true",
        "input=record",
        "hidden_input=end",
        "shell=guarded",
        "require_reason=true",
    ];
    assert_eq!(limits.named(), want);
    assert_eq!(limits.unserved(&["max_session", "durable"]).as_deref(), Some("mask=strict"));
    let decided = decision.to_decided("shell", 7);
    assert_eq!((decided.engine, decided.pass, decided.micros), ("cedar 4.14.1", "initial", 7));
    assert_eq!(decided.rules[0], ("a".to_owned(), "permit"));
}

#[test]
fn the_digest_of_the_context_moves_with_everything_but_the_text_of_the_command() {
    let policy = load(GOLDEN).unwrap();
    let sre = Asker::person(&["sre"]);
    let digest = |asker: &Asker, command: &str| {
        let command = Command::parse(command.to_owned()).unwrap();
        decide(&policy, &asker.request(Asked::Exec(&command))).context
    };
    let first = digest(&sre, "uptime");
    assert_eq!(first, digest(&sre, "whoami"));
    assert_ne!(first, digest(&sre, "uptime "));
    assert_ne!(first, digest(&Asker::person(&["security"]), "uptime"));
    assert_ne!(first, digest(&Asker::person(&["sre"]).flow(Flow::Remote), "uptime"));
    assert_ne!(first, digest(&Asker::person(&["sre"]).target(&[("env", "staging")]), "uptime"));
}

#[test]
fn ids_that_nobody_knows_are_refused_with_the_nearest_that_is() {
    let rule = |scope: &str| format!("@id(\"a\")\nforbid ({scope});");
    let cases = [
        ("principal in Sallyport::Group::\"srre\", action, resource", "did you mean \"sre\"?"),
        ("principal, action, resource in Sallyport::Env::\"prodution\"", "did you mean \"production\"?"),
        ("principal, action, resource == Sallyport::Target::\"db2\"", "did you mean \"db1\"?"),
        ("principal == Sallyport::User::\"corp/MDB1\", action, resource", "put them into a [[group]]"),
    ];
    for (scope, mend) in cases {
        refused(&rule(scope), "2:", mend);
    }
    let issuer =
        "@id(\"a\") forbid (principal, action, resource)\nwhen { principal.issuer == Sallyport::Issuer::\"corpp\" };";
    refused(issuer, "2:39", "did you mean \"corp\"?");
    let approvers = GOLDEN.replace("sre-leads,security", "sre-leads,securty");
    refused(&approvers, "5:52", "did you mean \"security\"?");
}

#[test]
fn a_look_alike_letter_is_refused_and_shown() {
    refused(
        "@id(\"a\")\nforbid (principal in Sallyport::Group::\"sr\u{435}\", action, resource);",
        "2:33",
        "sr\\u{435}",
    );
}

#[test]
fn every_rule_has_an_id_of_its_own() {
    refused("permit (principal, action, resource);", "1:1", "this rule has no @id");
    refused("@id(\"Bad Id\") permit (principal, action, resource);", "1:1", "cannot be \"Bad Id\"");
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    refused(twice, "2:1", "the id \"a\" is taken");
    refused(twice, "2:1", "a.cedar:1 has it");
}

#[test]
fn annotations_are_known_and_mean_something() {
    let rule =
        |annotation: &str, effect: &str| format!("@id(\"a\")\n{annotation}\n{effect} (principal, action, resource);");
    for (annotation, effect, want) in [
        ("@max_sesion(\"1h\")", "permit", "did you mean @max_session?"),
        ("@colour(\"red\")", "permit", "remove it"),
        ("@max_session(\"1 hour\")", "permit", "write a span"),
        ("@max_session(\"1h\")", "forbid", "belongs to a permit"),
        ("@durable(\"yes\")", "permit", "write @durable(\"true\")"),
        ("@record(\"full\")", "permit", "write @record(\"digest\")"),
        ("@mask(\"lax\")", "permit", "mask profile \"lax\" is not known"),
        ("@approver_groups(\"sre\")", "permit", "belongs to a forbid"),
        ("@require_approval(\"0\")", "forbid", "1 to 9"),
    ] {
        refused(&rule(annotation, effect), "2:1", want);
    }
}

#[test]
fn a_hold_says_one_number_in_a_place_that_opens() {
    let rule = |annotation: &str, condition: &str| {
        format!(
            "@id(\"a\") {annotation}\nforbid (principal, action == Sallyport::Action::\"exec\", resource)\n{condition};"
        )
    };
    let two = "@require_approval(\"2\")";
    refused(&rule(two, "unless { context.approval.count >= 1 }"), "1:10", "different numbers");
    refused(&rule(two, "unless { context.login == \"a\" }"), "1:10", "no condition looks at the approvals");
    refused(&rule(two, "when { context.approval.count >= 2 }"), "3:8", "stand in a `when`");
    refused(&rule(two, "unless { context.approval.count > 1 }"), "3:10", "another way than >=");
    refused(&rule("", "unless { context.approval.count >= 2 }"), "3:10", "nobody will be asked for");
    assert!(load(&rule(two, "unless { context.login == \"a\" || context.approval.count >= 2 }")).is_ok());
}

#[test]
fn a_word_that_does_not_exist_is_one_fault_and_not_what_follows_from_it() {
    let rule = "@id(\"a\")\nforbid (principal, action == Sallyport::Action::\"shel\", resource);";
    let faults = load(rule).err().unwrap();
    assert_eq!(faults.0.len(), 1, "{faults}");
    assert!(faults.0[0].mend.contains("shell"), "{faults}");
}

#[test]
fn without_a_config_only_names_are_not_looked_up() {
    let file = |rule: &str| [("a.cedar".to_owned(), format!("@id(\"a\") {rule};"))];
    let exec = "action == Sallyport::Action::\"exec\", resource is Sallyport::Target";
    assert_eq!(Policy::count(&file(&format!("permit (principal in Sallyport::Group::\"anybody\", {exec})"))), Ok(1));
    let single = format!("permit (principal == Sallyport::User::\"corp:ann\", {exec})");
    let open = format!("forbid (principal, {exec}) when {{ context.command.raw like \"rm *\" }}");
    for (rule, want) in [(single, "a rule names one user"), (open, "a pattern on the text of a command")] {
        let faults = Policy::count(&file(&rule)).unwrap_err();
        assert!(faults.to_string().contains(want), "{faults}");
    }
}

#[test]
fn what_could_fail_open_is_refused() {
    let forbid = |condition: &str| {
        format!(
            "@id(\"a\")\nforbid (principal, action == Sallyport::Action::\"exec\", resource)\nwhen {{ {condition} }};"
        )
    };
    refused(&forbid("context.groups_age_s * 9223372036854775807 > 1"), "3:", "arithmetic in a forbid");
    refused(&forbid("context.flow == \"devise\""), "3:24", "did you mean \"device\"?");
    refused(&forbid("[\"device\", \"remot\"].contains(context.flow)"), "3:19", "did you mean \"remote\"?");
    refused(&forbid("context.flow like \"dev*\""), "3:8", "flow is used in a way");
    refused(&forbid("context.command.raw like \"rm *\""), "3:28", "a pattern on the text of a command");
    for open in ["*", "rm *", "/opt/app/*", "/opt/app/deploy*", "* --release", "/ *"] {
        refused(&forbid(&format!("context.command.argv like \"{open}\"")), "3:29", "leaves open which program runs");
    }
    assert!(load(&forbid("context.command.argv like \"/opt/app/deploy --release *\"")).is_ok());
    let detour = "(if pty then context.command.raw else \"\") like \"rm *\"".replace("pty", "context.pty");
    refused(&forbid(&detour), "3:", "a pattern on the text of a command");
    refused(&forbid("ip(context.login).isLoopback()"), "3:", "non-literal");
    let vote =
        "@id(\"a\") permit (principal is Sallyport::Pipeline, action == Sallyport::Action::\"approve\", resource);";
    refused(vote, "1:", "impossible");
    refused(&forbid("context.comand.raw == \"rm\""), "3:", "comand");
    refused("@id(\"a\") forbid (principal, action == Sallyport::Action::\"exce\", resource);", "1:", "exce");
    // An impossible rule is only a warning to Cedar.
    refused(&forbid("principal is Sallyport::User && principal is Sallyport::Pipeline"), "", "impossible");
}

#[test]
fn every_fault_is_found_in_one_go_with_its_place() {
    let text = "permit (principal, action, resource);\n\n// a comment; with @id(\"x\") in it\n@id(\"b\") permit (principal, action,\n  resource in Sallyport::Env::\"stagin\");\n@id(\"c\") permit (principal action, resource);\n@id(\"d\") permit (principal, action, resource)";
    let faults = load(text).err().unwrap();
    let places: Vec<_> = faults.0.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(1, 1), (5, 26), (6, 28), (7, 46)], "{faults}");
    assert!(faults.0[1].to_string().contains("5 |   resource in Sallyport::Env::\"stagin\");"), "{}", faults.0[1]);
}

#[test]
fn only_who_is_let_in_by_another_rule_hears_which_rule_stood_in_the_way() {
    let policy = starter();
    let told = |asker: &Asker| decide(&policy, &asker.request(Asked::Shell)).otherwise_permitted;
    assert!(told(&Asker::person(&["admins"]).flow(Flow::Remote)));
    assert!(!told(&Asker::person(&["users"]).flow(Flow::Remote)));
    assert!(!told(&Asker::person(&[])));
    assert_eq!(unknown_target(&policy, "exec").rules, []);
}

#[test]
fn a_pipelines_claims_are_known_by_one_name_whatever_its_issuer_calls_them() {
    let policy = load(
        r#"@id("a") permit (principal is Sallyport::Pipeline, action == Sallyport::Action::"exec", resource)
           when { principal.repository_id == "7" && principal.event == "push" &&
                  principal has actor_id && principal.actor_id == "9" &&
                  principal.hasTag("runner") && principal.getTag("runner") == "own" };"#,
    )
    .unwrap();
    let runner = ("runner", "own");
    let github = [("repository_id", "7"), ("event_name", "push"), ("actor_id", "9"), runner];
    let gitlab = [("project_id", "7"), ("pipeline_source", "push"), ("user_id", "9"), runner];
    exec(&policy, &Asker::pipeline(&github), "make", "allow [a]");
    exec(&policy, &Asker::pipeline(&gitlab), "make", "allow [a]");
    exec(&policy, &Asker::pipeline(&gitlab[..3]), "make", "deny []");
}

#[test]
fn an_empty_set_denies_everything() {
    exec(&load("// nothing yet\n").unwrap(), &Asker::person(&["sre"]), "uptime", "deny []");
}

#[test]
fn the_starter_policies_let_nobody_reach_a_target_until_the_config_names_them() {
    let policy = starter();
    let stranger = Asker::person(&[]);
    check(&policy, &stranger, Asked::Certify, "allow [certify]");
    check(&policy, &stranger, Asked::Shell, "deny []");
    check(&policy, &stranger, Asked::Review, "deny []");
    check(&policy, &stranger, Asked::Audit, "deny []");
    exec(&policy, &stranger, "uptime", "deny []");
}

#[test]
fn the_starter_policies_open_by_group_and_close_from_afar() {
    let policy = starter();
    let user = Asker::person(&["users"]);
    exec(&policy, &user, "uptime", "deny []");
    let staging = || Asker::person(&["users"]).target(&[("env", "staging")]);
    exec(&policy, &staging(), "uptime", "allow [users-outside-production]");
    check(&policy, &staging().flow(Flow::Remote), Asked::Shell, "allow [users-outside-production]");
    check(&policy, &staging().target(&[]), Asked::Shell, "deny []");
    let admin = Asker::person(&["admins"]);
    check(&policy, &admin, Asked::Shell, "allow [admins-everywhere]");
    check(&policy, &Asker::person(&["admins"]).target(&[]), Asked::Shell, "allow [admins-everywhere]");
    for flow in [Flow::Remote, Flow::Device] {
        let afar = Asker::person(&["admins"]).flow(flow);
        check(&policy, &afar, Asked::Shell, "deny [no-production-from-afar]");
        check(&policy, &afar, Asked::Certify, "deny [no-certificate-from-afar]");
        check(&policy, &afar, Asked::Revoke, "deny [no-weighty-words-from-afar]");
    }
    check(&policy, &Asker::person(&["auditors"]), Asked::Audit, "allow [auditors]");
    check(&policy, &Asker::person(&["auditors"]), Asked::Review, "allow [auditors]");
    check(&policy, &Asker::person(&["auditors"]), Asked::Shell, "deny []");
    let mut own = Asker::person(&[]);
    own.owner = Some(own.identity.principal());
    check(&policy, &own, Asked::Review, "allow [own-sessions]");
}

#[test]
fn the_starter_policies_know_a_pipeline_by_the_labels_of_its_target() {
    let policy = starter();
    let labels = [
        ("env", "production"),
        ("ci_issuer", "actions"),
        ("ci_repository", "123456"),
        ("ci_environment", "production"),
        ("ci_login", "deploy"),
    ];
    let claims = [("repository_id", "123456"), ("environment", "production"), ("event", "push")];
    let with = |claims: &[(&str, &str)]| Asker::pipeline(claims).target(&labels);
    exec(&policy, &with(&claims), "make deploy", "allow [pipelines-by-label]");
    check(&policy, &with(&claims), Asked::Shell, "deny []");
    check(&policy, &with(&claims), Asked::Certify, "allow [certify]");
    exec(&policy, &with(&[("repository_id", "9"), claims[1], claims[2]]), "make deploy", "deny []");
    exec(&policy, &with(&[claims[0], claims[2]]), "make deploy", "deny []");
    exec(&policy, &Asker::pipeline(&claims), "make deploy", "deny []");
    let mut other = with(&claims);
    other.identity.issuer = IssuerName::parse("gitlab").unwrap();
    exec(&policy, &other, "make deploy", "deny []");
    for event in ["pull_request", "pull_request_target", "workflow_run", "merge_request_event", "", "PUSH"] {
        let asker = with(&[claims[0], claims[1], ("event", event)]);
        check(&policy, &asker, Asked::Certify, "deny [no-events-of-strangers]");
    }
}

#[test]
fn ten_thousand_groups_cost_next_to_nothing() {
    let policy = starter();
    let mut asker = Asker::person(&["users"]).target(&[("env", "staging")]);
    asker.identity.groups.extend((0..10_000).map(|n| Group::configured(&format!("corp/{n}"))));
    exec(&policy, &asker, "uptime", "allow [users-outside-production]");
}

/// What was built for an earlier question of the same subject about the same target serves only one that is equal in all it was
/// built of.
#[test]
fn nobody_is_judged_by_what_they_were_a_moment_ago() {
    let policy = load(
        "@id(\"yes\") permit (principal, action, resource);
         @id(\"group\") forbid (principal in Sallyport::Group::\"sre\", action, resource);
         @id(\"env\") forbid (principal, action, resource in Sallyport::Env::\"staging\");
         @id(\"label\") forbid (principal, action, resource is Sallyport::Target) when { resource.hasTag(\"team\") && resource.getTag(\"team\") == \"pay\" };
         @id(\"claim\") forbid (principal is Sallyport::User, action, resource) when { principal has email && principal.email == \"x@example.com\" };
         @id(\"amr\") forbid (principal is Sallyport::User, action, resource) when { principal.amr.contains(\"sms\") };
         @id(\"source\") forbid (principal, action == Sallyport::Action::\"shell\", resource) when { context.source_ip == ip(\"10.9.9.9\") };
         @id(\"issuer\") forbid (principal is Sallyport::User, action, resource) when { principal.issuer.name == \"actions\" };
         @id(\"pipeline\") forbid (principal is Sallyport::Pipeline, action, resource);",
    );
    let policy = policy.unwrap_or_else(|faults| panic!("{faults}"));
    let plain = || Asker::person(&["users"]);
    let mut changed = vec![("group", Asker::person(&["users", "sre"])), ("env", plain().target(&[("env", "staging")]))];
    changed.push(("label", plain().target(&[("env", "production"), ("team", "pay")])));
    for rule in ["claim", "amr", "issuer", "pipeline"] {
        let mut asker = plain();
        match rule {
            "claim" => drop(asker.identity.claims.insert("email".into(), "x@example.com".into())),
            "amr" => asker.sign_in.amr = vec!["sms".into()],
            "issuer" => asker.identity.issuer = IssuerName::parse("actions").unwrap(),
            _ => asker.identity.kind = Kind::Pipeline,
        }
        changed.push((rule, asker));
    }
    let answer = |request: &Request<'_>| {
        let decision = decide(&policy, request);
        (decision.outcome.as_str(), decision.rules.into_iter().map(|(id, _)| id).collect::<Vec<_>>())
    };
    let (allowed, before) = (("allow", vec!["yes".to_owned()]), plain());
    for (rule, asker) in &changed {
        for _ in 0..2 {
            assert_eq!(answer(&before.request(Asked::Shell)), allowed, "{rule}");
            assert_eq!(answer(&asker.request(Asked::Shell)), ("deny", vec![(*rule).to_owned()]));
        }
    }
    let elsewhere = Request { source: "10.9.9.9".parse().unwrap(), ..before.request(Asked::Shell) };
    assert_eq!(answer(&elsewhere), ("deny", vec!["source".to_owned()]));
    assert_eq!(answer(&before.request(Asked::Shell)), allowed);
}

/// Rules to add to a set, some of them silly.
fn any_rule(effect: &'static str) -> impl Strategy<Value = String> {
    let principal = prop_oneof![
        Just("principal"),
        Just("principal in Sallyport::Group::\"sre\""),
        Just("principal is Sallyport::User"),
    ];
    let action = prop_oneof![Just("action"), Just("action == Sallyport::Action::\"exec\"")];
    let resource = prop_oneof![Just("resource"), Just("resource in Sallyport::Env::\"production\"")];
    let condition =
        prop_oneof![Just(""), Just("when { context.flow == \"local\" }"), Just("unless { context.auth_age_s > 100 }"),];
    (principal, action, resource, condition).prop_map(move |(principal, action, resource, condition)| {
        format!("@id(\"added\") {effect} ({principal}, {action}, {resource}) {condition};")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn adding_a_permit_never_turns_a_hold_into_an_allow(rule in any_rule("permit")) {
        let policy = load(&format!("{GOLDEN}{rule}")).unwrap();
        let command = Command::parse("systemctl stop db").unwrap();
        let sre = Asker::person(&["sre"]);
        let decision = decide(&policy, &sre.request(Asked::Exec(&command)));
        prop_assert!(matches!(decision.outcome, Outcome::Hold(_)), "{rule}: {}", shown(&decision));
    }

    #[test]
    fn adding_a_forbid_never_turns_a_deny_into_an_allow(rule in any_rule("forbid"), held in any::<bool>()) {
        let rule = match held && !rule.contains("action,") && !rule.contains('{') {
            true => rule.replace("@id(\"added\")", "@id(\"added\") @require_approval(\"1\")")
                .replace(';', "unless { context.approval.count >= 1 };"),
            false => rule,
        };
        let policy = load(&format!("{GOLDEN}{rule}")).unwrap();
        let command = Command::parse("uptime").unwrap();
        let mut stale = Asker::person(&["sre"]);
        stale.sign_in.auth_time = None;
        for asker in [Asker::person(&[]), stale] {
            let decision = decide(&policy, &asker.request(Asked::Exec(&command)));
            prop_assert!(matches!(decision.outcome, Outcome::Deny), "{rule}: {}", shown(&decision));
        }
    }

    #[test]
    fn no_text_breaks_the_loader(text in "[a-z@()\";/ \r\né\\\\{}]{0,80}") {
        let _ = load(&text);
    }
}

#[test]
fn two_sets_are_compared_by_what_their_rules_say() {
    let policy = |text: &str| load(text).unwrap();
    let old = policy(
        r#"@id("a") permit (principal, action == Sallyport::Action::"exec", resource);
           @id("b") permit (principal, action == Sallyport::Action::"shell", resource);
           @id("c") permit (principal, action == Sallyport::Action::"shell", resource);"#,
    );
    let new = policy(
        r#"// The same, in another place.
           @id("c")   permit (principal, action == Sallyport::Action::"shell", resource);
           @id("b") @max_session("1h") permit (principal, action == Sallyport::Action::"shell", resource);
           @id("d") permit (principal, action == Sallyport::Action::"exec", resource);"#,
    );
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let want = Compared { added: ids(&["d"]), changed: ids(&["b"]), removed: ids(&["a"]) };
    assert_eq!(compared(&old, &new), want);
    assert_eq!(compared(&old, &old), Compared::default());
}

/// Rules of every scope there is, each with both effects.
fn of_every_scope() -> String {
    let principals = [
        "principal",
        "principal in Sallyport::Group::\"sre\"",
        "principal is Sallyport::User",
        "principal is Sallyport::Pipeline",
        "principal is Sallyport::User in Sallyport::Group::\"sre\"",
    ];
    let actions = [
        "action",
        "action == Sallyport::Action::\"exec\"",
        "action in [Sallyport::Action::\"shell\", Sallyport::Action::\"exec\"]",
        "action == Sallyport::Action::\"sftp\"",
    ];
    let resources = [
        "resource",
        "resource == Sallyport::Target::\"db1\"",
        "resource in Sallyport::Env::\"production\"",
        "resource is Sallyport::Target",
        "resource is Sallyport::Target in Sallyport::Env::\"production\"",
    ];
    let mut text = String::new();
    for (effect, condition) in [("permit", ""), ("forbid", " when { context.flow == \"remote\" }")] {
        for (p, principal) in principals.iter().enumerate() {
            for (a, action) in actions.iter().enumerate() {
                for (r, resource) in resources.iter().enumerate() {
                    text += &format!(
                        "@id(\"{effect}-{p}{a}{r}\") {effect} ({principal}, {action}, {resource}){condition};\n"
                    );
                }
            }
        }
    }
    text
}

#[test]
fn the_rules_that_are_asked_decide_as_all_of_them_do() {
    let policy = load(&of_every_scope()).unwrap_or_else(|faults| panic!("{faults}"));
    let command = Command::parse("uptime".to_owned()).unwrap();
    let (mut fewest, mut answers) = (usize::MAX, std::collections::BTreeSet::new());
    for flow in [Flow::Local, Flow::Remote] {
        for asker in [Asker::person(&[]), Asker::person(&["sre"]), Asker::pipeline(&[("event", "push")])] {
            for labels in [&[("env", "production")][..], &[("env", "staging")], &[]] {
                let asker =
                    Asker { sign_in: asker.sign_in.clone(), identity: asker.identity.clone(), ..asker_at(labels) };
                let asker = asker.flow(flow);
                for action in
                    [Asked::Exec(&command), Asked::Shell, Asked::Sftp, Asked::Agent, Asked::Certify, Asked::Audit]
                {
                    let request = asker.request(action);
                    let case = request::Case::new(&policy, &request).unwrap();
                    let asked = case.asked(&Approvals::default()).unwrap();
                    let authorizer = cedar_policy::Authorizer::new();
                    let all = authorizer.is_authorized(&asked, &policy.set, &case.scene.entities);
                    let some = authorizer.is_authorized(&asked, &case.cut.rules, &case.scene.entities);
                    let reasons = |response: &cedar_policy::Response| {
                        response
                            .diagnostics()
                            .reason()
                            .map(ToString::to_string)
                            .collect::<std::collections::BTreeSet<_>>()
                    };
                    assert_eq!(
                        (all.decision(), reasons(&all)),
                        (some.decision(), reasons(&some)),
                        "{action:?} {labels:?}"
                    );
                    assert_eq!(all.diagnostics().errors().count(), some.diagnostics().errors().count());
                    fewest = fewest.min(case.cut.rules.policies().count());
                    answers.insert((format!("{:?}", all.decision()), reasons(&all).len()));
                }
            }
        }
    }
    assert!(fewest > 0 && fewest < 40, "{fewest} of 200");
    assert!(answers.len() > 6, "{answers:?}");
}

fn asker_at(labels: &[(&str, &str)]) -> Asker {
    Asker::person(&[]).target(labels)
}
