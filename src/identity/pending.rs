//! Sign-ins that wait for a person: an SSH connection on one side, a browser or an issuer's device page on the other.
//!
//! By the bastion's own page: a link, then authorization code and PKCE, then six digits that the person carries back to
//! the SSH prompt, so that nobody signs in for a connection that they do not see. Bounded in number and in time; nothing
//! is asked of an issuer before the person has moved. Kept in memory only: dropped, the link is dead.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use russh::keys::PublicKey;
use url::Url;
use zeroize::Zeroizing;

use super::proof::Proof;
use super::provider::relying::{Ask, Device};
use super::provider::{FetchError, Provider};
use super::{Exchange, Identities, LoginError, fingerprint};
use crate::domain::identity::{Caller, Flow, IssuerName, Kind};
use crate::domain::{Digest, binding};

/// How long a person has for it, from the prompt on.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The page that the issuer sends browsers back to, below the address of the bastion's HTTP side.
pub const RETURN_PATH: &str = "/sign-in/return";
/// Wrong digits that are taken.
const TRIES: u8 = 3;
/// Sign-ins that wait: in all, and from one address.
const WAITING: usize = 256;
const WAITING_EACH: usize = 4;

/// An issuer at which a person can sign in from an SSH prompt, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub name: IssuerName,
    /// Over the bastion's page; else by the issuer's device flow.
    pub page: bool,
    url: String,
}

impl Offer {
    /// At the issuer with this address.
    pub fn new(name: IssuerName, page: bool, url: &str) -> Self {
        Self { name, page, url: url.to_owned() }
    }
}

/// The connection that somebody signs in for.
#[derive(Clone, Debug)]
pub struct For {
    /// The key that it has proved.
    pub key: PublicKey,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The client program.
    pub client: String,
}

/// All sign-ins that wait.
#[derive(Default)]
pub(super) struct Desk(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    about: For,
    issuer: String,
    until: Duration,
    step: Step,
}

enum Step {
    /// The link was shown, and perhaps looked at.
    Shown,
    /// A browser is at the issuer.
    Away { state: String, cookie: Zeroizing<String>, verifier: Zeroizing<String>, random: [u8; 32], browser: IpAddr },
    /// It came back with a token; the digits are on the page.
    Back { token: Zeroizing<String>, random: [u8; 32], digits: Zeroizing<String>, flow: Flow },
}

/// What the page shows of a waiting sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the SSH connection comes from.
    pub source: IpAddr,
    /// Its program.
    pub client: String,
    /// `SHA256:` fingerprint of its key.
    pub fingerprint: String,
    /// The issuer's name.
    pub issuer: IssuerName,
}

/// A browser on its way to the issuer.
pub struct Departure {
    /// Where to.
    pub to: Url,
    /// Ties its return to this browser.
    pub cookie: Zeroizing<String>,
}

/// A browser that came back.
pub struct Arrival {
    /// To be typed at the SSH prompt.
    pub digits: Zeroizing<String>,
    /// About the connection it is for.
    pub facts: Facts,
    /// Whether browser and SSH client have one address.
    pub same_address: bool,
}

/// A sign-in by page, as its SSH connection holds it.
pub struct PageSignIn {
    identities: Identities,
    id: String,
    link: String,
    wrong: u8,
}

/// What typed digits lead to.
pub enum Typed {
    /// Wrong ones; so many tries are left.
    Wrong(u8),
    /// Nobody has signed in on the page yet.
    NotYet,
    /// Too many wrong ones, or too late.
    Over,
    /// Signed in.
    In(Box<Caller>),
    /// The token was refused.
    Refused(LoginError),
}

/// A sign-in by an issuer's device flow.
pub struct DeviceSignIn {
    identities: Identities,
    issuer: String,
    device: Device,
    about: For,
}

impl Identities {
    /// Where people may sign in from an SSH prompt: none, if there is neither a page nor a device flow.
    pub fn offers(&self) -> Vec<Offer> {
        let settings = self.settings();
        let people = settings.issuers.iter().filter(|issuer| issuer.profile.kind == Kind::Person);
        let page = settings.page.is_some();
        let offered = people.filter(|issuer| page || issuer.device);
        offered.map(|issuer| Offer::new(issuer.name.clone(), page, &issuer.url)).collect()
    }

    /// A link for this connection; none when too many wait already.
    pub fn wait_for_page(&self, offer: &Offer, about: For) -> Option<PageSignIn> {
        let base = self.settings().page.as_deref()?;
        let id = short_text()?;
        let now = self.clock().elapsed();
        let mut desk = self.desk();
        desk.retain(|_, waiting| waiting.until > now);
        let address = prefix(about.source.ip());
        let each = desk.values().filter(|waiting| prefix(waiting.about.source.ip()) == address).count();
        if desk.len() >= WAITING || each >= WAITING_EACH {
            return None;
        }
        let waiting = Waiting { about, issuer: offer.url.clone(), until: now + PATIENCE, step: Step::Shown };
        desk.insert(id.clone(), waiting);
        drop(desk);
        let link = format!("{base}/sign-in/{id}");
        Some(PageSignIn { identities: self.clone(), id, link, wrong: 0 })
    }

    /// Begins an issuer's device flow for this connection. Asks the issuer: only after the person has answered.
    pub async fn wait_for_device(&self, offer: &Offer, about: For) -> Result<DeviceSignIn, FetchError> {
        let provider = self.0.providers.get(&offer.url).ok_or(FetchError::Document("an address"))?;
        let device = provider.device().await?;
        Ok(DeviceSignIn { identities: self.clone(), issuer: offer.url.clone(), device, about })
    }

    /// What stands behind a link, while it waits.
    pub fn page_facts(&self, id: &str) -> Option<Facts> {
        let now = self.clock().elapsed();
        self.desk().get(id).filter(|waiting| waiting.until > now).and_then(|waiting| self.facts(waiting))
    }

    /// The person wants to sign in: where to send the browser.
    pub async fn page_leaves(&self, id: &str, browser: IpAddr) -> Result<Departure, PageError> {
        let (issuer, key) = {
            let now = self.clock().elapsed();
            let desk = self.desk();
            let waiting = desk.get(id).filter(|waiting| waiting.until > now).ok_or(PageError::Gone)?;
            if matches!(waiting.step, Step::Back { .. }) {
                return Err(PageError::Done);
            }
            (waiting.issuer.clone(), waiting.about.key.clone())
        };
        let provider = self.provider(&issuer)?;
        let random: [u8; 32] = random().ok_or(PageError::Random)?;
        let text = || random_text().ok_or(PageError::Random);
        let (state, cookie, verifier) = (text()?, Zeroizing::new(text()?), Zeroizing::new(text()?));
        let blob = key.to_bytes().map_err(|_| PageError::Gone)?;
        let ask = Ask {
            redirect: &self.return_address(),
            state: &state,
            nonce: &binding::nonce(&blob, &random),
            challenge: &BASE64_URL_SAFE_NO_PAD.encode(Digest::of(verifier.as_bytes()).0),
        };
        let to = provider.page(&ask).await.map_err(PageError::Issuer)?;
        let mut desk = self.desk();
        let waiting = desk.get_mut(id).ok_or(PageError::Gone)?;
        waiting.step = Step::Away { state, cookie: cookie.clone(), verifier, random, browser };
        Ok(Departure { to, cookie })
    }

    /// The browser is back with the issuer's code.
    pub async fn page_returns(
        &self,
        state: &str,
        cookie: &str,
        code: &str,
        browser: IpAddr,
    ) -> Result<Arrival, PageError> {
        let now = self.clock().elapsed();
        let (id, issuer, verifier, random, left_from) = {
            let desk = self.desk();
            let mut found = desk.iter().filter(|(_, waiting)| waiting.until > now).filter_map(|(id, waiting)| {
                match &waiting.step {
                    Step::Away { state: ours, cookie: bound, verifier, random, browser }
                        if same(ours, state) && same(bound, cookie) =>
                    {
                        Some((id.clone(), waiting.issuer.clone(), verifier.clone(), *random, *browser))
                    }
                    Step::Shown | Step::Away { .. } | Step::Back { .. } => None,
                }
            });
            found.next().ok_or(PageError::Gone)?
        };
        let token = self.provider(&issuer)?.redeem(code, &self.return_address(), &verifier).await;
        let token = token.map_err(PageError::Issuer)?;
        let digits = Zeroizing::new(digits().ok_or(PageError::Random)?);
        let mut desk = self.desk();
        let waiting = desk.get_mut(&id).ok_or(PageError::Gone)?;
        let source = waiting.about.source.ip().to_canonical();
        let same_address = source == browser.to_canonical() && source == left_from.to_canonical();
        let flow = if same_address { Flow::Local } else { Flow::Remote };
        waiting.step = Step::Back { token, random, digits: digits.clone(), flow };
        let facts = self.facts(waiting).ok_or(PageError::Gone)?;
        Ok(Arrival { digits, facts, same_address })
    }

    fn facts(&self, waiting: &Waiting) -> Option<Facts> {
        let issuer = self.settings().issuers.iter().find(|issuer| issuer.url == waiting.issuer)?;
        Some(Facts {
            source: waiting.about.source.ip().to_canonical(),
            client: waiting.about.client.clone(),
            fingerprint: fingerprint(&waiting.about.key),
            issuer: issuer.name.clone(),
        })
    }

    fn provider(&self, issuer: &str) -> Result<&Provider, PageError> {
        self.0.providers.get(issuer).ok_or(PageError::Gone)
    }

    fn return_address(&self) -> String {
        format!("{}{RETURN_PATH}", self.settings().page.as_deref().unwrap_or_default())
    }

    fn desk(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.desk.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PageSignIn {
    /// What the person opens.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// The person has typed this.
    pub async fn typed(&mut self, text: &str) -> Typed {
        let typed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let now = self.identities.clock().elapsed();
        let exchange = {
            let mut desk = self.identities.desk();
            let Some(waiting) = desk.get(&self.id).filter(|waiting| waiting.until > now) else { return Typed::Over };
            match &waiting.step {
                Step::Shown | Step::Away { .. } if typed.is_empty() => return Typed::NotYet,
                Step::Back { digits, .. } if same(digits, &typed) => {}
                Step::Shown | Step::Away { .. } | Step::Back { .. } => {
                    self.wrong += 1;
                    if self.wrong < TRIES {
                        return Typed::Wrong(TRIES - self.wrong);
                    }
                    desk.remove(&self.id);
                    return Typed::Over;
                }
            }
            let Some(Waiting { about, step: Step::Back { token, random, flow, .. }, .. }) = desk.remove(&self.id)
            else {
                return Typed::Over;
            };
            exchange(about, token, Some(random), flow)
        };
        match self.identities.sign_in_here(&exchange).await {
            Ok(caller) => Typed::In(Box::new(caller)),
            Err(error) => Typed::Refused(error),
        }
    }
}

impl Drop for PageSignIn {
    fn drop(&mut self) {
        self.identities.desk().remove(&self.id);
    }
}

impl DeviceSignIn {
    /// Where the person goes, and what they enter there.
    pub fn told(&self) -> (&str, &str) {
        (&self.device.address, &self.device.user_code)
    }

    /// Waits, within the issuer's time, until the person has signed in or `over` comes first.
    pub async fn finish(self, over: impl Future<Output = ()>) -> Result<Caller, DeviceError> {
        let Self { identities, issuer, device, about } = self;
        let provider = identities.0.providers.get(&issuer);
        let provider = provider.ok_or(DeviceError::Issuer(FetchError::Document("an address")))?;
        let token = tokio::select! {
            token = provider.device_token(&device) => token.map_err(DeviceError::Issuer)?,
            () = over => return Err(DeviceError::Over),
        };
        // From here on it goes to its end: what is held for a token is given back only there.
        let exchange = exchange(about, token, None, Flow::Device);
        identities.sign_in_here(&exchange).await.map_err(DeviceError::Login)
    }
}

fn exchange(about: For, token: Zeroizing<String>, nonce_random: Option<[u8; 32]>, flow: Flow) -> Exchange {
    Exchange {
        token,
        public_key: about.key,
        proof: Proof::OnConnection,
        nonce_random,
        flow: Some(flow),
        source: about.source,
    }
}

/// An IPv4 address, or an IPv6 /64.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
    }
}

fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// 256 bits, fit for addresses, cookies and a PKCE verifier.
fn random_text() -> Option<String> {
    Some(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// 128 bits, for what a person may have to copy: a longer link is broken in two by clients that wrap at 76 columns.
fn short_text() -> Option<String> {
    Some(BASE64_URL_SAFE_NO_PAD.encode(random::<16>()?))
}

/// Six digits, each as likely as any other.
fn digits() -> Option<String> {
    let number = u64::from_be_bytes(random()?) % 1_000_000;
    Some(format!("{number:06}"))
}

/// Why the page cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No such link, or too late, or another browser.
    #[error("no sign-in waits behind this link")]
    Gone,
    /// Signed in already.
    #[error("this sign-in is done")]
    Done,
    /// The issuer cannot be asked, or refused.
    #[error("the issuer")]
    Issuer(#[source] FetchError),
    /// No random numbers.
    #[error("no random numbers")]
    Random,
}

/// Why a device flow came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Something else ended it.
    #[error("it was ended before anybody signed in")]
    Over,
    /// The issuer cannot be asked, or refused.
    #[error("the issuer")]
    Issuer(#[source] FetchError),
    /// The token was refused.
    #[error("the token")]
    Login(#[source] LoginError),
}
