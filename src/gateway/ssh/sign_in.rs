//! Sign-in with nothing installed: what a connection has proved so far, and the prompts that lead on from there.
//!
//! First a plain key, then rounds of keyboard-interactive (RFC 4256): which issuer, then a link and six digits, or the
//! issuer's device page. All that the person needs stands in the prompts, in ASCII: clients hide or mangle the rest.
//! No issuer is asked before the person has answered the first prompt.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::keys::ssh_key::HashAlg;
use russh::server::Auth;
use russh::{MethodKind, MethodSet};
use tracing::info;

use super::Rooms;
use super::unauthenticated::{Place, Places};
use crate::domain::Disclose as _;
use crate::domain::identity::Caller;
use crate::identity::pending::{DeviceError, DeviceSignIn, For, Offer, PATIENCE, PageSignIn, Typed};

/// An answer that comes sooner was given by no person.
const TOO_QUICK: Duration = Duration::from_secs(1);
const CROWDED: &str = "too many sign-ins wait already: end one, or try again in five minutes";
/// Wrong choices that are taken.
const TRIES: u8 = 3;

/// Says to whoever watches the login grace that a person was asked, and needs longer.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience(Arc<AtomicBool>);

impl Patience {
    /// What is left for a person once the grace is over.
    pub(super) fn more(&self) -> Option<Duration> {
        self.0.load(Ordering::Acquire).then_some(PATIENCE)
    }
}

/// One connection's way in without a certificate.
pub(super) struct SignIn {
    patience: Patience,
    /// Places of those who were shown a prompt, which takes minutes; and the one of this connection.
    prompted: Places,
    place: Option<Place>,
    /// For whom it counts: a change of user name starts over.
    user: String,
    proved: Option<PublicKey>,
    stage: Stage,
    /// Why nobody gets in this way was said.
    told: bool,
}

enum Stage {
    /// Nothing was asked yet.
    Begin,
    /// Which issuer, or just Enter; asked at this time on the monotonic clock.
    Which { offers: Vec<Offer>, asked: Duration, wrong: u8 },
    /// Link and digits.
    Page(PageSignIn),
    /// The issuer's device page.
    Device(Box<DeviceSignIn>),
    /// The last words were said.
    Over,
}

/// Where a round of prompts leads.
pub(super) enum Round {
    /// One more, or the end.
    Answer(Auth),
    /// Somebody is in.
    In(Box<Caller>),
}

impl SignIn {
    pub(super) fn new(patience: Patience, prompted: Places) -> Self {
        let (user, proved, stage) = (String::new(), None, Stage::Begin);
        Self { patience, prompted, place: None, user, proved, stage, told: false }
    }

    /// Whether this connection has a place among those at a prompt.
    pub(super) fn is_at_prompt(&self) -> bool {
        self.place.is_some()
    }

    /// Somebody is in: the place is for the next one.
    pub(super) fn over(&mut self) {
        self.place = None;
    }

    /// Whether a plain key is worth a signature: it leads to a sign-in, and none was proved before.
    pub(super) fn wants_key(&mut self, rooms: &Rooms, user: &str, key: &PublicKey) -> bool {
        self.over_for_others(user);
        self.proved.is_none() && !rooms.identities.offers().is_empty() && crate::identity::may_be_remembered(key)
    }

    /// The key is proved. The others of an agent may still be known, so they are tried before any prompt.
    pub(super) fn proved(&mut self, rooms: &Rooms, user: &str, key: &PublicKey) -> Auth {
        if !self.wants_key(rooms, user, key) {
            return Auth::reject();
        }
        self.proved = Some(key.clone());
        let methods = MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive][..]);
        Auth::Reject { proceed_with_methods: Some(methods), partial_success: true }
    }

    /// `SHA256:` fingerprint of the key that was proved; empty without one.
    pub(super) fn fingerprint(&self) -> String {
        self.proved.as_ref().map(|key| key.fingerprint(HashAlg::Sha256).to_string()).unwrap_or_default()
    }

    /// The next prompt, after what was answered to the last one; `None` begins.
    pub(super) async fn round(
        &mut self,
        rooms: &Rooms,
        user: &str,
        about: (SocketAddr, &str),
        answer: Option<String>,
    ) -> Round {
        self.over_for_others(user);
        if self.told {
            return Round::Answer(ended());
        }
        let Some(key) = self.proved.clone() else {
            return self.last(format!("no valid certificate was shown; {}", rooms.settings.sign_in));
        };
        let (source, client) = about;
        let about = For { key, source, client: client.to_owned() };
        let now = rooms.clock.elapsed();
        match (std::mem::replace(&mut self.stage, Stage::Over), answer) {
            (_, None) => {
                self.place = self.place.take().or_else(|| self.prompted.take(source.ip(), None));
                match self.place {
                    Some(_) => self.which(rooms.identities.offers(), now, 0),
                    None => self.last(CROWDED.to_owned()),
                }
            }
            (Stage::Begin | Stage::Over, Some(_)) => Round::Answer(ended()),
            (Stage::Which { asked, .. }, Some(_)) if now.saturating_sub(asked) < TOO_QUICK => {
                self.last(format!("no terminal to sign in with: use a certificate; {}", rooms.settings.sign_in))
            }
            (Stage::Which { offers, wrong, .. }, Some(answer)) => match chosen(&offers, &answer) {
                Some(offer) => self.begin(rooms, offer, about).await,
                None if wrong + 1 < TRIES => self.which(offers, now, wrong + 1),
                None => self.last("none of the numbers: connect again to sign in".to_owned()),
            },
            (Stage::Page(mut page), Some(answer)) => match page.typed(&answer).await {
                Typed::In(caller) => Round::In(caller),
                Typed::NotYet => self.page(page, "Nobody has signed in there yet. "),
                Typed::Wrong(1) => self.page(page, "Those are not the digits; one try is left. "),
                Typed::Wrong(_) => self.page(page, "Those are not the digits. "),
                Typed::Over => self.last("too late, or wrong digits too often: connect again to sign in".to_owned()),
                Typed::Refused(error) => self.last(format!("{} (reference {})", error.disclose(), error.reference())),
            },
            (Stage::Device(device), Some(_)) => match device.finish(rooms.drain.stopping().cancelled()).await {
                Ok(caller) => Round::In(Box::new(caller)),
                Err(DeviceError::Login(error)) => {
                    self.last(format!("{} (reference {})", error.disclose(), error.reference()))
                }
                Err(DeviceError::Over) => self.last("the bastion is stopping; connect again in a minute".to_owned()),
                Err(DeviceError::Issuer(error)) => {
                    info!(error = &error as &dyn std::error::Error, "a device sign-in");
                    self.last("nobody signed in at the issuer: connect again to sign in".to_owned())
                }
            },
        }
    }

    fn which(&mut self, offers: Vec<Offer>, asked: Duration, wrong: u8) -> Round {
        let prompt = match offers.as_slice() {
            [] => return self.last("there is no issuer to sign in with".to_owned()),
            [one] => format!("sallyport: your key is not known yet. Press Enter to sign in with {}: ", one.name),
            several => {
                let lines = several.iter().zip(1..).map(|(offer, number)| format!("  {number}) {}\n", offer.name));
                format!("sallyport: your key is not known yet. Sign in with\n{}Number: ", lines.collect::<String>())
            }
        };
        self.stage = Stage::Which { offers, asked, wrong };
        // From here on a person is at it.
        self.patience.0.store(true, Ordering::Release);
        Round::Answer(ask(prompt))
    }

    async fn begin(&mut self, rooms: &Rooms, offer: Offer, about: For) -> Round {
        if offer.page {
            return match rooms.identities.wait_for_page(&offer, about) {
                Some(page) => self.page(page, ""),
                None => self.last(CROWDED.to_owned()),
            };
        }
        match rooms.identities.wait_for_device(&offer, about).await {
            Ok(device) => {
                let (address, code) = device.told();
                let (address, code) = (crate::domain::printable(address, 512), crate::domain::printable(code, 64));
                let prompt = format!(
                    "Open this address, sign in, and enter the code\n\n    {address}\n    {code}\n\n\
                     Then press Enter here: "
                );
                self.stage = Stage::Device(Box::new(device));
                Round::Answer(ask(prompt))
            }
            Err(error) => {
                info!(error = &error as &dyn std::error::Error, "a device sign-in");
                self.last(format!("{} cannot be asked: try again in a minute", offer.name))
            }
        }
    }

    fn page(&mut self, page: PageSignIn, before: &str) -> Round {
        let prompt = format!(
            "{before}Open this link and sign in\n\n    {}\n\nThen type the six digits that it shows: ",
            page.link()
        );
        self.stage = Stage::Page(page);
        Round::Answer(ask(prompt))
    }

    /// Says why nobody gets in this way: a round that asks nothing, and the refusal with its answer.
    fn last(&mut self, why: String) -> Round {
        self.told = true;
        let instructions = format!("sallyport: {why}");
        Round::Answer(Auth::Partial { name: "".into(), instructions: instructions.into(), prompts: Vec::new().into() })
    }

    fn over_for_others(&mut self, user: &str) {
        if self.user != user {
            self.user = user.to_owned();
            (self.proved, self.stage, self.told) = (None, Stage::Begin, false);
        }
    }
}

fn chosen(offers: &[Offer], answer: &str) -> Option<Offer> {
    let answer = answer.trim();
    match offers {
        [one] if answer.is_empty() => Some(one.clone()),
        _ => offers.get(answer.parse::<usize>().ok()?.checked_sub(1)?).cloned(),
    }
}

fn ask(prompt: String) -> Auth {
    let prompts = vec![(Cow::Owned(prompt), true)];
    Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() }
}

/// Nothing more is asked on this connection.
fn ended() -> Auth {
    let methods = MethodSet::from(&[MethodKind::PublicKey][..]);
    Auth::Reject { proceed_with_methods: Some(methods), partial_success: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::IssuerName;

    fn offers(names: &[&str]) -> Vec<Offer> {
        names.iter().map(|name| Offer::new(IssuerName::parse(name).unwrap(), true, "https://issuer.example")).collect()
    }

    #[track_caller]
    fn check(names: &[&str], answer: &str, expect: Option<&str>) {
        let offers = offers(names);
        let chosen = chosen(&offers, answer);
        assert_eq!(chosen.as_ref().map(|offer| offer.name.as_str()), expect, "{answer:?}");
    }

    #[test]
    fn enter_chooses_the_only_issuer_and_a_number_one_of_several() {
        check(&["corp"], "", Some("corp"));
        check(&["corp"], " 1 ", Some("corp"));
        check(&["corp"], "yes", None);
        check(&["corp", "partners"], "2", Some("partners"));
        for answer in ["", "0", "3", "-1", "18446744073709551616", "corp"] {
            check(&["corp", "partners"], answer, None);
        }
    }

    #[test]
    fn what_stands_in_a_prompt_is_ascii() {
        let Round::Answer(Auth::Partial { prompts, .. }) =
            SignIn::new(Patience::default(), Places::new(1, 1)).which(offers(&["corp", "partners"]), Duration::ZERO, 0)
        else {
            panic!("no prompt");
        };
        let (prompt, echo) = &prompts[0];
        assert!(prompt.is_ascii() && *echo);
        assert!(prompt.ends_with("Sign in with\n  1) corp\n  2) partners\nNumber: "), "{prompt}");
    }
}
