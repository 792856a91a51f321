//! Answers that take their time: slow ones, events, sockets. All end when the server does.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures::stream::{Stream, unfold};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::demo::serving::Ending;

const SLOWEST: Duration = Duration::from_mins(1);

const BEAT: Duration = Duration::from_secs(1);

/// The largest WebSocket message that is sent back.
const MAX_MESSAGE: usize = 1024 * 1024;

pub(super) fn routes(ending: Ending) -> Router {
    Router::new()
        .route("/api/slow", get(slow))
        .route("/events", get(events))
        .route("/ws", any(socket))
        .with_state(ending)
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default = "Wait::usual")]
    ms: u64,
}

impl Wait {
    fn usual() -> u64 {
        1000
    }
}

async fn slow(State(mut ending): State<Ending>, Query(wait): Query<Wait>) -> Json<Value> {
    let span = Duration::from_millis(wait.ms).min(SLOWEST);
    tokio::select! {
        () = sleep(span) => {}
        () = ending.begun() => {}
    }
    Json(json!({ "asked_ms": wait.ms }))
}

async fn events(State(ending): State<Ending>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(unfold((beat, ending, 0_u64), |(mut beat, mut ending, n)| async move {
        tokio::select! {
            biased;
            () = ending.begun() => None,
            _ = beat.tick() => {
                let event = Event::default().id(n.to_string()).data(json!({ "n": n }).to_string());
                Some((Ok(event), (beat, ending, n.saturating_add(1))))
            }
        }
    }))
}

async fn socket(State(ending): State<Ending>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MAX_MESSAGE).on_upgrade(|socket| send_back(socket, ending)).into_response()
}

async fn send_back(mut socket: WebSocket, mut ending: Ending) {
    loop {
        let received = tokio::select! {
            received = socket.recv() => received,
            () = ending.begun() => {
                let _ = socket.send(Message::Close(None)).await;
                return;
            }
        };
        let sent = match received {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            // The library answers these itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => Ok(()),
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
