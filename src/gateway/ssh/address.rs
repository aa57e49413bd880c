//! The user name of a connection → the console, or a login on a target. Pure.

/// Where a connection wants to go, as its user name says. Nothing here is known to exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A name without `+` or space: the bastion's own commands. The name grants nothing.
    Console,
    /// A login on a target, both as written.
    Target {
        /// Absent in `+db1`: the target's default login.
        login: Option<String>,
        /// Name or alias.
        target: String,
    },
}

/// The longest user name that is looked at; longer ones name no target of ours.
pub const LIMIT_BYTES: usize = 256;

/// Splits a user name at the last `+` or space.
///
/// OpenSSH makes a space of `+` in the user part of `ssh://`, `scp://` and `sftp://` addresses, so
/// both mean the same; neither may occur in a target's name.
pub fn parse(user: &str) -> Destination {
    match user.rsplit_once(['+', ' ']) {
        None => Destination::Console,
        Some(_) if user.len() > LIMIT_BYTES => Destination::Target { login: None, target: String::new() },
        Some((login, target)) => {
            Destination::Target { login: (!login.is_empty()).then(|| login.to_owned()), target: target.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user: &str, login: Option<&str>, target: &str) {
        let expect = Destination::Target { login: login.map(str::to_owned), target: target.to_owned() };
        assert_eq!(parse(user), expect, "{user:?}");
    }

    #[test]
    fn a_user_name_is_split_at_its_last_separator() {
        check("deploy+db1", Some("deploy"), "db1");
        check("deploy db1", Some("deploy"), "db1");
        check("+db1", None, "db1");
        check("a+b+db1", Some("a+b"), "db1");
        check("a b+db1", Some("a b"), "db1");
        check("deploy+", Some("deploy"), "");
    }

    #[test]
    fn a_name_without_separator_is_the_console() {
        for user in ["", "alice", "root", "deploy@db1", "a-b"] {
            assert_eq!(parse(user), Destination::Console, "{user:?}");
        }
    }

    #[test]
    fn an_overlong_name_means_no_target_at_all() {
        check(&format!("{}+db1", "x".repeat(300)), None, "");
    }
}
