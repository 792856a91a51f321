//! Is one value, seen alone, within bounds?

use validator::ValidationError;

/// OAuth scopes (RFC 6749 §3.3).
pub(super) fn scopes(scopes: &[String]) -> Result<(), ValidationError> {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    match scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(fits)) {
        None => Ok(()),
        Some(scope) => {
            let wrong = format!("`{scope}` is not a scope: use printable ASCII without spaces, quotes and `\\`");
            Err(ValidationError::new("scope").with_message(wrong.into()))
        }
    }
}
