//! Which rules can speak of a request at all, by what they say of principal, action and resource. The engine asks every rule of
//! a set, so a large set is cut down to those first, and each cut is kept: it serves whoever is asked about by the same rules.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy as CedarPolicy, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};

/// Every rule, with what it speaks of.
pub(super) struct Scopes {
    whole: Arc<Cut>,
    rules: Vec<(Scope, CedarPolicy)>,
    /// Places in `rules` that speak of an action.
    by_action: HashMap<EntityUid, Vec<usize>>,
    /// By which of `rules` they have, a bit each.
    cuts: Mutex<HashMap<Box<[u64]>, Arc<Cut>>>,
}

/// So many cuts are kept; then it begins anew. People of the same groups share one for each kind of target.
const MOST_CUTS: usize = 256;

/// Some of the rules.
pub(super) struct Cut {
    /// The ones that can speak of a request.
    pub(super) rules: PolicySet,
    /// Those of them that permit.
    pub(super) permits: PolicySet,
}

impl Scopes {
    /// `whole` has exactly these rules.
    pub(super) fn new(whole: &PolicySet, rules: Vec<CedarPolicy>, actions: impl Iterator<Item = EntityUid>) -> Self {
        let rules: Vec<(Scope, CedarPolicy)> = rules.into_iter().map(|rule| (Scope::of(&rule), rule)).collect();
        let speak_of = |action: &EntityUid| {
            let speaking = rules.iter().enumerate().filter(|(_, (scope, _))| scope.has_action(action));
            speaking.map(|(place, _)| place).collect()
        };
        let by_action = actions.map(|action| (action.clone(), speak_of(&action))).collect();
        let permits = whole.policies().filter(|rule| rule.effect() == Effect::Permit).cloned();
        let permits = PolicySet::from_policies(permits).unwrap_or_default();
        let whole = Arc::new(Cut { rules: whole.clone(), permits });
        Self { whole, rules, by_action, cuts: Mutex::default() }
    }

    /// The rules that can speak of it: the engine would find no other satisfied, and none of the others can err.
    pub(super) fn speaking(&self, place: &Place<'_>) -> Arc<Cut> {
        let Some(of_action) = self.by_action.get(place.action) else { return self.whole.clone() };
        let mut bits = vec![0_u64; self.rules.len().div_ceil(64)].into_boxed_slice();
        for at in of_action {
            if let (Some((scope, _)), Some(word)) = (self.rules.get(*at), bits.get_mut(*at / 64))
                && scope.has(place)
            {
                *word |= 1 << (*at % 64);
            }
        }
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cut) = cuts.get(&bits) {
            return cut.clone();
        }
        let cut = self.cut(&bits);
        if cuts.len() >= MOST_CUTS {
            cuts.clear();
        }
        cuts.insert(bits, cut.clone());
        cut
    }

    /// Permits that speak of this action there, and of other people: each by its id, with whom it speaks of. Sorted.
    pub(super) fn of_others(&self, place: &Place<'_>) -> Vec<(String, String)> {
        let speaking = self.by_action.get(place.action).into_iter().flatten().filter_map(|at| self.rules.get(*at));
        let permits = speaking.filter(|(_, rule)| rule.effect() == Effect::Permit);
        let others = permits.filter(|(scope, _)| scope.has_place(place) && !scope.has_whom(place));
        let mut others: Vec<_> = others.map(|(scope, rule)| (rule.id().to_string(), scope.whom())).collect();
        others.sort();
        others
    }

    fn cut(&self, bits: &[u64]) -> Arc<Cut> {
        let has = |at: usize| bits.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0);
        let speaking = || self.rules.iter().enumerate().filter(|(at, _)| has(*at)).map(|(_, (_, rule))| rule);
        let permits = speaking().filter(|rule| rule.effect() == Effect::Permit).cloned();
        match (PolicySet::from_policies(speaking().cloned()), PolicySet::from_policies(permits)) {
            (Ok(rules), Ok(permits)) => Arc::new(Cut { rules, permits }),
            _ => self.whole.clone(),
        }
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({} rules)", self.rules.len())
    }
}

/// What a rule says of whom, what and where before its conditions.
#[derive(Clone, Debug)]
struct Scope {
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
}

/// Of whom, what and where is asked. Neither groups nor environments lie in others: they are all the ancestors there are.
pub(super) struct Place<'a> {
    pub(super) principal: &'a EntityUid,
    pub(super) groups: &'a [EntityUid],
    pub(super) action: &'a EntityUid,
    pub(super) resource: &'a EntityUid,
    pub(super) environment: &'a [EntityUid],
}

impl Scope {
    fn of(rule: &CedarPolicy) -> Self {
        Self {
            principal: rule.principal_constraint(),
            action: rule.action_constraint(),
            resource: rule.resource_constraint(),
        }
    }

    fn has_action(&self, action: &EntityUid) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == action,
            ActionConstraint::In(uids) => uids.contains(action),
        }
    }

    /// Whether its conditions are asked at all, once its action is.
    fn has(&self, place: &Place<'_>) -> bool {
        self.has_whom(place) && self.has_place(place)
    }

    fn has_whom(&self, place: &Place<'_>) -> bool {
        let whose = |of: &EntityUid| is_in(place.principal, place.groups, of);
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => is(uid, place.principal),
            PrincipalConstraint::In(uid) => whose(uid),
            PrincipalConstraint::Is(kind) => is_of(place.principal, kind),
            PrincipalConstraint::IsIn(kind, uid) => is_of(place.principal, kind) && whose(uid),
        }
    }

    fn has_place(&self, place: &Place<'_>) -> bool {
        let where_ = |of: &EntityUid| is_in(place.resource, place.environment, of);
        match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => is(uid, place.resource),
            ResourceConstraint::In(uid) => where_(uid),
            ResourceConstraint::Is(kind) => is_of(place.resource, kind),
            ResourceConstraint::IsIn(kind, uid) => is_of(place.resource, kind) && where_(uid),
        }
    }
}

impl Scope {
    /// Whom it speaks of, in words.
    fn whom(&self) -> String {
        let kind = |kind: &EntityTypeName| if kind.basename() == "Pipeline" { "a pipeline" } else { "a person" };
        let group = |uid: &EntityUid| uid.id().unescaped().to_owned();
        match &self.principal {
            PrincipalConstraint::Any => "anybody".to_owned(),
            PrincipalConstraint::Eq(uid) => group(uid),
            PrincipalConstraint::In(uid) => format!("whoever is in {}", group(uid)),
            PrincipalConstraint::Is(of) => kind(of).to_owned(),
            PrincipalConstraint::IsIn(of, uid) => format!("{} in {}", kind(of), group(uid)),
        }
    }
}

fn is_of(uid: &EntityUid, kind: &EntityTypeName) -> bool {
    uid.type_name() == kind
}

/// The id first: it is what differs, and the type is the longer comparison.
fn is(one: &EntityUid, other: &EntityUid) -> bool {
    one.id() == other.id() && one == other
}

fn is_in(uid: &EntityUid, ancestors: &[EntityUid], of: &EntityUid) -> bool {
    is(uid, of) || ancestors.iter().any(|ancestor| is(ancestor, of))
}
