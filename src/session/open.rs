//! The order of a session: decide → record the decision → open the recording → hand out the permit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::ask::{Ask, Opened, Refused};
use super::files::Files;
use super::governed::Governed;
use super::hold::used;
use super::judged::{Judged, nowhere};
use super::keeper::Keeper;
use super::lending::{self, Lending};
use super::masking::{Columns, Hidden, Kept, Manner, Veil};
use super::permit::{ExecPermit, ForwardPermit, ListenPermit, Permit, SftpPermit, ShellPermit};
use super::profile::served;
use super::registry::{Entry, Orders};
use super::tap::{Counts, DownTap, Stopwatch, UpTap};
use super::transfer::{may_pass, moves_files};
use super::unmask::{Bare, not_held};
use super::{Counted, Sessions};
use crate::approval::Granted;
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::loan::Loan;
use crate::domain::session::{Action, End, RecordingId, SessionId, TerminalSize};
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Text, Timestamp, printable};
use crate::ledger::Receipt;
use crate::mask::{Width, rule::Rules, whole};
use crate::policy::{self, Approvals, Obligations};
use crate::recording::index::Summary;
use crate::recording::{self, About, Header};

/// A session that was allowed and is being opened.
struct New<'a> {
    ask: &'a Ask<'a>,
    now: Timestamp,
    target: Arc<Target>,
    login: Login,
    place: TargetRef,
    session: SessionId,
    recording: RecordingId,
    judged: Judged,
    obligations: Obligations,
    granted: Option<Granted>,
    /// Beyond the default rules those of these profiles.
    profiles: BTreeSet<String>,
    rules: Arc<Rules>,
    /// The second decision: that what a command moves may pass as it is, or that a connection may lead past what is recorded.
    beside: Option<Judged>,
    /// The second decision too: that the client may see what is recorded masked.
    unmasked: Option<Judged>,
    /// The decisions on what the client would lend.
    loans: Vec<(Loan, Judged)>,
}

impl Sessions {
    /// Decides, records the decision, and opens the recording. The order is the promise: whoever holds the
    /// returned permit knows that the record of it is durable.
    pub async fn open(&self, ask: Ask<'_>) -> Result<Opened, Refused> {
        self.begin(ask, None).await
    }

    /// The same, for what people have agreed to. Policy is asked again, with the facts of now.
    pub(super) async fn begin(&self, ask: Ask<'_>, granted: Option<Granted>) -> Result<Opened, Refused> {
        // Asked before policy is: a disk that is nearly full is not to be filled with decisions.
        self.admit(ask.caller, ask.purpose()).map_err(Refused::Failed)?;
        let now = self.0.clock.now();
        let mark = self.0.registry.mark();
        let Some((target, login)) = self.find(ask.login, ask.target) else {
            return Err(self.unknown(&ask, now).await);
        };
        let place = TargetRef::of(&target, &login);
        let judged = match &granted {
            None if ask.glass.is_some() => self.decide_as(&ask, policy::Asked::BreakGlass, &target, &login, now, None),
            None => self.decide(&ask, &target, &login, now, None),
            Some(granted) => {
                let approvals = self.approvals(granted, (&target, &login))?;
                self.as_shell_too(&ask, (&target, &login), Some(&approvals)).await?;
                self.decide(&ask, &target, &login, now, Some(&approvals))
            }
        };
        let decided = ask.fact(now, judged.decision.recorded(), judged.event()).towards(place.clone());
        let permitted = judged.permitted(&ask, decided.id).map_err(|refused| not_held(&ask, refused));
        let permitted = permitted.and_then(|kept| may_pass(&ask.action, &target).map(|()| kept));
        let permitted = permitted.and_then(|kept| self.masked_by(&ask, &target, &kept).map(|masked| (kept, masked)));
        let (obligations, (profiles, rules)) = match permitted {
            Ok(permitted) => permitted,
            Err(Refused::Held(hold)) if granted.is_none() => {
                let lately = self.agreed_lately(&ask, &hold, (&target, &login));
                self.record(vec![decided]).await?;
                return match lately {
                    Some(granted) => Box::pin(self.begin(ask, Some(granted))).await,
                    None => Err(Refused::Held(hold)),
                };
            }
            Err(Refused::Denied(rules)) if granted.is_some() => {
                self.record(vec![decided]).await?;
                return Err(Refused::Rejected(format!(
                    "what was agreed to is denied by {} all the same: somebody who agreed may not any more, or the rules changed; \
                     nothing was run",
                    rules.join(", ")
                )));
            }
            Err(refused) => return Err(self.record(vec![decided]).await.err().unwrap_or(refused)),
        };
        let (decided, beyond) = self.beyond(&ask, (&target, &login), now, decided).await?;
        let (session, recording) = (ask.session(now, (&target, &login))?, RecordingId::new(now));
        let transfer = self.transfer(&ask, judged.decision.reading.as_ref(), (&target, &login), now);
        let beside = transfer.or(beyond);
        let (decided, obligations, unmasked) = match beside {
            Some(_) => (decided, obligations, None),
            None => self.unmasked(&ask, (&target, &login), now, (decided, obligations)).await?,
        };
        let loans = self.lends(&ask, granted.is_some(), (&target, &login), now);
        let new = New {
            ask: &ask,
            now,
            target,
            login,
            place,
            session,
            recording,
            judged,
            obligations,
            granted,
            profiles,
            rules,
            beside,
            unmasked,
            loans,
        };
        let without = lending::without(&ask, &new.loans);
        let gauge =
            self.limits().space.gauge(&new.ask.caller.identity.principal(), ask.purpose(), new.ask.share.clone());
        let started = self.0.recordings.start(new.header(&self.0.bastion), Arc::new(gauge));
        let (sink, writer) = started.map_err(|cause| failed("recording", &cause))?;
        let receipts = self.record(new.facts(decided, writer.header_digest())).await?;
        let who = new.ask.caller.identity.principal();
        let place = (new.target.name.as_str(), new.login.as_str());
        self.0.recent.note(&who, now, place, &new.ask.action);
        if let (Some(_), Action::Exec(command)) = (&new.beside, &new.ask.action) {
            let text = whole(&new.rules, Width::Label, command.bytes());
            self.0.recent.wrote(now, place, &new.ask.caller.identity.name, &String::from_utf8_lossy(&text));
        }
        if !new.judged.decision.reading.as_ref().is_some_and(|reading| reading.harmless) {
            self.0.desk.disturb(&who, place, new.granted.as_ref().map(|granted| granted.request.id)).await;
        }
        let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
        let mut opened = self.opened(new, sink, writer, follows, mark).await;
        for name in ask.env_dropped {
            opened.governed.mark(&format!("env dropped {name}")).await;
        }
        for why in without {
            opened.governed.mark(&why).await;
        }
        // What is seen there must be on disk first: a store that takes nothing is noticed before anything begins.
        if opened.down.durable
            && let Err(cause) = opened.keeper.until_stored(&opened.down.sink).await
        {
            opened.governed.close(End::RecordingFailed).await;
            opened.keeper.run().await;
            return Err(failed("recording", &cause));
        }
        info!(%session, host = %opened.governed.target().name, action = ask.action.as_str(), "session opened");
        Ok(opened)
    }

    async fn opened(
        &self,
        new: New<'_>,
        sink: recording::Sink,
        writer: recording::Writer,
        follows: u64,
        mark: u64,
    ) -> Opened {
        let inner = &self.0;
        let watch = Stopwatch { clock: inner.clock.clone(), started: inner.clock.elapsed() };
        let counts = Arc::new(Counts::default());
        let cut = new.ask.share.cut().clone();
        let (closing, closed) = oneshot::channel();
        let terminal = new.ask.terminal.is_some();
        // What was agreed to, not what was asked: if they ever differed, this is what may run.
        // For its like there is no input at all.
        let agreed = new.granted.as_ref().filter(|granted| !granted.again).map(|granted| &granted.request.subject);
        let bound = agreed.filter(|subject| subject.terminal.is_none() && !subject.open_input);
        let again = new.granted.as_ref().filter(|granted| granted.again).map(|_| Bytes::new());
        let input = bound.map(|subject| subject.input.clone()).or(again);
        let permit = match agreed.map_or(&new.ask.action, |subject| &subject.action) {
            Action::Shell => Permit::Shell(ShellPermit::new(new.session, input)),
            Action::Exec(command) => Permit::Exec(match new.granted {
                None => ExecPermit::new(new.session, command.clone()),
                Some(_) => ExecPermit::approved(new.session, command.clone(), input),
            }),
            Action::Sftp => Permit::Sftp(SftpPermit::new(new.session)),
            Action::Forward(forward) => Permit::Forward(ForwardPermit::new(new.session, forward.clone())),
            Action::Listen(listen) => Permit::Listen(ListenPermit::new(new.session, listen.clone())),
        };
        let lent = lending::permitted(&new.loans);
        let held = new.granted.is_some();
        let durable = new.target.durable() || new.obligations.durable || held || new.ask.glass.is_some();
        let purpose = new.ask.purpose();
        let summary = new.summary();
        let (manner, hidden) = (new.manner(), Arc::new(Hidden::printing(inner.prints.clone())));
        let columns = Arc::new(Columns::default());
        new.ask.terminal.iter().for_each(|(_, size)| columns.become_those_of(*size));
        let (orders, ordered) = watch::channel(Orders { end: None, max: new.obligations.max_session });
        let entry = Entry {
            session: new.session,
            caller: new.ask.caller.clone(),
            channel: new.ask.channel,
            target: new.target.name.to_string(),
            login: new.login.clone(),
            place: new.place.clone(),
            action: new.ask.action.clone(),
            pty: terminal,
            held,
            glass: new.ask.glass.is_some(),
            profiles: new.profiles.clone(),
            digest: matches!(manner, Manner::Masked(.., Kept::Digest)),
            unmasked: new.unmasked.is_some(),
            orders,
        };
        let (files, done) = (new.ask.action == Action::Sftp)
            .then(|| {
                let about = (new.session, new.place.clone(), new.rules.clone());
                let tap = (sink.clone(), watch.clone(), cut.clone());
                Files::new(inner, new.ask, about, tap, (durable, new.obligations.sftp.clone()))
            })
            .unzip();
        let lending = lent.any().then(|| Lending::new(inner, new.ask, (new.session, new.place.clone()), cut.clone()));
        let registered = self.register(entry, mark).await;
        Opened {
            permit: permit.lending(lent),
            files,
            lending,
            up: UpTap {
                sink: sink.clone(),
                watch: watch.clone(),
                counts: counts.clone(),
                cut: cut.clone(),
                terminal,
                veil: Veil::new("input", &manner, &hidden),
            },
            down: DownTap {
                sink: sink.clone(),
                watch: watch.clone(),
                counts: counts.clone(),
                cut: cut.clone(),
                durable,
                bare: new.unmasked.is_some().then(Bare::default),
                out: Veil::new("stdout", &manner, &hidden).wide(&columns),
                err: Veil::new("stderr", &manner, &hidden),
            },
            keeper: Box::new(Keeper {
                inner: inner.clone(),
                summary,
                follows: Some(follows),
                caller: new.ask.caller.clone(),
                channel: new.ask.channel,
                target: new.place.clone(),
                writer,
                done,
                watch: watch.clone(),
                counts,
                hidden,
                unmasked: new.unmasked.is_some(),
                closing: closed,
                cut: cut.clone(),
                counted: Counted::new(inner.ledger.counters()),
                recorded: 0,
            }),
            governed: Governed {
                session: new.session,
                target: new.target,
                login: new.login,
                place: new.place,
                sink,
                watch,
                closing,
                cut,
                space: inner.limits.space.clone(),
                purpose,
                host_key: OnceLock::new(),
                columns,
                ordered,
                registered,
            },
        }
    }

    pub(super) fn decide(
        &self,
        ask: &Ask<'_>,
        target: &Target,
        login: &Login,
        now: Timestamp,
        approvals: Option<&Approvals>,
    ) -> Judged {
        self.decide_as(ask, policy::Asked::of(&ask.action), target, login, now, approvals)
    }

    /// The same, of what somebody does beside what they ask for.
    pub(super) fn decide_as(
        &self,
        ask: &Ask<'_>,
        action: policy::Asked<'_>,
        target: &Target,
        login: &Login,
        now: Timestamp,
        approvals: Option<&Approvals>,
    ) -> Judged {
        // Time has passed where people were asked: groups may be others.
        let caller = if approvals.is_some() { self.as_of_now(ask.caller) } else { ask.caller.clone() };
        let policy = self.0.policy.borrow().clone();
        let before = self.0.clock.elapsed();
        let request = policy::Request {
            identity: &caller.identity,
            sign_in: &caller.sign_in,
            action,
            target: Some((target, login)),
            owner: None,
            now,
            source: ask.caller.source.ip(),
            pty: ask.terminal.is_some(),
        };
        let decision = match approvals {
            None => policy::decide(&policy, &request),
            Some(approvals) => policy::decide_approved(&policy, &request, approvals),
        };
        let micros = u64::try_from(self.0.clock.elapsed().saturating_sub(before).as_micros()).unwrap_or(u64::MAX);
        Judged { decision, action: action.as_str(), micros }
    }

    /// A target that does not exist is a denial like any other, and recorded as one.
    async fn unknown(&self, ask: &Ask<'_>, now: Timestamp) -> Refused {
        let policy = self.0.policy.borrow().clone();
        let decided = policy::unknown_target(&policy, ask.action.as_str());
        let (name, login) = (printable(ask.target, 64), printable(ask.login.unwrap_or(""), 64));
        let place = nowhere(name.clone(), String::new(), login);
        let fact = ask.fact(now, Outcome::Deny, Event::AuthzDecision(decided)).towards(place);
        self.record(vec![fact]).await.err().unwrap_or(Refused::NoTarget(name))
    }

    pub(super) async fn record(&self, facts: Vec<Fact>) -> Result<Vec<Receipt>, Refused> {
        self.0.ledger.append(facts).await.map_err(|cause| failed("ledger", &cause))
    }
}

impl Ask<'_> {
    /// Whether every limit can be kept that goes with it.
    pub(super) fn keeps(&self, obligations: &Obligations) -> Result<(), Refused> {
        match obligations.unserved(served(&self.action)) {
            Some(limit) => Err(Refused::Limit(limit)),
            None if obligations.require_reason && self.reason.is_none() => Err(Refused::NoReason),
            // A hold on it is one on its lines: none of them runs without being asked for.
            None if self.glass.is_some() && obligations.guarded_shell => {
                Err(Refused::Limit("shell=guarded".to_owned()))
            }
            None if obligations.guarded_shell && self.action == Action::Shell => {
                Err(Refused::Guarded(obligations.max_session, obligations.mask.iter().cloned().collect()))
            }
            None => Ok(()),
        }
    }

    pub(super) fn fact(&self, now: Timestamp, outcome: Outcome, event: Event) -> Fact {
        let mut fact = Fact::new(RecordId::new(now), outcome, event).by(self.caller);
        fact.channel = Some(self.channel);
        fact
    }
}

impl New<'_> {
    /// The records of the step, in their order: the decision first.
    fn facts(&self, mut decided: Fact, header: crate::domain::Digest) -> Vec<Fact> {
        let ask = self.ask;
        let events = [
            Event::SessionStart {
                action: ask.action.as_str(),
                connection: ask.connection.to_owned(),
                pty: ask.terminal.is_some(),
                env_dropped: ask.env_dropped.to_vec(),
                principal: ask.caller.identity.principal().as_str().to_owned(),
                recording: self.recording,
                jump: ask.jump.cloned(),
            },
            ask.begins(),
            Event::RecordingOpen {
                recording: self.recording,
                header,
                format: recording::FORMAT,
                mask: self.mask(),
                kept: self.manner().kept(),
            },
        ];
        decided.session = Some(self.session);
        let decision = decided.id;
        let mut facts = vec![decided];
        let judged = self.beside.iter().chain(&self.unmasked).chain(self.loans.iter().map(|(_, judged)| judged));
        facts.extend(judged.map(|judged| {
            let fact = ask.fact(self.now, judged.decision.recorded(), judged.event());
            fact.within(self.session).towards(self.place.clone())
        }));
        let used = self.granted.iter().map(|granted| Event::ApprovalUsed(used(&granted.request)));
        let reason = ask.reason.iter().map(|reason| Event::SessionReason { reason: Text::new((*reason).to_owned()) });
        let events = used.chain(reason).chain(events);
        for event in events {
            let fact = ask.fact(self.now, Outcome::Success, event);
            let mut fact = fact.within(self.session).towards(self.place.clone());
            fact.refs.push(decision);
            fact.refs.extend(ask.glass.map(|glass| glass.record));
            facts.push(fact);
        }
        facts
    }

    fn manner(&self) -> Manner {
        // A terminal keeps its columns. The other end of a transfer would wait for what a label is shorter.
        let counts = self.ask.terminal.is_some() || self.judged.decision.reading.as_ref().is_some_and(moves_files);
        let width = if counts { Width::Same } else { Width::Label };
        match self.ask.action {
            Action::Sftp => return Manner::Followed,
            Action::Forward(_) | Action::Listen(_) => return Manner::Passed,
            Action::Exec(_) if self.beside.is_some() => return Manner::Digest,
            Action::Shell | Action::Exec(_) => {}
        }
        // Of a shell the recording is all that says what was done.
        let digest = self.obligations.digest_only && self.ask.action != Action::Shell;
        Manner::Masked(self.rules.clone(), width, if digest { Kept::Digest } else { Kept::Whole })
    }

    /// How it is masked, in headers and records.
    fn mask(&self) -> String {
        let manner = self.manner();
        let further = self.profiles.iter().filter(|_| matches!(manner, Manner::Masked(..)));
        further.fold(manner.as_str().to_owned(), |said, name| format!("{said}+{name}"))
    }

    fn header(&self, bastion: &str) -> Header {
        let (ask, identity) = (self.ask, &self.ask.caller.identity);
        Header {
            size: ask.terminal.map_or(TerminalSize { cols: 80, rows: 24 }, |(_, size)| size),
            time: self.now,
            title: Some(format!("{}@{}", self.login, self.target.name)),
            term: ask.terminal.map(|(term, _)| term.to_owned()),
            about: About {
                recording: self.recording,
                session: self.session,
                principal: identity.principal().as_str().to_owned(),
                name: identity.name.clone(),
                target: self.target.name.to_string(),
                login: self.login.to_string(),
                action: ask.action.as_str().to_owned(),
                command: match &ask.action {
                    Action::Shell | Action::Sftp | Action::Forward(_) | Action::Listen(_) => None,
                    Action::Exec(command) => {
                        let masked = whole(&self.rules, Width::Label, command.bytes());
                        Some(String::from_utf8_lossy(&masked).into_owned())
                    }
                },
                pty: ask.terminal.is_some(),
                bastion: bastion.to_owned(),
                mask: self.mask(),
                kept: self.manner().kept().map(str::to_owned),
                policy: Some(self.judged.decision.policy),
            },
        }
    }

    fn summary(&self) -> Summary {
        let (ask, identity) = (self.ask, &self.ask.caller.identity);
        Summary {
            session: self.session,
            recording: self.recording,
            principal: identity.principal().as_str().to_owned(),
            name: identity.name.clone(),
            target: self.target.name.to_string(),
            login: self.login.to_string(),
            action: ask.action.as_str().to_owned(),
            pty: ask.terminal.is_some(),
            started: self.now,
            ended: None,
        }
    }
}

pub(super) fn failed(what: &'static str, cause: &dyn fmt::Debug) -> Refused {
    error!(what, error = ?cause, "session refused");
    Refused::Failed(format!("sessions cannot be recorded at the moment ({what}), so none begins; tell the operator"))
}
