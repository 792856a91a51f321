use axum::http::header;
use axum::response::IntoResponse as _;

use super::{Refused, Unknown};
use crate::world::store::StoreError;

#[test]
fn says_whether_it_is_known_that_nothing_was_written() {
    for (error, code, known) in [
        (StoreError::Doubtful(String::new()), "outcome_unknown", false),
        (StoreError::Stopped, "outcome_unknown", false),
        (StoreError::Full, "dependency_unavailable", true),
        (StoreError::Away(String::new()), "dependency_unavailable", true),
    ] {
        let refused = Refused::store(&error);
        assert_eq!((refused.status.as_u16(), refused.code), (503, code), "{error}");
        let answer = refused.into_response();
        assert_eq!(answer.extensions().get::<Unknown>().is_none(), known, "{error}");
        // What may be done already is not to be sent again unseen.
        assert_eq!(answer.headers().contains_key(header::RETRY_AFTER), known, "{error}");
    }
}
