//! The text forms. Messages say what was read and what would do.

use std::time::Duration;

use super::{Rate, Size, Span};

const LONGEST: Duration = Duration::from_hours(87600);
const LARGEST: u64 = 1 << 40;

pub(super) fn span(text: &str) -> Result<Span, String> {
    let wrong = || {
        format!(
            "`{text}` is not a span of time: write a whole number and a unit, as in `500ms`, `10s`, `5m`, `1h`, `90d`"
        )
    };
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit = unit_of_time(unit).ok_or_else(wrong)?;
    let span = u32::try_from(number).ok().and_then(|n| unit.checked_mul(n)).filter(|span| *span <= LONGEST);
    span.map(Span).ok_or_else(|| format!("`{text}` is longer than ten years"))
}

pub(super) fn size(text: &str) -> Result<Size, String> {
    let wrong = || format!("`{text}` is not a size: write a whole number and a unit, as in `512B`, `64KiB`, `1MiB`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.checked_mul(unit).filter(|size| *size <= LARGEST);
    size.map(Size).ok_or_else(|| format!("`{text}` is larger than 1 TiB"))
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let wrong =
        || format!("`{text}` is not a rate: write requests per span, as in `60/min`, `5/s`, `1000/h`, `10/30s`");
    let (requests, window) = text.split_once('/').ok_or_else(wrong)?;
    let requests: u64 = digits(requests).ok_or_else(wrong)?;
    let window = match unit_of_time(window) {
        Some(unit) => unit,
        None if window == "month" => Duration::from_hours(30 * 24),
        None => span(window).map_err(|_| wrong())?.0,
    };
    if requests == 0 || requests > 1_000_000_000 || window.is_zero() {
        return Err(format!(
            "`{text}` allows nothing or too much: a rate is 1 to 1000000000 requests in at least a microsecond"
        ));
    }
    Ok(Rate { requests, window })
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((digits(number)?, unit))
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn unit_of_time(unit: &str) -> Option<Duration> {
    Some(match unit {
        "us" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return None,
    })
}
