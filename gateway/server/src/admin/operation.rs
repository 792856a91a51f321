//! What can be asked of the admin API? One value for each operation: its route, its words and its rights are one thing,
//! so that none of them can be forgotten.
//!
//! To add a resource: write its handlers in a module of its own beside this one, and beside them
//! `pub(super) fn operations() -> Vec<Operation>`; name it in [`super::table`]; name each operation's id as an action in
//! `policies/admin.cedarschema`, in the group that says who may (`read`, `operate`, `manage-keys`, `administer`). The
//! `OpenAPI` document, the rights, the bounds on bodies and queries, `dry_run`, `Idempotency-Key` and the tests of every
//! role come with it. A handler takes a [`super::Call`] where it must know who asks and whether to write.

use std::convert::Infallible;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Admin;

/// The largest request body, in bytes, of an operation that does not say otherwise.
const LARGEST_BODY: usize = 256 * 1024;

/// A type's schema, for the document.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One operation, and the handler behind it.
pub(super) struct Operation {
    pub(super) facts: Facts,
    pub(super) handler: MethodRouter<Admin, Infallible>,
}

/// What is known of an operation without doing it.
pub(super) struct Facts {
    /// `operationId`, and the Cedar action.
    pub(super) id: &'static str,
    pub(super) method: Method,
    /// Below the listener's root, with `{names}`.
    pub(super) path: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    pub(super) about: About,
    pub(super) rehearsal: Rehearsal,
    /// An object whose members are the query's parameters.
    pub(super) query: Option<Schema>,
    pub(super) body: Option<Shape>,
    /// In bytes.
    pub(super) largest_body: usize,
    pub(super) answers: Vec<(u16, Content)>,
    /// Codes beyond those that any operation may answer with, with their status.
    pub(super) refusals: Vec<(u16, &'static str)>,
}

/// Where the version must be named and is not.
pub(super) const PRECONDITION_REQUIRED: (u16, &str) = (428, "precondition_required");

impl Facts {
    /// Whether it changes one thing that has an `ETag`.
    pub(super) fn is_versioned(&self) -> bool {
        self.refusals.contains(&PRECONDITION_REQUIRED)
    }
}

/// What the policies are asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum About {
    Gateway,
    /// The API key that the path names by `{id}`.
    Key,
    /// The API key that the body describes.
    NewKey,
}

/// Whether `dry_run=true` is understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rehearsal {
    /// It changes nothing anyway.
    NoNeed,
    Possible,
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Json(Shape),
    /// As many as there are, each a line.
    Lines(Shape),
    Nothing,
}

impl Operation {
    pub(super) fn get<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Admin>,
        T: 'static,
    {
        Self::new((Method::GET, MethodFilter::GET), path, id, summary, handler)
    }

    pub(super) fn post<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Admin>,
        T: 'static,
    {
        Self::new((Method::POST, MethodFilter::POST), path, id, summary, handler)
    }

    pub(super) fn patch<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Admin>,
        T: 'static,
    {
        Self::new((Method::PATCH, MethodFilter::PATCH), path, id, summary, handler)
    }

    pub(super) fn delete<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Admin>,
        T: 'static,
    {
        Self::new((Method::DELETE, MethodFilter::DELETE), path, id, summary, handler)
    }

    fn new<H, T>(
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Admin>,
        T: 'static,
    {
        let rehearsal = if method == Method::GET { Rehearsal::NoNeed } else { Rehearsal::Possible };
        let facts = Facts {
            id,
            method,
            path,
            summary,
            about: About::Gateway,
            rehearsal,
            query: None,
            body: None,
            largest_body: LARGEST_BODY,
            answers: Vec::new(),
            refusals: Vec::new(),
        };
        Self { facts, handler: on(filter, handler) }
    }

    /// Though it is no GET: so there is nothing to rehearse, and nothing to be done once.
    pub(super) fn changes_nothing(mut self) -> Self {
        self.facts.rehearsal = Rehearsal::NoNeed;
        self
    }

    /// What the policies are asked about, where it is not the gateway as a whole.
    pub(super) fn about(mut self, about: About) -> Self {
        self.facts.about = about;
        self
    }

    /// The query's parameters: the members of `Q`.
    pub(super) fn query<Q: JsonSchema>(mut self) -> Self {
        self.facts.query = Some(SchemaGenerator::default().into_root_schema_for::<Q>());
        self
    }

    pub(super) fn body<B: JsonSchema>(mut self) -> Self {
        self.facts.body = Some(SchemaGenerator::subschema_for::<B>);
        self
    }

    /// Its body may be larger than others.
    pub(super) fn body_up_to(mut self, bytes: usize) -> Self {
        self.facts.largest_body = bytes;
        self
    }

    /// It may answer with this status and a JSON value of the form `A`.
    pub(super) fn answers<A: JsonSchema>(mut self, status: u16) -> Self {
        self.facts.answers.push((status, Content::Json(SchemaGenerator::subschema_for::<A>)));
        self
    }

    /// It may answer with this status and JSON lines of the form `A`.
    pub(super) fn answers_lines<A: JsonSchema>(mut self, status: u16) -> Self {
        self.facts.answers.push((status, Content::Lines(SchemaGenerator::subschema_for::<A>)));
        self
    }

    pub(super) fn answers_nothing(mut self, status: u16) -> Self {
        self.facts.answers.push((status, Content::Nothing));
        self
    }

    /// It changes one thing that has an `ETag`; a change says by `If-Match` which version it is meant for, where it must.
    pub(super) fn versioned(self) -> Self {
        self.refuses(412, "precondition_failed").refuses(PRECONDITION_REQUIRED.0, PRECONDITION_REQUIRED.1)
    }

    /// It may refuse with this code, besides those of [`super::openapi::USUAL`].
    pub(super) fn refuses(mut self, status: u16, code: &'static str) -> Self {
        self.facts.refusals.push((status, code));
        self
    }
}
