//! The command line: what is understood, what is refused, and what an error says.

use super::*;

#[track_caller]
fn refused(words: &[&str]) {
    assert!(Line::try_parse_from(std::iter::once(&"sallyport").chain(words)).is_err(), "{words:?}");
}

#[track_caller]
fn understood(words: &[&str]) -> Command {
    Line::try_parse_from(std::iter::once(&"sallyport").chain(words)).unwrap().command
}

#[test]
fn the_tree_is_sound() {
    tree().debug_assert();
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused(&["login", "b", "--device", "--ci", "github"]);
    refused(&["login", "b", "--ci", "github", "--issuer", "corp"]);
    refused(&["login", "b", "--files", "--no-constraint"]);
    refused(&["login", "b", "--yes"]);
    refused(&["target", "add", "db1", "h", "--host-key", "k", "--host-ca-file", "f"]);
    refused(&["play", "f", "--speed", "0"]);
    refused(&["play", "f", "--idle-limit", "-1"]);
    refused(&["init", "--require", "tid"]);
    refused(&["mask", "--list", "--check"]);
    refused(&["mask", "--width", "none"]);
    refused(&[]);
}

#[test]
fn no_command_takes_a_secret_as_an_argument() {
    fn look(command: &clap::Command) {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(!["token", "secret", "password", "passphrase"].iter().any(|word| name.contains(word)), "{name}");
        }
        command.get_subcommands().for_each(look);
    }
    look(&tree());
}

#[test]
fn the_named_config_is_the_one() {
    let Command::Serve(which) = understood(&["serve", "--config", "/a/b.toml"]) else { panic!("another command") };
    assert_eq!(which.path(), Path::new("/a/b.toml"));
}

#[test]
fn an_error_is_said_once_with_its_causes_and_steers_no_terminal() {
    let source = io::Error::other("no\u{1b}]0;x");
    let error = Error::File { path: "/a/\u{202e}b".into(), source };
    assert_eq!(error.shown(), "/a/\\u{202e}b: no\\u{1b}]0;x");
    assert_eq!(Error::Said(4).shown(), "");
}

#[test]
fn a_refusal_is_told_from_a_failure_and_from_a_fault_of_usage() {
    let refused = client::Error::Refused {
        title: "t".to_owned(),
        detail: "d".to_owned(),
        code: "c".to_owned(),
        reference: "r".to_owned(),
    };
    assert_eq!(Error::Login(refused).code(), DENIED);
    assert_eq!(Error::Login(client::Error::TimedOut).code(), FAILED);
    assert_eq!(Error::Config(Faults::default()).code(), USAGE);
}

#[test]
fn the_pages_are_made_from_the_same_definition() {
    let folder = tempfile::tempdir().unwrap();
    pages::man(Some(folder.path())).unwrap();
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["sallyport.1", "sallyport-login.1", "sallyport-target-add.1"] {
        assert!(names.iter().any(|name| name == page), "{page} in {names:?}");
    }
}
