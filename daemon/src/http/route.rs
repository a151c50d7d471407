//! One thing that can be request over HTTP: how it is found, what is told of it, and who answers it.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;

use http::{HeaderMap, Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use schemas::{ErrorBody, Identity, Role};
use serde::Serialize;

use super::access::TokenAccess;
use super::body::Body;
use super::parameter::{DescribedParameter, ParameterPlace, RouteParameters, SHOP, SentParameters};
use super::{RouteContext, status};
use crate::http::edge::Peer;

/// A schema, in the words of a document that is being made.
pub(super) type SchemaMaker = fn(&mut SchemaGenerator) -> Schema;
/// An answer under way.
pub(super) type PendingAnswer = Pin<Box<dyn Future<Output = warp::reply::Response> + Send>>;

/// A path and method, who may call, what may be sent there, and who answers.
pub(super) struct ApiRoute {
    pub(super) method: RouteMethod,
    /// `{…}` stands for one segment.
    pub(super) path: &'static str,
    /// The name for generated clients (`operationId`).
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) endpoint: RouteEndpoint,
    /// The schema of the body, and an example that is taken.
    pub(super) body: Option<(SchemaMaker, &'static str)>,
    pub(super) answers: &'static [(StatusCode, AnswerContent)],
    /// Refusals beyond those that follow from the rest.
    pub(super) refusals: &'static [StatusCode],
}

/// Who may call, and the handler that answers: together, because each access has handlers of a type of its own. So a
/// handler that needs to know who calls cannot stand behind a route that lets anybody in, nor can a route be described
/// without a handler.
pub(super) enum RouteEndpoint {
    /// Anybody may call. The handler is told nothing of the caller.
    Open(fn(RouteContext, OpenRequest) -> PendingAnswer),
    /// Anybody may call; who passes this access is told more.
    Recognizing {
        access: TokenAccess,
        handler: fn(RouteContext, Option<Identity>) -> PendingAnswer,
    },
    /// Whoever signed the body with the shop's secret. Only the whole body tells, so the handler verifies it.
    Signed {
        parameters: &'static [&'static dyn DescribedParameter],
        handler: fn(RouteContext, SignedRequest) -> PendingAnswer,
    },
    /// Whoever shows what the handler judges: a password, a link, a cookie.
    SigningIn(fn(RouteContext, SignInRequest) -> PendingAnswer),
    /// Whoever passes this access, and nobody else.
    Authorized {
        access: TokenAccess,
        parameters: &'static [&'static dyn DescribedParameter],
        handler: fn(RouteContext, Identity, ApiRequest) -> PendingAnswer,
    },
}

/// The methods that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteMethod {
    Delete,
    Get,
    Patch,
    Post,
}

impl RouteMethod {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
        }
    }
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

    /// What may be said by name.
    pub(super) fn parameters(&self) -> &'static [&'static dyn DescribedParameter] {
        match self.endpoint {
            RouteEndpoint::Open(_)
            | RouteEndpoint::Recognizing { .. }
            | RouteEndpoint::SigningIn(_) => &[],
            RouteEndpoint::Signed { parameters, .. }
            | RouteEndpoint::Authorized { parameters, .. } => parameters,
        }
    }

    /// Every status of an answer that refuses.
    pub(super) fn refusals(&self) -> BTreeSet<StatusCode> {
        let mut refusals = BTreeSet::from([StatusCode::REQUEST_TIMEOUT]);
        refusals.extend(self.refusals);
        if let RouteEndpoint::Authorized { access, .. } = &self.endpoint {
            refusals.extend([StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE]);
            refusals
                .extend((access.roles.len() < Role::ALL.len()).then_some(StatusCode::FORBIDDEN));
        }
        if self
            .parameters()
            .iter()
            .any(|parameter| parameter.name() == SHOP.name)
        {
            refusals.insert(StatusCode::NOT_FOUND);
        }
        if self.body.is_some() {
            refusals.extend([StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE]);
        }
        refusals.extend(self.is_strict().then_some(StatusCode::BAD_REQUEST));
        refusals
    }

    /// Whether it is our own, and refuses parameters that are not described.
    fn is_strict(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }

    /// Lets the handler answer, if the caller may call.
    pub(super) async fn dispatch(
        &'static self,
        context: RouteContext,
        request: ApiRequest,
    ) -> warp::reply::Response {
        match &self.endpoint {
            RouteEndpoint::Open(handler) => {
                let headers = request.headers;
                handler(context, OpenRequest { headers }).await
            }
            RouteEndpoint::Recognizing { access, handler } => {
                let known = request.admit(access, &context).ok();
                handler(context, known).await
            }
            RouteEndpoint::Signed { handler, .. } => {
                let ApiRequest { headers, body, .. } = request;
                handler(context, SignedRequest { headers, body }).await
            }
            RouteEndpoint::SigningIn(handler) => {
                let ApiRequest {
                    headers,
                    peer,
                    body,
                    ..
                } = request;
                let request = SignInRequest {
                    headers,
                    peer,
                    body,
                };
                handler(context, request).await
            }
            RouteEndpoint::Authorized {
                access, handler, ..
            } => {
                let admitted = request.admit(access, &context);
                match admitted {
                    Ok(identity) => handler(context, identity, request).await,
                    Err(problem) => super::error(status(problem.code), &problem),
                }
            }
        }
    }
}

/// A request that found its route.
pub(super) struct ApiRequest {
    pub(super) route: &'static ApiRoute,
    /// What stands for `{…}` in the path.
    pub(super) path_part: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) body: Body,
}

impl ApiRequest {
    fn admit(&self, access: &TokenAccess, context: &RouteContext) -> Result<Identity, ErrorBody> {
        access.admit(context, &self.headers, self.peer, &self.path_part)
    }
}

/// A request to an open route: nobody knows from whom.
pub(super) struct OpenRequest {
    pub(super) headers: HeaderMap,
}

/// A request whose body is signed, or is said to be.
pub(super) struct SignedRequest {
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// A request of somebody who wants to be known, or known no longer.
pub(super) struct SignInRequest {
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) body: Body,
}

/// A request whose caller may make it, with its parameters read.
pub(super) struct RouteCall<P> {
    pub(super) identity: Identity,
    pub(super) parameters: P,
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) body: Body,
}

impl<P: RouteParameters> RouteCall<P> {
    /// Reads the parameters.
    pub(super) fn read(
        context: &RouteContext,
        identity: Identity,
        request: ApiRequest,
    ) -> Result<Self, ErrorBody> {
        let sent = SentParameters {
            identity: &identity,
            shops: &context.shops.domains(),
            query: request.route.query(&request.query)?,
            path_part: &request.path_part,
            headers: &request.headers,
        };
        let parameters = P::read(&sent)?;
        Ok(Self {
            identity,
            parameters,
            headers: request.headers,
            peer: request.peer,
            body: request.body,
        })
    }
}

impl ApiRoute {
    /// What the query says by name. Of our own routes each name must be one that is described, and come once; at routes
    /// of documents that others wrote, unknown ones are passed over, as they are there.
    fn query(&self, text: &str) -> Result<HashMap<String, String>, ErrorBody> {
        let mut query = HashMap::new();
        let known = || {
            let parameters = self.parameters().iter();
            parameters
                .filter(|parameter| parameter.place() == ParameterPlace::Query)
                .map(|parameter| parameter.name())
        };
        let strict = self.is_strict();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
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
