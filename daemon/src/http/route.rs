//! One thing that can be request over HTTP: how it is found, what is told of it, and who answers it.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;

use http::{HeaderMap, Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use schemas::{ErrorBody, Role};
use serde::Serialize;

use super::body::Body;
use super::{RouteContext, status};
use crate::http::edge::Peer;

/// What a request asks for by name.
pub(super) type Query = HashMap<String, String>;
/// A schema, in the words of a document that is being made.
pub(super) type SchemaMaker = fn(&mut SchemaGenerator) -> Schema;
/// An answer under way.
pub(super) type PendingAnswer = Pin<Box<dyn Future<Output = warp::reply::Response> + Send>>;

/// A path and method, what may be sent there, and who answers.
pub(super) struct ApiRoute {
    pub(super) method: RouteMethod,
    /// `{…}` stands for one segment.
    pub(super) path: &'static str,
    /// For programs that are generated.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) guard: RouteAccess,
    pub(super) parameters: &'static [RouteParameter],
    /// What is sent, and one that is taken.
    pub(super) body: Option<(SchemaMaker, &'static str)>,
    pub(super) answers: &'static [(StatusCode, AnswerContent)],
    /// Refusals beyond those that follow from the rest.
    pub(super) refusals: &'static [StatusCode],
    pub(super) serve: fn(RouteContext, ApiRequest) -> PendingAnswer,
}

/// The methods that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteMethod {
    Get,
    Post,
}

impl RouteMethod {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Copy)]
pub(super) enum RouteAccess {
    Nobody,
    /// Who signed the body with the shop's secret.
    Signature,
    /// Whose token is of such a role; and, of some, without a token from a network that is trusted.
    Token {
        roles: &'static [Role],
        or_trusted: bool,
    },
}

/// What stands in an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnswerContent {
    Nothing,
    Json(SchemaMaker),
    /// As JSON to who asks for that.
    Figures(&'static str, SchemaMaker),
    Text(&'static str),
}

/// Something that stands in the path, in the query or in a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct RouteParameter {
    pub(super) name: &'static str,
    pub(super) within: ParameterPlace,
    pub(super) about: &'static str,
    pub(super) shape: SchemaMaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterPlace {
    Header,
    Path,
    Query,
}

/// The schema of a type.
pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Who writes the schemas of a document: of answers, which say what is always there and are named, and of what is
/// sent, which say what is needed.
pub(super) fn generators() -> (SchemaGenerator, SchemaGenerator) {
    let answers = SchemaSettings::draft2020_12().for_serialize();
    let answers = answers.with(|settings| settings.definitions_path = "/components/schemas".into());
    let requests = SchemaSettings::draft2020_12().for_deserialize();
    let requests = requests.with(|settings| settings.inline_subschemas = true);
    (answers.into_generator(), requests.into_generator())
}

impl ApiRoute {
    /// What stands for `{…}`, if that path is this route's.
    pub(super) fn matches(&self, path: &str) -> Option<String> {
        let (mut ours, mut theirs) = (self.path.split('/'), path.split('/'));
        let mut part = String::new();
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return Some(part),
                (Some(name), Some(said)) if name.starts_with('{') && !said.is_empty() => {
                    part = percent_encoding::percent_decode_str(said)
                        .decode_utf8_lossy()
                        .into_owned();
                }
                (Some(name), Some(said)) if name == said => {}
                _ => return None,
            }
        }
    }

    /// Every status it can answer with when it is not done.
    pub(super) fn refusals(&self) -> BTreeSet<StatusCode> {
        let mut refusals = BTreeSet::from([StatusCode::REQUEST_TIMEOUT]);
        refusals.extend(self.refusals);
        if let RouteAccess::Token { roles, .. } = self.guard {
            refusals.extend([StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE]);
            refusals.extend((roles.len() < Role::ALL.len()).then_some(StatusCode::FORBIDDEN));
        }
        if self
            .parameters
            .iter()
            .any(|parameter| parameter.name == "shop")
        {
            refusals.insert(StatusCode::NOT_FOUND);
        }
        if self.body.is_some() {
            refusals.extend([StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE]);
        }
        refusals.extend(self.is_strict().then_some(StatusCode::BAD_REQUEST));
        refusals
    }

    /// Whether it is our own, and takes no parameter that it does not know.
    fn is_strict(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }
}

/// A request that an route is to answer.
pub(super) struct ApiRequest {
    pub(super) route: &'static ApiRoute,
    /// What stands for `{…}` in the path.
    pub(super) part: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) body: Body,
}

impl ApiRequest {
    /// What is request for by name. Of our own paths each name must be one that is described, and come once; of the
    /// documents' others are passed over, as they are there.
    pub(super) fn query(&self) -> Result<Query, ErrorBody> {
        let mut query = Query::new();
        let known = || {
            let parameters = self.route.parameters.iter();
            parameters
                .filter(|parameter| parameter.within == ParameterPlace::Query)
                .map(|parameter| parameter.name)
        };
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            let strict = self.route.is_strict();
            if strict && !known().any(|known| known == name) {
                let name: String = name.chars().take(40).collect();
                let names: Vec<_> = known().collect();
                let message = match &names[..] {
                    [] => format!("there is no parameter {name:?} here, nor any other"),
                    names => format!("there is no parameter {name:?} here: {}", names.join(", ")),
                };
                return Err(ErrorBody::field(name, message));
            }
            if query
                .insert(name.clone().into_owned(), value.into_owned())
                .is_some()
                && strict
            {
                return Err(ErrorBody::field(name, "say it once"));
            }
        }
        Ok(query)
    }
}

/// What is answered when it is not done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ErrorAnswer<'e> {
    /// Why, and what to do.
    pub(super) error: &'e ErrorBody,
}

/// An answer over HTTP, with that status when it is done.
pub(super) fn answer<A: Serialize>(
    done: StatusCode,
    answer: Result<A, ErrorBody>,
) -> warp::reply::Response {
    use warp::Reply as _;
    match answer {
        Ok(body) => warp::reply::with_status(warp::reply::json(&body), done).into_response(),
        Err(problem) => super::error(status(problem.code), &problem),
    }
}

impl PartialEq<Method> for RouteMethod {
    fn eq(&self, method: &Method) -> bool {
        // Hyper leaves the body of an answer to HEAD out.
        *method == self.as_str() || (*self == Self::Get && *method == Method::HEAD)
    }
}
