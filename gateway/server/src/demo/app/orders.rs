//! Orders, in memory, as they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{echo, not_found};

/// The oldest order makes room for one more.
const MOST: usize = 1000;

#[derive(Clone, Default)]
struct Orders(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    rows: BTreeMap<u64, Value>,
}

impl Orders {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn routes() -> Router {
    Router::new()
        .route("/api/orders", get(list).post(create))
        .route("/api/orders/{id}", get(show).delete(remove))
        .with_state(Orders::default())
}

async fn list(State(orders): State<Orders>) -> Json<Value> {
    let rows: Vec<Value> = orders.table().rows.values().cloned().collect();
    Json(json!({ "orders": rows }))
}

/// Keeps every member it is sent, as prototypes do, under the two it sets itself.
async fn create(State(orders): State<Orders>, headers: HeaderMap, Json(sent): Json<Map<String, Value>>) -> Response {
    let owner = headers.get("x-portcullis-user").map(echo::text);
    let mut table = orders.table();
    table.last = table.last.saturating_add(1);
    let id = table.last;
    let mut order = Map::from_iter([("id".to_owned(), json!(id.to_string())), ("owner".to_owned(), json!(owner))]);
    order.extend(sent.into_iter().filter(|(name, _)| name != "id" && name != "owner"));
    let order = Value::Object(order);
    table.rows.insert(id, order.clone());
    if table.rows.len() > MOST {
        table.rows.pop_first();
    }
    (StatusCode::CREATED, [(LOCATION, format!("/api/orders/{id}"))], Json(order)).into_response()
}

async fn show(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    let found = id.parse().ok().and_then(|id: u64| orders.table().rows.get(&id).cloned());
    found.map_or_else(not_found, |order| Json(order).into_response())
}

async fn remove(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    let removed = id.parse().ok().and_then(|id: u64| orders.table().rows.remove(&id));
    removed.map_or_else(not_found, |_| StatusCode::NO_CONTENT.into_response())
}
