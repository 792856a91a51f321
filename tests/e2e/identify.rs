//! Who is calling? Bearer tokens and what routes demand, through a whole gateway.

mod demands;
mod forged;
mod remembered;

use portcullis_tests::client::Answer;

/// The challenge of a token that does not verify (RFC 6750 §3, RFC 9728 §5.1).
const BAD_TOKEN: &str = "Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"the token does not \
     verify\", resource_metadata=\"https://app.test/.well-known/oauth-protected-resource\"";
const EXPIRED_TOKEN: &str = "Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"the token has \
     expired\", resource_metadata=\"https://app.test/.well-known/oauth-protected-resource\"";
const BAD_KEY: &str = "Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"the API key does not \
     verify\", resource_metadata=\"https://app.test/.well-known/oauth-protected-resource\"";
/// Of nobody: without an error.
const NOBODY: &str = "Bearer realm=\"portcullis\", \
     resource_metadata=\"https://app.test/.well-known/oauth-protected-resource\"";

/// Status, code and challenge.
fn refusal(answer: &Answer) -> (u16, String, Option<&str>) {
    let (status, code) = answer.problem();
    (status, code, answer.header("www-authenticate"))
}

fn refused(status: u16, code: &str, challenge: &'static str) -> (u16, String, Option<&'static str>) {
    (status, code.to_owned(), Some(challenge))
}
