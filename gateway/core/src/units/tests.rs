use std::time::Duration;

use super::{Rate, Size, Span};

#[test]
fn refuses_what_has_no_unit_or_no_number() {
    for text in ["", "10", "s", "1.5s", "-1s", "10 s", "10S", "1e3s", "+1s", "99999999999999999999s", "4000d"] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
    for text in ["", "10", "KiB", "1KB", "1kib", "1.5MiB", "2000GiB", "99999999999999999999B"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    for text in ["", "60", "/min", "0/min", "60/", "60/0s", "60/1.5s", "6_0/s", "1/s/s"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
}

#[test]
fn reads_quantities() {
    assert_eq!("90d".parse(), Ok(Span(Duration::from_hours(2160))));
    assert_eq!("5m".parse(), Ok(Span(Duration::from_mins(5))));
    assert_eq!("0s".parse(), Ok(Span(Duration::ZERO)));
    assert_eq!("64KiB".parse(), Ok(Size(65_536)));
    assert_eq!("60/min".parse(), Ok(Rate { requests: 60, window: Duration::from_mins(1) }));
    assert_eq!("10/30s".parse(), Ok(Rate { requests: 10, window: Duration::from_secs(30) }));
}

#[test]
fn writes_quantities_as_they_are_read() {
    for text in ["0s", "500ms", "10s", "5m", "36h", "90d", "7us"] {
        assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
    }
    for text in ["0B", "513B", "64KiB", "1MiB", "2GiB"] {
        assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
    }
    for text in ["60/min", "5/s", "1000/h", "10/30s", "3/d"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}
