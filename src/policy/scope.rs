//! Which rules can speak of a request at all, by what they say of principal, action and resource. The engine asks every rule of
//! a set, so a large set is cut down to those first.

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy as CedarPolicy, PrincipalConstraint,
    ResourceConstraint,
};

/// What a rule says of whom, what and where before its conditions.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
}

/// Of whom, what and where is asked.
pub(super) struct Place<'a> {
    pub(super) principal: &'a EntityUid,
    pub(super) action: &'a EntityUid,
    pub(super) resource: &'a EntityUid,
    pub(super) entities: &'a Entities,
}

impl Scope {
    pub(super) fn of(rule: &CedarPolicy) -> Self {
        Self {
            principal: rule.principal_constraint(),
            action: rule.action_constraint(),
            resource: rule.resource_constraint(),
        }
    }

    /// Whether its conditions are asked at all.
    pub(super) fn has(&self, place: &Place<'_>) -> bool {
        let (is, is_in) = (is_of, |uid: &EntityUid, of: &EntityUid| is_in(place.entities, uid, of));
        let action = match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == place.action,
            ActionConstraint::In(uids) => uids.contains(place.action),
        };
        action
            && match &self.resource {
                ResourceConstraint::Any => true,
                ResourceConstraint::Eq(uid) => uid == place.resource,
                ResourceConstraint::In(uid) => is_in(place.resource, uid),
                ResourceConstraint::Is(kind) => is(place.resource, kind),
                ResourceConstraint::IsIn(kind, uid) => is(place.resource, kind) && is_in(place.resource, uid),
            }
            && match &self.principal {
                PrincipalConstraint::Any => true,
                PrincipalConstraint::Eq(uid) => uid == place.principal,
                PrincipalConstraint::In(uid) => is_in(place.principal, uid),
                PrincipalConstraint::Is(kind) => is(place.principal, kind),
                PrincipalConstraint::IsIn(kind, uid) => is(place.principal, kind) && is_in(place.principal, uid),
            }
    }
}

fn is_of(uid: &EntityUid, kind: &EntityTypeName) -> bool {
    uid.type_name() == kind
}

fn is_in(entities: &Entities, uid: &EntityUid, of: &EntityUid) -> bool {
    uid == of || entities.is_ancestor_of(of, uid)
}
