//! The Admin GraphQL API: a request in, an answer in Shopify's shape out.
//!
//! Documents are validated against a pruned copy of Shopify's own schema, so that the pretend shop cannot answer
//! what the real one would refuse.

mod access;
mod activation;
mod adjustment;
mod bulk;
mod connection;
mod cost;
mod execute;
mod idempotency;
mod mutation;
mod object;
mod order;
mod plan;
mod problem;
mod product;
mod root;
mod search;
mod stock;
mod subscription;

use apollo_compiler::collections::HashMap;
use apollo_compiler::executable::{Field, Operation, OperationType};
use apollo_compiler::parser::Parser;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema, introspection};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use self::bulk::{Inner, SlicePosition};
use self::execute::Execution;
pub(crate) use self::idempotency::IdempotencyKeys;
use self::mutation::Turn;
use self::plan::{Planner, Selection};
pub(crate) use self::problem::QueryProblem;
pub(crate) use self::search::{number, terms};
use crate::bucket::MAX_QUERY_COST;
use crate::bulk::{BulkStatus, end_canceled};
use crate::call::{Mutation, RecordedCall};
use crate::fault::InjectedFault;
use crate::shop::{SimShop, lock};

/// How deep a document may nest; everything that walks one does so by recursion.
const MAX_DEPTH: usize = 64;

const SCHEMA: &str = include_str!("../../graphql/admin-2026-10.graphql");

/// The schema, ready for use.
pub(crate) struct Api {
    schema: Valid<Schema>,
    implementers: HashMap<Name, Implementers>,
}

/// The body of a request.
#[derive(Deserialize)]
pub(crate) struct GraphqlRequest {
    query: String,
    #[serde(default)]
    variables: Option<JsonMap>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
}

/// The body of an answer or what the call gets instead, and what to remember of it.
pub(crate) struct QueryAnswer {
    pub(crate) body: Result<String, InjectedFault>,
    pub(crate) call: RecordedCall,
    pub(crate) mutations: Vec<Mutation>,
}

/// A request that is valid and paid for: what is left is to carry it out.
pub(crate) struct Admitted {
    selection: Selection,
    /// Of a mutation, how each of its fields begins.
    turns: Option<Vec<Turn>>,
    requested: u32,
    call: RecordedCall,
}

impl Api {
    /// Reads the schema that is built in; an error is a broken build.
    pub(crate) fn new() -> Result<Self, String> {
        let schema = Schema::parse_and_validate(SCHEMA, "admin-2026-10.graphql")
            .map_err(|e| e.to_string())?;
        let implementers = schema.implementers_map();
        Ok(Self {
            schema,
            implementers,
        })
    }
}

/// Lets a request in by the rules of the bucket and of idempotency, or answers it at once.
pub(crate) fn admit(
    shop: &SimShop,
    request: &GraphqlRequest,
) -> Result<Admitted, Box<QueryAnswer>> {
    let now = shop.clock.now();
    let mut call = RecordedCall {
        at: now,
        operation: request.operation_name.clone(),
        status: 200,
        requested_cost: None,
        actual_cost: None,
        throttled: false,
        errors: Vec::new(),
    };
    let (selection, mutation) = match prepare(&shop.api, request, &mut call) {
        Ok(prepared) => prepared,
        Err(problems) => return Err(refuse(&problems, None, call)),
    };
    let requested = cost::requested(&selection);
    call.requested_cost = Some(requested);
    if requested > MAX_QUERY_COST {
        return Err(refuse(
            &[QueryProblem::too_expensive(requested)],
            None,
            call,
        ));
    }
    let throttles = mutation && lock(&shop.api_faults).throttles();
    let fault = if mutation && !throttles {
        lock(&shop.api_faults).before()
    } else {
        None
    };
    if let Some(fault) = fault {
        call.status = fault.status();
        let mutations = mutation::kept_out(&selection, &call, "FAULT", false);
        return Err(Box::new(QueryAnswer {
            body: Err(fault),
            call,
            mutations,
        }));
    }
    {
        let mut bucket = lock(&shop.bucket);
        if throttles || !bucket.reserve(requested, now) {
            let cost = cost(requested, None, &bucket.status());
            call.throttled = true;
            call.status = shop.throttled_status;
            let kept_out =
                mutation.then(|| mutation::kept_out(&selection, &call, "THROTTLED", true));
            let refused = refuse(
                &[QueryProblem::throttled()],
                Some(json!({ "cost": cost })),
                call,
            );
            return Err(Box::new(QueryAnswer {
                mutations: kept_out.unwrap_or_default(),
                ..*refused
            }));
        }
    }
    let turns = mutation.then(|| mutation::begin(&mut lock(&shop.keys), &selection, now));
    Ok(Admitted {
        selection,
        turns,
        requested,
        call,
    })
}

/// Carries out what was let in.
pub(crate) fn carry_out(shop: &SimShop, admitted: Admitted) -> QueryAnswer {
    let Admitted {
        selection,
        turns,
        requested,
        mut call,
    } = admitted;
    let (mut mutations, mut fault) = (Vec::new(), None);
    let execution = if let Some(turns) = turns {
        fault = lock(&shop.api_faults).after();
        shop.act(|store, now| {
            let payloads = mutation::run(
                &shop.api,
                store,
                &mut lock(&shop.keys),
                &selection,
                turns,
                now,
            );
            mutations = mutation::told(&selection, &payloads, &call, fault.is_none());
            Execution::run(store, &selection, payloads, now)
        })
    } else {
        let execution = Execution::run(&shop.store(), &selection, Vec::new(), shop.clock.now());
        if shop
            .store()
            .operations
            .iter()
            .any(|row| row.status == BulkStatus::Canceling)
        {
            shop.act(end_canceled);
        }
        execution
    };
    shop.bulk.wake();
    let actual = execution.cost.min(requested);
    call.actual_cost = Some(actual);
    let status = {
        let mut bucket = lock(&shop.bucket);
        bucket.refund(requested - actual, shop.clock.now());
        bucket.status()
    };
    if let Some(fault) = fault {
        call.status = fault.status();
        return QueryAnswer {
            body: Err(fault),
            call,
            mutations,
        };
    }
    let mut extensions = json!({ "cost": cost(requested, Some(actual), &status) });
    if !execution.searches.is_empty() {
        extensions["search"] = Value::Array(execution.searches);
    }
    let mut errors = String::new();
    if !execution.problems.is_empty() {
        call.errors = execution
            .problems
            .iter()
            .map(|problem| problem.code.clone())
            .collect();
        let problems: Vec<Value> = execution
            .problems
            .iter()
            .map(QueryProblem::to_json)
            .collect();
        errors = format!(",\"errors\":{}", Value::Array(problems));
    }
    let body = format!(
        "{{\"data\":{}{errors},\"extensions\":{extensions}}}",
        execution.data
    );
    QueryAnswer {
        body: Ok(body),
        call,
        mutations,
    }
}

/// Validates and plans; says too whether it is a mutation.
fn prepare(
    api: &Api,
    request: &GraphqlRequest,
    call: &mut RecordedCall,
) -> Result<(Selection, bool), Vec<QueryProblem>> {
    let document = Parser::new()
        .recursion_limit(MAX_DEPTH)
        .parse_ast(&*request.query, "query");
    let document = document.map_err(|broken| problem::of_syntax(&broken.errors))?;
    let document = document
        .to_executable_validate(&api.schema)
        .map_err(|e| problem::of_validation(&e.errors))?;
    let wrong = |error: apollo_compiler::request::RequestError| {
        let error = error.to_graphql_error(&document.sources);
        vec![QueryProblem::new("INVALID_VARIABLE", error.message).at(error.locations)]
    };
    let operation = document
        .operations
        .get(request.operation_name.as_deref())
        .map_err(wrong)?;
    call.operation = operation.name.as_ref().map(ToString::to_string);
    let sent = request.variables.clone().unwrap_or_default();
    let coerced = coerce_variable_values(&api.schema, operation, &sent).map_err(wrong)?;
    let variables = serde_json::to_value(&*coerced).unwrap_or_default();
    let introspected = introspected(api, &document, operation, &coerced)?;
    let planner = Planner::new(api, &document, &sent, &variables, introspected);
    let selection = planner.plan(operation).map_err(|problem| vec![problem])?;
    Ok((
        selection,
        operation.operation_type == OperationType::Mutation,
    ))
}

/// What the schema says about itself, where that is asked: `__schema` and `__type`. It is that of the pretend store, so
/// tools offer what there is.
fn introspected(
    api: &Api,
    document: &Valid<ExecutableDocument>,
    operation: &Operation,
    variables: &Valid<JsonMap>,
) -> Result<JsonMap, Vec<QueryProblem>> {
    let wrong = |error: apollo_compiler::request::RequestError| {
        let error = error.to_graphql_error(&document.sources);
        vec![QueryProblem::new("MAX_COMPLEXITY_EXCEEDED", error.message).at(error.locations)]
    };
    let asks = |field: &&Node<Field>| ["__schema", "__type"].contains(&field.name.as_str());
    if operation.operation_type != OperationType::Query
        || operation.root_fields(document).find(asks).is_none()
    {
        return Ok(JsonMap::new());
    }
    // Types lead to fields and fields to types: nested lists of them grow beyond any bound.
    introspection::check_max_depth(document, operation).map_err(wrong)?;
    let found = introspection::partial_execute(
        &api.schema,
        &api.implementers,
        document,
        operation,
        variables,
    );
    Ok(found.map_err(wrong)?.data.unwrap_or_default())
}

fn refuse(
    problems: &[QueryProblem],
    extensions: Option<Value>,
    mut call: RecordedCall,
) -> Box<QueryAnswer> {
    call.errors = problems
        .iter()
        .map(|problem| problem.code.clone())
        .collect();
    let mut body =
        json!({ "errors": problems.iter().map(QueryProblem::to_json).collect::<Vec<_>>() });
    if let Some(extensions) = extensions {
        body["extensions"] = extensions;
    }
    Box::new(QueryAnswer {
        body: Ok(body.to_string()),
        call,
        mutations: Vec::new(),
    })
}

fn cost(requested: u32, actual: Option<u32>, status: &Value) -> Value {
    json!({ "requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status })
}
