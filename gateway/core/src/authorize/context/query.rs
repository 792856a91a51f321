//! Query parameters as a policy sees them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The values of the `wanted` parameters of a raw query; those that are absent stay absent.
///
/// One that comes twice refuses: applications disagree about which of the two counts.
pub(super) fn values(query: &str, wanted: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(wanted.len());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name)?;
        if !wanted.contains(&name) {
            continue;
        }
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(format!("`query.{name}` appears more than once"));
        }
        pairs.push((name, decoded(value)?));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| "`query` is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn gives_only_what_is_wanted_and_never_twice() {
        let wanted = ["limit".to_owned(), "q".to_owned()];
        let check = |query, expected: Result<&[(&str, &str)], &str>| {
            let expected = expected
                .map(|pairs| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>())
                .map_err(str::to_owned);
            assert_eq!(values(query, &wanted), expected, "{query}");
        };
        check("limit=1&limit=2", Err("`query.limit` appears more than once"));
        check("limit=1&%6cimit=2", Err("`query.limit` appears more than once"));
        check("q=%ff", Err("`query` is not UTF-8"));
        check("", Ok(&[]));
        check("other=1&&=", Ok(&[]));
        check("q", Ok(&[("q", "")]));
        check("limit=10&q=a+b%2Bc%3d", Ok(&[("limit", "10"), ("q", "a b+c=")]));
    }
}
