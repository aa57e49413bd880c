//! What a client lends to a program at a target for the time of one session.

/// One thing that can be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loan {
    /// Its SSH agent.
    Agent,
    /// Its screen, keyboard and mouse: X11.
    Display,
}

/// What is lent, or would be, in one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loans {
    agent: bool,
    display: bool,
}

impl Loans {
    /// These, and this.
    #[must_use]
    pub fn with(self, loan: Loan) -> Self {
        match loan {
            Loan::Agent => Self { agent: true, ..self },
            Loan::Display => Self { display: true, ..self },
        }
    }

    /// Whether this is among them.
    pub fn has(self, loan: Loan) -> bool {
        match loan {
            Loan::Agent => self.agent,
            Loan::Display => self.display,
        }
    }

    /// Whether there is any.
    pub fn any(self) -> bool {
        self.agent || self.display
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = Loan> {
        [Loan::Agent, Loan::Display].into_iter().filter(move |loan| self.has(*loan))
    }
}

impl FromIterator<Loan> for Loans {
    fn from_iter<I: IntoIterator<Item = Loan>>(all: I) -> Self {
        all.into_iter().fold(Self::default(), Self::with)
    }
}
