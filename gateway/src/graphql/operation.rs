//! Execute one operation.

use super::answer::{coded, request_error};
use super::resolver::Asking;
use async_graphql::dynamic::Schema;
use async_graphql::{Request, Response};
use futures::{Stream, StreamExt};
use std::sync::Arc;

/// An operation that has passed the gate.
pub(super) struct Operation {
    pub(super) schema: Schema,
    pub(super) request: Request,
    pub(super) asking: Arc<Asking>,
    pub(super) subscribes: bool,
}

impl Operation {
    /// The answer of a query or a mutation.
    pub(super) async fn answer(self) -> Response {
        bounded(self.schema.execute(self.request).await, &self.asking)
    }

    /// The answers of a subscription, each with the cursor that resumes after it. An answer with errors is the last.
    pub(super) fn answers(self) -> impl Stream<Item = (Response, Option<String>)> + Send {
        let Operation { schema, request, asking, .. } = self;
        schema.execute_stream(request).map(move |response| {
            let response = bounded(response, &asking);
            asking.refill();
            (response, asking.cursor())
        })
    }
}

fn bounded(response: Response, asking: &Asking) -> Response {
    match asking.spent() {
        Some(problem) => Response::from_errors(vec![request_error(&problem)]),
        None => coded(response),
    }
}
