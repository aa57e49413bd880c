//! The config as a whole: what loads, what does not, and whether the documents say so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::target::HostTrust;
use crate::policy::{self, STARTER};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
/// 1024 bits; its private half was thrown away.
const WEAK: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCrEJPf3spDTVvJHCa3t5JVujygn4WJyFuo6RBLtJ9X+1r66vIOtn+cITmGiw1wdrvLVfVr9ttAM0nQGYd7ENlDKRvoPdstERspTmUN/n6L6U2bqSGkaLz0yhNazAAJCEiXxk/sdia9bE2IGu4MD9oQ7eZxA37hdwnzvg9PRWMe/w==";
const SAMPLE: &str = include_str!("../../../packaging/sallyport.toml");
const CONFIG_MD: &str = include_str!("../../../docs/CONFIG.md");
const POLICY_MD: &str = include_str!("../../../docs/POLICY.md");

/// The least that loads, and `more`.
fn text(more: &str) -> String {
    format!(
        "name = \"bastion.example.com\"\nstate = \"state\"\n[ssh]\nlisten = \"[::]:2222\"\n\
         [[issuer]]\nname = \"corp\"\nprofile = \"okta\"\nurl = \"https://example.okta.com\"\nclient_id = \"c\"\n{more}"
    )
}

fn target(more: &str) -> String {
    text(&format!("[[target]]\nname = \"db1\"\naddress = \"10.0.3.4\"\nlogins = [\"deploy\"]\n{more}"))
}

/// A folder that only we may write, whatever the umask is.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn load(text: &str) -> Result<Config, Faults> {
    Config::parse(text, Path::new("/nowhere"))
}

/// One fault, at `path`, whose words contain `want`.
#[track_caller]
fn refused(text: &str, path: &str, want: &str) {
    let faults = load(text).err().unwrap_or_default();
    let hit = |fault: &Fault| fault.path == path && format!("{}; {}", fault.what, fault.mend).contains(want);
    assert!(faults.0.len() == 1 && faults.0.iter().any(hit), "want {path}: {want}\n{faults}");
}

#[test]
fn the_least_config_gets_strict_defaults() {
    let config = load(&text("")).unwrap();
    assert_eq!(config.ssh.address.to_string(), "bastion.example.com:2222");
    assert_eq!(config.state, Path::new("/nowhere/state"));
    assert_eq!(config.policy.dir, Path::new("/nowhere/policies"));
    assert_eq!(config.limits.login_grace, Duration::from_secs(30));
    assert_eq!(config.limits.memory_bytes, 512 * 1024 * 1024);
    assert_eq!(config.sign_in.max_age, Duration::from_secs(8 * 3600));
    assert!(config.http.is_none());
    let issuer = &config.issuers[0];
    assert!(!issuer.device && !issuer.internal && !issuer.single_tenant);
}

#[test]
fn every_fault_is_listed_at_once_with_its_key_path_and_a_mend() {
    let faults = load(
        "nam = \"x\"\nstate = 7\n[ssh]\nlisten = \"2222\"\naddres = \"a\"\n[ledger]\nlast_checkpoint_file = true\n\
         [[issuer]]\nname = \"Corp\"\nprofile = \"octa\"\n[[target]]\nname = \"db1\"\nlogins = []\nshell = \"fish\"\n\
         [limits]\nlogin_grace = \"1h\"\nconnections = 0\nmemory = \"2 GB\"\n",
    )
    .unwrap_err();
    let paths: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
    let want = [
        "state",
        "ledger.last_checkpoint_file",
        "ssh.addres",
        "nam",
        "name",
        "ssh.listen",
        "issuer[1].name",
        "issuer[1].profile",
        "issuer[1].url",
        "target[1].address",
        "target[1].logins",
        "target[1].shell",
        "target[1]",
        "limits.login_grace",
        "limits.memory",
        "limits.connections",
    ];
    assert_eq!(paths, want, "{faults}");
    assert!(faults.to_string().contains("nam: is not a key that exists here; did you mean name?"), "{faults}");
    assert!(
        faults.to_string().contains("issuer[1].profile: \"octa\" is not known; did you mean \"okta\"?"),
        "{faults}"
    );
}

#[test]
fn text_that_is_no_toml_is_named_by_its_line() {
    let faults = load("name = \"x\"\nstate = \n").unwrap_err();
    assert_eq!(faults.0[0].path, "line 2");
}

#[test]
fn a_shared_issuer_needs_its_tenant() {
    let issuer = |lines: &str| text(&format!("[[issuer]]\nname = \"other\"\n{lines}"));
    refused(&issuer("profile = \"github\""), "issuer[2].require", "require = { repository_owner_id = ");
    refused(&issuer("profile = \"google\"\nclient_id = \"c\""), "issuer[2].require", "hd");
    refused(
        &issuer("profile = \"github\"\nrequire = { repository_owner_id = \"\" }"),
        "issuer[2].require.repository_owner_id",
        "is empty",
    );
    refused(
        &issuer("profile = \"generic\"\nurl = \"https://a.example\"\nclient_id = \"c\""),
        "issuer[2].require",
        "single_tenant",
    );
    refused(&issuer("profile = \"okta\"\nurl = \"https://a.example\""), "issuer[2].client_id", "is missing");
    refused(&issuer("profile = \"okta\"\nclient_id = \"c\"\nurl = \"http://a.example\""), "issuer[2].url", "https");
    refused(&issuer("profile = \"okta\"\nclient_id = \"c\"\nurl = \"https://example.okta.com\""), "issuer", "twice");
    let github =
        load(&issuer("profile = \"github\"\nrequire = { repository_owner_id = [\"1\", \"2\"], ref = \"main\" }"))
            .unwrap();
    let settings = &github.issuers[1];
    assert_eq!(settings.url, "https://token.actions.githubusercontent.com");
    assert_eq!(settings.tenants, ["1", "2"]);
    assert_eq!(settings.require["ref"], ["main"]);
}

#[test]
fn a_config_without_an_issuer_lets_nobody_in_and_says_so() {
    refused("name = \"b\"\nstate = \"s\"\nssh = { listen = \"[::]:22\" }", "issuer", "nobody could sign in");
}

#[test]
fn http_is_protected_by_one_means() {
    let http = |lines: &str| text(&format!("[http]\n{lines}"));
    refused(&http("listen = \"[::]:8443\""), "http", "no protection");
    refused(&http("listen = \"[::]:8443\"\ntls_cert_file = \"a\""), "http", "no protection");
    refused(&http("listen = \"[::]:8443\"\nbehind_proxy = []"), "http.behind_proxy", "is empty");
    refused(
        &http("listen = \"[::]:80\"\nbehind_proxy = [\"10.0.0.5\"]\nurl = \"http://a.example\""),
        "http.url",
        "https",
    );
    let transport = |lines: &str| load(&http(lines)).unwrap().http.unwrap();
    assert_eq!(transport("listen = \"127.0.0.1:8080\"").transport, Transport::Loopback);
    let proxied = transport("listen = \"[::]:443\"\nbehind_proxy = [\"10.0.0.5\"]");
    assert_eq!(proxied.url, "https://bastion.example.com");
    assert_eq!(proxied.transport, Transport::BehindProxy(vec!["10.0.0.5".parse().unwrap()]));
}

#[test]
fn a_host_key_is_a_strong_public_key_or_there_is_no_target() {
    let none = target("");
    refused(&none, "target[1]", "impostor");
    refused(&target("host_key = \"db1 ssh-ed25519 AAAA\""), "target[1].host_key", "no public key");
    refused(&target("host_key = []"), "target[1].host_key", "has no key");
    refused(&target(&format!("host_key = \"{KEY}\"\nhost_ca_file = \"ca\"")), "target[1]", "keep the one");
    refused(&target(&format!("host_key = \"{WEAK}\"")), "target[1].host_key", "RSA key of 1024 bits");
    let config = load(&target(&format!("host_key = [\"{KEY} comment\"]"))).unwrap();
    assert_eq!(config.targets[0].host_trust, HostTrust::Pinned(vec![KEY.to_owned()]));
}

#[test]
fn a_target_is_not_the_bastion_itself() {
    let at = |address: &str, more: &str| {
        text(&format!(
            "[[target]]\nname = \"db1\"\naddress = \"{address}\"\nlogins = [\"a\"]\nhost_key = \"{KEY}\"\n{more}"
        ))
    };
    for own in
        ["127.0.0.1", "[::1]:22", "0.0.0.0", "127.9.9.9:2222", "localhost", "LOCALHOST.", "::", "bastion.example.com"]
    {
        refused(&at(own, ""), "target[1].address", "is this machine");
    }
    assert!(load(&at("[::ffff:127.0.0.1]:22", "")).is_err());
    assert!(load(&at("127.0.0.1:2200", "allow_loopback = true")).unwrap().targets[0].allow_loopback);
}

#[test]
fn a_targets_names_logins_and_labels_are_checked() {
    let with = |more: &str| target(&format!("host_key = \"{KEY}\"\n{more}"));
    refused(&with("default_login = \"root\""), "target[1].default_login", "not among logins");
    refused(&with("labels = { env = \"prodution\" }"), "target[1].labels.env", "did you mean \"production\"?");
    refused(&with("labels = { ci_environment = \"\" }"), "target[1].labels.ci_environment", "is empty");
    refused(&with("aliases = [\"db1\"]"), "target[1]", "has the name db1");
    refused(&with("aliases = [\"DB1\"]"), "target[1].aliases", "character");
    refused(&with("seen_as = \"here\""), "target[1].seen_as", "IP address");
    for name in ["LD_PRELOAD", "BASH_ENV", "SALLYPORT_REASON", "PATH", "*", "L*", "SALLY*", "a b", "GIT_*", ""] {
        refused(&with(&format!("env = [\"{name}\"]")), "target[1].env", "not passed on");
    }
    assert!(load(&with("env = [\"EDITOR\", \"APP_*\"]")).is_ok());
    assert!(load(&with("labels = { env = \"staging\" }")).is_ok());
    let own = with("labels = { env = \"lab\" }\n[policy]\nenvironments = [\"production\", \"lab\"]");
    assert!(load(&own).is_ok());
    refused(&text("[policy]\nenvironments = [\"lab\"]"), "policy.environments", "lacks production");
}

#[test]
fn members_name_an_issuer_and_somebody_there() {
    let group = |members: &str| text(&format!("[[group]]\nname = \"sre\"\nmembers = [{members}]"));
    refused(&group("\"00u1abcd\""), "group[1].members", "names no issuer");
    refused(&group("\"corpp:00u1abcd\""), "group[1].members", "no issuer \"corpp\"");
    refused(&group("\"corp:\""), "group[1].members", "empty");
    refused(&text("[[group]]\nname = \"sre\""), "group[1].members", "for nobody");
    let config = load(&group("\"corp:a:b/c\", \"corp/sre-team\"")).unwrap();
    let corp = IssuerName::parse("corp").unwrap();
    let of = |issuer: &IssuerName, subject: &str, asserted: &[&str]| {
        let asserted: Vec<String> = asserted.iter().map(ToString::to_string).collect();
        config.groups.of(issuer, subject, &asserted).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of(&corp, "a:b/c", &[]), ["sre"]);
    assert_eq!(of(&corp, "x", &["sre-team", "all"]), ["corp/all", "corp/sre-team", "sre"]);
    assert_eq!(of(&corp, "a", &["sre"]), ["corp/sre"]);
    assert_eq!(of(&IssuerName::parse("other").unwrap(), "a:b/c", &["sre-team"]), ["other/sre-team"]);
    assert_eq!(config.catalogue().groups, ["corp/sre-team".to_owned(), "sre".to_owned()].into());
}

#[test]
fn one_name_belongs_to_one_person() {
    let person = |lines: &str| text(&format!("[[person]]\n{lines}"));
    refused(&person("corpp = \"a\""), "person[1].corpp", "names no [[issuer]]");
    refused(&person("corp_run_id = \"a\""), "person[1].corp_run_id", "who started a pipeline");
    refused(&person("corp = \"a\"\n[[person]]\ncorp = \"a\""), "person[2].corp", "another [[person]]");
    let config = load(&person("corp = \"a\"\ncorp_actor_id = \"7\"")).unwrap();
    let corp = IssuerName::parse("corp").unwrap();
    assert_eq!(config.groups.persons[0].identities, [(corp.clone(), "a".to_owned())]);
    assert_eq!(config.groups.persons[0].claims, [(corp, "actor_id".to_owned(), "7".to_owned())]);
}

#[test]
fn nothing_that_follows_from_a_sign_in_outlives_it() {
    refused(&text("[sign_in]\nmax_age = \"2h\"\ncertificate = \"3h\""), "sign_in.certificate", "cannot be \"3h\"");
    refused(&text("[sign_in]\nmax_age = \"2h\"\nremember = \"8h\""), "sign_in.remember", "cannot be \"8h\"");
    let config = load(&text("[sign_in]\nmax_age = \"2h\"")).unwrap();
    assert_eq!(config.sign_in.certificate, Duration::from_secs(7200));
    refused(
        &text("[ledger]\nlast_checkpoint_file = \"state/last\""),
        "ledger.last_checkpoint_file",
        "in the state folder",
    );
}

#[test]
fn files_that_others_may_write_are_refused() {
    let folder = folder();
    let config = folder.path().join("sallyport.toml");
    fs::write(&config, text("[policy]\ndir = \"rules\"")).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let loaded = Config::load(&config).unwrap();
    assert!(loaded.policy_files().unwrap_err().to_string().contains("policy.dir"));
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    // Whatever the umask is.
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in STARTER {
        fs::write(rules.join(name), text).unwrap();
        fs::set_permissions(rules.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::write(rules.join(".#20-people.cedar"), "junk").unwrap();
    fs::write(rules.join("README"), "junk").unwrap();
    let files = loaded.policy_files().unwrap();
    assert_eq!(files.len(), STARTER.len());
    assert!(policy::Policy::load(&files, &loaded.catalogue()).is_ok());
    fs::set_permissions(rules.join("20-people.cedar"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(loaded.policy_files().unwrap_err().to_string().contains("written by others"));
    fs::set_permissions(&config, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(Config::load(&config).unwrap_err().to_string().contains("chmod go-w"));
}

#[test]
fn the_sample_loads_and_its_policies_with_it() {
    let folder = folder();
    for (name, mode) in [("tls.crt", 0o644), ("tls.key", 0o600)] {
        fs::write(folder.path().join(name), "pem").unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let sample = SAMPLE.replace("/etc/sallyport", &folder.path().display().to_string());
    let config = Config::parse(&sample, folder.path()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.targets.len(), 1);
    let files: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    policy::Policy::load(&files, &config.catalogue()).unwrap_or_else(|faults| panic!("{faults}"));
}

/// Every key that a config file may have, as the documentation writes it.
fn keys() -> BTreeSet<String> {
    let tables: [(&str, &[&str]); 18] = [
        ("ledger", file::Ledger::KEYS),
        ("ledger.s3", file::S3::KEYS),
        ("ssh", file::Ssh::KEYS),
        ("http", file::Http::KEYS),
        ("issuer", file::Issuer::KEYS),
        ("group", file::Group::KEYS),
        ("target", file::Target::KEYS),
        ("policy", file::Policy::KEYS),
        ("approval", file::Approval::KEYS),
        ("notify", file::Notify::KEYS),
        ("siem", file::siem::Siem::KEYS),
        ("recording", file::Recording::KEYS),
        ("sign_in", file::SignIn::KEYS),
        ("mask", file::mask::Mask::KEYS),
        ("mask.profile.NAME", file::mask::Profile::KEYS),
        ("limits", file::Limits::KEYS),
        ("ops", file::Ops::KEYS),
        ("person", &["ISSUER", "ISSUER_actor_id", "ISSUER_user_id"]),
    ];
    let names: BTreeSet<&str> = tables.iter().map(|(table, _)| *table).collect();
    let plain = File::KEYS.iter().filter(|key| !names.contains(*key)).map(ToString::to_string);
    let inner = tables.iter().flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}.{key}")));
    plain.chain(inner).collect()
}

#[test]
fn the_document_has_every_key_and_no_other() {
    let row = |line: &'static str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let documented: BTreeSet<String> = CONFIG_MD.lines().filter_map(row).collect();
    assert_eq!(documented, keys());
}

/// The fenced blocks of a document that are marked with `language`.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let block = |part: &str| part.split_once("\n```").map(|(block, _)| block.to_owned());
    document.split(&fence).skip(1).filter_map(block).collect()
}

#[test]
fn every_example_of_the_config_document_loads() {
    let examples = blocks(CONFIG_MD, "toml");
    assert!(examples.len() >= 3);
    for example in examples {
        let whole = if example.contains("\nstate") { example } else { text(&example) };
        load(&whole).unwrap_or_else(|faults| panic!("{whole}\n{faults}"));
    }
}

#[test]
fn every_example_of_the_policy_document_loads() {
    let config = blocks(POLICY_MD, "toml").join("\n");
    let catalogue = load(&text(&config)).unwrap_or_else(|faults| panic!("{faults}")).catalogue();
    let examples = blocks(POLICY_MD, "cedar");
    assert!(examples.len() >= 5);
    for example in &examples {
        let files = [("example.cedar".to_owned(), example.clone())];
        policy::Policy::load(&files, &catalogue).unwrap_or_else(|faults| panic!("{example}\n{faults}"));
    }
    // Together too: a document whose rules have one id twice teaches badly.
    let all: Vec<_> = examples.iter().enumerate().map(|(n, text)| (format!("{n:02}.cedar"), text.clone())).collect();
    policy::Policy::load(&all, &catalogue).unwrap_or_else(|faults| panic!("{faults}"));
    // And those that are shown as wrong are wrong.
    for example in blocks(POLICY_MD, "commands") {
        let known =
            file::commands::commands(&[("own.toml".into(), example)]).unwrap_or_else(|faults| panic!("{faults}"));
        for class in known.classes().filter(|class| *class != "billing") {
            assert!(POLICY_MD.contains(&format!("`{class}`")), "{class}");
        }
    }
    let wrong = blocks(POLICY_MD, "cedar-wrong");
    assert!(!wrong.is_empty());
    for example in wrong {
        let files = [("example.cedar".to_owned(), example.clone())];
        assert!(policy::Policy::load(&files, &catalogue).is_err(), "{example}");
    }
}

#[test]
fn the_policy_document_names_every_action_and_annotation() {
    for line in policy::SCHEMA.lines().filter_map(|line| line.trim_start().strip_prefix("action ")) {
        let words = line.split("appliesTo").next().unwrap_or_default();
        for action in words.split(',').map(str::trim) {
            assert!(POLICY_MD.contains(&format!("`{action}`")), "{action}");
        }
    }
    for annotation in policy::annotations() {
        assert!(POLICY_MD.contains(&format!("`@{annotation}")), "@{annotation}");
    }
}

#[test]
fn metrics_are_for_this_machine_only() {
    let with = |listen: &str| {
        let faults = load(&text(&format!("[ops]\nlisten = \"{listen}\"\n")));
        faults.map(|config| config.ops).map_err(|faults| {
            faults
                .0
                .iter()
                .filter(|fault| fault.path == "ops.listen")
                .map(|fault| fault.what.clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(with("[::1]:9464").unwrap(), Some(Place::Tcp("[::1]:9464".parse().unwrap())));
    assert_eq!(with("unix:/run/x.sock").unwrap(), Some(Place::Unix("/run/x.sock".into())));
    assert_eq!(with("0.0.0.0:9464").unwrap_err(), ["is not on loopback"]);
    assert_eq!(with("192.0.2.7:9464").unwrap_err(), ["is not on loopback"]);
    assert_eq!(with("9464").unwrap_err().len(), 1);
}

#[test]
fn who_may_vote_is_of_a_known_issuer_and_limits_have_bounds() {
    let config = load(&text("[approval]\nissuer = \"corp\"\nper_person = 2\ndenied_for = \"0s\"\n")).unwrap();
    assert_eq!(config.approval.issuer.as_ref().map(|issuer| issuer.as_str()), Some("corp"));
    assert_eq!((config.approval.per_person, config.approval.per_target), (2, 20));
    assert_eq!(config.approval.denied_for, std::time::Duration::ZERO);
    refused(&text("[approval]\nissuer = \"corb\"\n"), "approval.issuer", "\"corb\" is no [[issuer]]");
    refused(&text("[approval]\nper_target = 0\n"), "approval.per_target", "write 1 to 10000");
}

#[test]
fn a_channel_that_could_not_tell_anybody_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "too short").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let faults = |text: &str| {
        let text = self::text(text);
        let faults = Config::parse(&text, dir.path()).unwrap_err();
        faults.0.into_iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect::<Vec<_>>()
    };
    let hook = "[[notify]]\nname = \"a\"\nkind = \"webhook\"\n";
    assert_eq!(faults("[[notify]]\nname = \"A b\"\nkind = \"chat\"\n"), ["notify[1].name: is no name"]);
    assert_eq!(faults("[[notify]]\nname = \"a\"\nkind = \"pigeon\"\n"), ["notify[1].kind: \"pigeon\" is not known"]);
    assert_eq!(
        faults(&format!("{hook}url = \"http://hooks.example.com/x\"\nsecret_file = \"secret\"\n")),
        ["notify[1].url: is not https", "notify[1].secret_file: is shorter than 24 bytes"]
    );
    assert_eq!(
        faults("[[notify]]\nname = \"a\"\nkind = \"command\"\ncommand = [\"page\"]\nurl = \"https://x.example.com\"\n"),
        ["notify[1].command: has no absolute path first"]
    );
    let twice = "[[notify]]\nname = \"a\"\nkind = \"chat\"\nurl = \"https://hooks.example.com/token\"\n";
    assert_eq!(faults(&format!("{twice}{twice}")), ["notify[2].name: is used twice"]);
    let leaks = faults(&twice.replace("https", "ftp")).join("\n");
    assert!(!leaks.contains("token"), "{leaks}");
}
