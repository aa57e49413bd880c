//! The words of the policy language: the schema, and the names of its types and actions, parsed once.
//!
//! Knows no policy and no request.

use std::collections::BTreeMap;

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use cedar_policy_core::ast::{self, Name, RestrictedExpr, Value};

use super::Asked;
use super::request::Unfit;
use crate::domain::Digest;

/// The schema as shipped, in Cedar's schema language.
pub const TEXT: &str = include_str!("schema.cedarschema");

/// The schema and every name that building a request needs.
pub(super) struct Words {
    pub(super) schema: Schema,
    pub(super) digest: Digest,
    pub(super) user: EntityTypeName,
    pub(super) pipeline: EntityTypeName,
    pub(super) group: EntityTypeName,
    pub(super) env: EntityTypeName,
    pub(super) issuer: EntityTypeName,
    pub(super) target: EntityTypeName,
    pub(super) bastion: EntityUid,
    datetime: Name,
    actions: BTreeMap<&'static str, EntityUid>,
}

impl Words {
    /// Parses the shipped schema. An error means that this build is broken.
    pub(super) fn load() -> Result<Self, String> {
        let (schema, warnings) = Schema::from_cedarschema_str(TEXT).map_err(|error| error.to_string())?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(warning.to_string());
        }
        let name = |text: &str| format!("Sallyport::{text}").parse::<EntityTypeName>().map_err(|e| e.to_string());
        let action = name("Action")?;
        let actions = Asked::WORDS
            .iter()
            .map(|word| (*word, EntityUid::from_type_name_and_id(action.clone(), EntityId::new(word))))
            .collect();
        Ok(Self {
            schema,
            digest: Digest::of(TEXT.as_bytes()),
            user: name("User")?,
            pipeline: name("Pipeline")?,
            group: name("Group")?,
            env: name("Env")?,
            issuer: name("Issuer")?,
            target: name("Target")?,
            bastion: EntityUid::from_type_name_and_id(name("Bastion")?, EntityId::new("bastion")),
            datetime: "datetime".parse().map_err(|error| format!("{error}"))?,
            actions,
        })
    }

    /// A time. The engine's own function parses its own name each time, which takes as long as evaluating a policy.
    pub(super) fn time(&self, text: String) -> Result<Value, Unfit> {
        value(RestrictedExpr::call_extension_fn(self.datetime.clone(), [RestrictedExpr::val(text)]).into())
    }

    /// The entity of an action.
    pub(super) fn action(&self, asked: &Asked<'_>) -> Option<&EntityUid> {
        self.actions.get(asked.as_str())
    }

    /// The entity of every action.
    pub(super) fn actions(&self) -> impl Iterator<Item = EntityUid> {
        self.actions.values().cloned()
    }

    /// The entity of this type and id.
    pub(super) fn entity(&self, kind: &EntityTypeName, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
    }
}

/// What an expression comes to: a context is made of values, so that each is computed once.
pub(super) fn value(expression: RestrictedExpression) -> Result<Value, Unfit> {
    let only = Context::from_pairs([(String::new(), expression)]).map_err(|error| error.to_string())?;
    match only.as_ref() {
        ast::Context::Value(fields) => fields.values().next().cloned().ok_or_else(|| "no value".to_owned()),
        ast::Context::RestrictedResidual(_) => Err("not a value".to_owned()),
    }
}
