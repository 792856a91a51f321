//! Does every number mean the same to whoever reads it as a double and to whoever reads its digits?
//!
//! `0.99999999999999999` is less than 1 for a reader of decimals and exactly 1 for a reader of doubles, which the
//! validator is. A literal that a double does not keep is refused (RFC 8259 §6).

/// So many significant digits every double keeps.
const ALWAYS_KEPT: usize = 15;
/// And no double needs more than so many.
const MOST_WRITTEN: usize = 17;

/// Whether every number literal of a JSON text survives being read as a double. Texts that are no JSON may answer
/// anything: they are refused elsewhere.
pub(super) fn survive(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let end = after.iter().position(|byte| !is_of_number(*byte)).unwrap_or(after.len());
                let literal = rest.get(..=end).and_then(|literal| std::str::from_utf8(literal).ok());
                if !literal.is_some_and(survives) {
                    return false;
                }
                after.get(end..).unwrap_or_default()
            }
            _ => after,
        };
    }
    true
}

const fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
}

/// Whole numbers have a bound of their own, below which a double keeps every digit.
fn survives(literal: &str) -> bool {
    if !literal.contains(['.', 'e', 'E']) {
        return true;
    }
    let written = significant(literal);
    if written <= ALWAYS_KEPT {
        return true;
    }
    // Programs write the shortest digits that name a double, at most 17; the last may differ where two are as near.
    let kept = literal.parse::<f64>().map_or(written, |double| significant(&format!("{double:e}")));
    written <= MOST_WRITTEN && kept + 1 >= written
}

/// Digits from the first that is not 0 to the last that is not 0.
fn significant(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::survive;

    #[test]
    fn a_literal_that_a_double_does_not_keep_does_not_survive() {
        for text in [
            "0.99999999999999999999",
            "[1000.0000000000000001]",
            "{\"a\":0.1000000000000000055511151231257827}",
            "-0.99999999999999999",
        ] {
            assert!(!survive(text), "{text}");
        }
    }

    #[test]
    fn what_programs_write_survives() {
        for text in [
            "0.30000000000000004",
            "9007199254740991",
            "-93837930062341.12",
            "-93837930062341.13",
            "1.7976931348623157e308",
            "100000000000000000000000",
            "0.000000000000000000000001",
            "1.50000000000000000000",
            "-12.5",
            "\"0.99999999999999999999\"",
            "\"\\\"0.99999999999999999999\"",
            "[1, 2.25, {\"a\": 3e2}]",
        ] {
            assert!(survive(text), "{text}");
        }
    }
}
