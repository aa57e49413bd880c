//! `targets check`: tries every login that the caller may reach, and says what to change there.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use super::identity::Answer;
use super::line::TargetsCheck;
use super::reach::{Grade, Trial};
use super::table::{Cell, Table};
use super::{Error, Visit};
use crate::domain::printable;
use crate::domain::target::{Login, Target};

/// Tried at a time: each is a session of the caller's, and counts as one.
const AT_ONCE: usize = 4;

impl Visit<'_> {
    pub(super) async fn check_targets(&self, asked: &TargetsCheck) -> Result<(), Error> {
        let all = self.room.sessions.targets();
        let open: Vec<_> = all.iter().map(|target| (target, self.logins(target))).collect();
        let open: Vec<_> = open.into_iter().filter(|(_, logins)| !logins.is_empty()).collect();
        if let Some(name) = asked.names.iter().find(|name| !open.iter().any(|(target, _)| target.is_called(name))) {
            return Err(Error::NoTarget(printable(name, 64)));
        }
        let mut tries = Vec::new();
        for (target, logins) in &open {
            if asked.names.is_empty() || asked.names.iter().any(|name| target.is_called(name)) {
                tries.extend(
                    logins.iter().map(|(login, may)| (Arc::clone(target), (*login).clone(), may.shell, may.exec)),
                );
            }
        }
        if tries.is_empty() {
            return self.say.err("sallyport: no target for you; 'whoami' says what a policy can know you by\n").await;
        }
        let reach = &self.room.reach;
        let tried = tries.into_iter().map(|(target, login, shell, exec)| async move {
            let trial = match (shell, exec) {
                (_, Answer::Yes) => reach.sign_in(self.caller.clone(), target.clone(), login.clone(), true).await,
                (Answer::Yes, _) => reach.sign_in(self.caller.clone(), target.clone(), login.clone(), false).await,
                _ => match reach.look(target.clone()).await {
                    good if good.grade == Grade::Good => {
                        Trial::good("the host is the right one; the sign-in waits for approval")
                    }
                    other => other,
                },
            };
            (target, login, trial)
        });
        let mut tried: Vec<_> = stream::iter(tried).buffered(AT_ONCE).collect().await;
        compare(&mut tried);
        self.tell(asked, &tried).await
    }

    async fn tell(&self, asked: &TargetsCheck, tried: &[(Arc<Target>, Login, Trial)]) -> Result<(), Error> {
        let mut table = Table::new(&["TARGET", "LOGIN", "RESULT", "WHAT"], &[3]);
        let mut mends = String::new();
        let mut listed = Vec::new();
        for (target, login, trial) in tried {
            let result = match trial.grade {
                Grade::Good => Cell::new("good").good(),
                Grade::Odd => Cell::new("warning"),
                Grade::Refused | Grade::Bad => Cell::new("fault").bad(),
            };
            table.push(vec![
                Cell::new(target.name.as_str()),
                Cell::new(login.as_str()),
                result,
                Cell::new(&trial.what),
            ]);
            if !trial.mend.is_empty() {
                let (what, mend) = (printable(&trial.what, 512), printable(&trial.mend, 1024));
                mends += &format!("\n{login}+{}: {what}\n  -> {mend}\n", target.name);
            }
            listed.push(json!({
                "target": target.name.as_str(),
                "login": login.as_str(),
                "good": trial.grade == Grade::Good,
                "result": match trial.grade { Grade::Good => "good", Grade::Odd => "warning", Grade::Refused | Grade::Bad => "fault" },
                "what": trial.what,
                "mend": trial.mend,
            }));
        }
        let text = table.render(self.say.look()) + &mends;
        self.answer(asked.form, &text, &json!({ "targets": listed })).await?;
        let bad = tried.iter().filter(|(_, _, trial)| matches!(trial.grade, Grade::Refused | Grade::Bad)).count();
        if bad == 0 { Ok(()) } else { Err(Error::NotAll(bad)) }
    }
}

/// A target says only yes or no to a sign-in. What the others of its logins heard tells the two causes apart.
fn compare(tried: &mut [(Arc<Target>, Login, Trial)]) {
    let let_in: Vec<_> = tried
        .iter()
        .filter(|(_, _, trial)| matches!(trial.grade, Grade::Good | Grade::Odd))
        .map(|(target, login, _)| (target.name.clone(), login.clone()))
        .collect();
    for (target, login, trial) in tried.iter_mut().filter(|(_, _, trial)| trial.grade == Grade::Refused) {
        if let Some((_, other)) = let_in.iter().find(|(name, _)| *name == target.name) {
            trial.what = format!("{login} is refused, and {other} is let in: it is this account");
            trial.mend = format!(
                "make the account {login} there, or let it in: AllowUsers, PermitRootLogin, AuthorizedPrincipalsFile, \
                 an expired or locked account"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::target;

    #[test]
    fn an_account_is_blamed_only_where_another_one_is_let_in() {
        let refused = || Trial::of(Grade::Refused, "refused", "everything");
        let login = |name: &str| Login::parse(name).unwrap();
        let db = target("db1", "production", &["root"]);
        let web = target("web", "staging", &["app"]);
        let mut tried = vec![
            (db.clone(), login("root"), refused()),
            (db, login("deploy"), Trial::good("in")),
            (web, login("app"), refused()),
        ];
        compare(&mut tried);
        assert!(tried[0].2.what.contains("deploy is let in"), "{:?}", tried[0].2);
        assert_eq!(tried[2].2, refused());
    }
}
