//! Whom and where a question concerns, in Cedar's terms: what stays the same from one request of somebody at a target to the
//! next, so it is built once.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression as Value};
use cedar_policy_core::ast;

use super::Policy;
use super::request::{Asked, Request, Unfit};
use super::schema;
use super::scope::Place;
use crate::domain::identity::{Identity, IssuerName, Kind};
use crate::domain::target::TargetName;

/// The scenes of whoever asked last.
#[derive(Default)]
pub(super) struct Scenes(Mutex<HashMap<u64, Arc<Scene>>>);

/// So many are kept; then it begins anew.
const MOST: usize = 1024;

/// One person or pipeline, from one address, at one target or at the bastion itself.
pub(super) struct Scene {
    of: Of,
    pub(super) principal: EntityUid,
    groups: Vec<EntityUid>,
    pub(super) resource: EntityUid,
    environment: Vec<EntityUid>,
    pub(super) entities: Entities,
    pub(super) source: ast::Value,
}

/// Everything that a scene is made of. Of the groups, only those that a rule can name: some people are in thousands.
struct Of {
    issuer: IssuerName,
    subject: String,
    kind: Kind,
    claims: BTreeMap<String, String>,
    groups: Vec<String>,
    amr: Vec<String>,
    target: Option<(TargetName, BTreeMap<String, String>)>,
    source: IpAddr,
}

impl Of {
    fn new(policy: &Policy, request: &Request<'_>) -> Self {
        let identity = request.identity;
        Self {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            kind: identity.kind,
            claims: identity.claims.clone(),
            groups: policy.known_groups(identity).map(str::to_owned).collect(),
            amr: request.sign_in.amr.clone(),
            target: request.target.map(|(target, _)| (target.name.clone(), target.labels.clone())),
            source: request.source,
        }
    }

    fn is(&self, policy: &Policy, request: &Request<'_>) -> bool {
        let identity = request.identity;
        let target = request.target.map(|(target, _)| (&target.name, &target.labels));
        self.subject == identity.subject
            && self.issuer == identity.issuer
            && self.kind == identity.kind
            && self.claims == identity.claims
            && self.groups.iter().map(String::as_str).eq(policy.known_groups(identity))
            && self.amr == request.sign_in.amr
            && self.target.as_ref().map(|(name, labels)| (name, labels)) == target
            && self.source == request.source
    }
}

impl Scenes {
    /// The scene of a request. One that is kept serves only a request that is equal in all that it was made of.
    pub(super) fn of(&self, policy: &Policy, request: &Request<'_>) -> Result<Arc<Scene>, Unfit> {
        if request.action == Asked::Approve {
            return Ok(Arc::new(Scene::new(policy, request)?));
        }
        let mut hash = DefaultHasher::new();
        (&request.identity.subject, request.source).hash(&mut hash);
        request.target.map(|(target, _)| target.name.as_str()).hash(&mut hash);
        let key = hash.finish();
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(scene) = kept.filter(|scene| scene.of.is(policy, request)) {
            return Ok(scene);
        }
        let scene = Arc::new(Scene::new(policy, request)?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, scene.clone());
        Ok(scene)
    }
}

impl fmt::Debug for Scenes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scenes")
    }
}

impl Scene {
    fn new(policy: &Policy, request: &Request<'_>) -> Result<Self, Unfit> {
        let words = &policy.words;
        let identity = request.identity;
        let issuer = words.entity(&words.issuer, identity.issuer.as_str());
        let groups: Vec<EntityUid> =
            policy.known_groups(identity).map(|group| words.entity(&words.group, group)).collect();
        let environment = request.target.and_then(|(target, _)| target.environment());
        let environment: Vec<EntityUid> = environment.map(|env| words.entity(&words.env, env)).into_iter().collect();
        let (principal, person) = policy.principal(identity, &issuer, &groups, request)?;
        let named = [("name".to_owned(), text(identity.issuer.as_str()))];
        let mut entities = vec![person, entity(issuer, named, [], [])?];
        let resource = match request.target {
            Some((target, _)) => {
                let resource = words.entity(&words.target, target.name.as_str());
                let attributes = [("name".to_owned(), text(target.name.as_str()))];
                entities.push(entity(resource.clone(), attributes, environment.clone(), tags(&target.labels))?);
                resource
            }
            None => words.bastion.clone(),
        };
        if request.action == Asked::Approve {
            let owner = request.owner.ok_or("a vote needs to know whose request it is for")?;
            let requester = words.entity(&words.user, owner.as_str());
            if requester != principal {
                // Only its id is compared: what else it has is nobody's business here, but the schema wants it.
                entities.push(policy.stranger(&requester, identity)?);
            }
        }
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let source = schema::value(Value::new_ip(request.source.to_canonical().to_string()))?;
        Ok(Self { of: Of::new(policy, request), principal, groups, resource, environment, entities, source })
    }

    /// What decides which rules speak.
    pub(super) fn place<'a>(&'a self, action: &'a EntityUid) -> Place<'a> {
        Place {
            principal: &self.principal,
            groups: &self.groups,
            action,
            resource: &self.resource,
            environment: &self.environment,
        }
    }
}

/// What a rule calls a claim of a pipeline, whether every pipeline has it (if need be as the empty
/// text), and the names that issuers give it.
const PIPELINE: &[(&str, bool, &[&str])] = &[
    ("repository_id", true, &["repository_id", "project_id"]),
    ("ref", true, &["ref", "build_branch"]),
    ("event", true, &["event", "event_name", "pipeline_source"]),
    ("environment", false, &["environment"]),
    ("workflow_ref", false, &["job_workflow_ref", "workflow_ref"]),
    ("actor_id", false, &["actor_id", "user_id"]),
];

impl Policy {
    /// Groups of this identity that a rule can name at all.
    pub(super) fn known_groups<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a str> {
        identity.groups.iter().map(|group| group.as_str()).filter(|group| self.groups.contains(*group))
    }

    fn principal(
        &self,
        identity: &Identity,
        issuer: &EntityUid,
        groups: &[EntityUid],
        request: &Request<'_>,
    ) -> Result<(EntityUid, Entity), Unfit> {
        let words = &self.words;
        let mut attributes = vec![
            ("issuer".to_owned(), Value::new_entity_uid(issuer.clone())),
            ("subject".to_owned(), text(&identity.subject)),
        ];
        let kind = match identity.kind {
            Kind::Person => {
                attributes.extend(identity.claims.get("email").map(|email| ("email".to_owned(), text(email))));
                let amr = request.sign_in.amr.iter().map(|method| text(method));
                attributes.push(("amr".to_owned(), Value::new_set(amr)));
                &words.user
            }
            Kind::Pipeline => {
                for (attribute, required, claims) in PIPELINE {
                    let value = claims.iter().find_map(|claim| identity.claims.get(*claim));
                    let value = value.map(String::as_str).or(required.then_some(""));
                    attributes.extend(value.map(|value| ((*attribute).to_owned(), text(value))));
                }
                &words.pipeline
            }
        };
        let uid = words.entity(kind, identity.principal().as_str());
        Ok((uid.clone(), entity(uid, attributes, groups.iter().cloned(), tags(&identity.claims))?))
    }

    fn stranger(&self, uid: &EntityUid, asker: &Identity) -> Result<Entity, Unfit> {
        let issuer = self.words.entity(&self.words.issuer, asker.issuer.as_str());
        let attributes = [
            ("issuer".to_owned(), Value::new_entity_uid(issuer)),
            ("subject".to_owned(), text("")),
            ("amr".to_owned(), Value::new_set([])),
        ];
        entity(uid.clone(), attributes, [], [])
    }
}

fn entity(
    uid: EntityUid,
    attributes: impl IntoIterator<Item = (String, Value)>,
    parents: impl IntoIterator<Item = EntityUid>,
    tags: impl IntoIterator<Item = (String, Value)>,
) -> Result<Entity, Unfit> {
    let parents: HashSet<EntityUid> = parents.into_iter().collect();
    Entity::new_with_tags(uid, attributes, parents, tags).map_err(|error| error.to_string())
}

fn tags(map: &BTreeMap<String, String>) -> impl Iterator<Item = (String, Value)> + '_ {
    map.iter().map(|(name, value)| (name.clone(), text(value)))
}

pub(super) fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}
