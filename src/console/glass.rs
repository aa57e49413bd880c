//! Past approval: breaking the glass, which of them wait for a review, and the review.

use clap::Args;
use serde_json::json;

use super::approvals::id;
use super::io::Ears;
use super::line::{Form, reason};
use super::table::{Cell, Table, stamp};
use super::{Error, Visit};
use crate::approval::Id;
use crate::session::Glass;
use crate::session::glass::LONGEST;

/// Go past approval, say what has, or what one thinks of it.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct BreakGlass {
    /// Where.
    #[arg(required_unless_present_any = ["list", "review"])]
    target: Option<String>,
    /// As whom there.
    #[arg(required_unless_present_any = ["list", "review"])]
    login: Option<String>,
    /// Why. Whoever is alerted reads it, and it goes into the ledger.
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present_any = ["list", "review"])]
    reason: Option<String>,
    /// What waits for somebody else's review: your own, and what you may review.
    #[arg(long, conflicts_with_all = ["target", "login", "reason", "review"])]
    list: bool,
    /// Say what you found; 'sessions show' and 'play' tell what was done.
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with_all = ["target", "login", "reason"], requires = "finding")]
    review: Option<Id>,
    /// What you found. It goes into the ledger.
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "review")]
    finding: Option<String>,
    #[command(flatten)]
    form: Form,
}

impl BreakGlass {
    /// Whether it is to be broken now, and not said which are.
    pub(super) fn is_now(&self) -> bool {
        !self.list && self.review.is_none()
    }
}

impl Visit<'_> {
    /// Lists, or takes a review. Breaking it needs a channel of its own.
    pub(super) async fn glass(&self, asked: &BreakGlass) -> Result<(), Error> {
        match (asked.review, &asked.finding) {
            (Some(id), Some(finding)) => self.review(id, finding, asked.form).await,
            _ if asked.list => self.unreviewed(asked.form).await,
            _ => Err(Error::Alone),
        }
    }

    /// Breaks it, once they have typed where.
    pub(super) async fn break_glass(&self, asked: &BreakGlass, ears: &mut Ears<'_>) -> Result<Glass, Error> {
        let (Some(target), Some(login), Some(reason)) = (&asked.target, &asked.login, &asked.reason) else {
            return Err(Error::Nothing);
        };
        if self.say.terminal().is_none() {
            return Err(Error::NoTerminal);
        }
        let sessions = &self.room.sessions;
        let (target, login) = sessions.may_break_glass(self.caller, login, target).await?;
        let name = target.name.as_str();
        let text = format!(
            "A shell at {name} as {login} that nobody agrees to, for at most {} minutes. It is recorded, people are alerted\n\
             now, and until somebody else has reviewed it there is no second one for you.\n\
             Type the target's name to go on: ",
            LONGEST.as_secs() / 60
        );
        self.say.out(&text).await?;
        if self.typed(ears, 64).await?.is_none_or(|typed| typed != name) {
            return Err(Error::NotTyped);
        }
        self.say.out("Waiting until somebody is alerted ...\n").await?;
        let glass = tokio::select! {
            glass = sessions.break_glass(self.caller, (&target, &login), reason) => glass?,
            () = ears.interrupted() => return Err(Error::Interrupted),
        };
        let review = format!("break-glass --review {} --finding TEXT", glass.id);
        self.say.out(&format!("{} is broken. Somebody else reviews it with: {review}\n", glass.id)).await?;
        Ok(glass)
    }

    async fn unreviewed(&self, form: Form) -> Result<(), Error> {
        let mut table = Table::new(&["ID", "BROKEN", "WHO", "LOGIN", "TARGET", "SESSION", "REVIEW"], &[2]);
        let mut listed = Vec::new();
        for (broken, may) in self.room.sessions.unreviewed(self.caller) {
            table.push(vec![
                Cell::new(broken.id.to_string()),
                Cell::new(stamp(broken.at)),
                Cell::new(&broken.name),
                Cell::new(&broken.login),
                Cell::new(&broken.target),
                Cell::new(broken.session.to_string()),
                Cell::new(if may { "yours to do" } else { "somebody else's" }),
            ]);
            listed.push(json!({
                "id": broken.id.to_string(),
                "broken": broken.at.to_string(),
                "name": broken.name,
                "principal": broken.principal.as_str(),
                "login": broken.login,
                "target": broken.target,
                "session": broken.session.to_string(),
                "may_review": may,
            }));
        }
        let text =
            if listed.is_empty() { "Nothing waits for a review.\n".to_owned() } else { table.render(self.say.look()) };
        self.answer(form, &text, &json!({ "break_glass": listed })).await
    }

    async fn review(&self, id: Id, finding: &str, form: Form) -> Result<(), Error> {
        let broken = self.room.sessions.review_glass(self.caller, id, finding).await?;
        let text = format!("Reviewed: {id}, of session {}. What you found is in the ledger.\n", broken.session);
        self.answer(form, &text, &json!({ "id": id.to_string(), "session": broken.session.to_string() })).await
    }
}
