//! Does a value a caller controls fit the type the schema gives it?
//!
//! INVARIANT: the schema alone decides what a value becomes. Cedar's JSON escapes (`__entity`,
//! `__extn`) mean nothing here, so no claim or body can turn into an entity.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use cedar_policy::{Context, EntityUid, RestrictedExpression};
use ipnet::IpNet;
use serde_json::{Map, Number, Value};

use super::shapes::{Fields, Presence, Shape};

/// A set may have no more elements: Cedar compares each with each other.
const MOST_ELEMENTS: usize = 1000;

/// What does not fit, without its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Misfit {
    /// From the outermost attribute inwards: `address.lines[2]`.
    path: String,
    wanted: String,
    found: &'static str,
}

impl Misfit {
    fn new(wanted: &Shape, found: &'static str) -> Self {
        Self { path: String::new(), wanted: wanted.to_string(), found }
    }

    pub(super) fn under(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not fit: the schema wants `{}`, this is {}", self.path, self.wanted, self.found)
    }
}

/// Whose word a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// The client's or its issuer's: never an entity.
    Client,
    /// The operator's or the app's: an entity where the schema declares one, written `User::"demo|alice"`.
    Ours,
}

/// The attributes of `values` that `fields` declares; the others are left out.
///
/// An optional one that is absent stays absent; `null` fits nothing, optional or not.
pub(super) fn record(
    values: &Map<String, Value>,
    fields: &Fields,
) -> Result<Vec<(String, RestrictedExpression)>, Misfit> {
    record_of(values, fields, Origin::Client)
}

/// As [`record`], of values that no client wrote.
pub(super) fn trusted(
    values: &Map<String, Value>,
    fields: &Fields,
) -> Result<Vec<(String, RestrictedExpression)>, Misfit> {
    record_of(values, fields, Origin::Ours)
}

fn record_of(
    values: &Map<String, Value>,
    fields: &Fields,
    origin: Origin,
) -> Result<Vec<(String, RestrictedExpression)>, Misfit> {
    let mut pairs = Vec::with_capacity(fields.0.len());
    for (name, field) in &fields.0 {
        match (values.get(name), field.presence) {
            (Some(value), Presence::Optional | Presence::Required) => {
                let fitted = fit_of(value, &field.shape, origin).map_err(|misfit| misfit.under(name))?;
                pairs.push((name.clone(), fitted));
            }
            (None, Presence::Optional) => {}
            (None, Presence::Required) => return Err(missing(&field.shape).under(name)),
        }
    }
    Ok(pairs)
}

pub(super) fn missing(shape: &Shape) -> Misfit {
    Misfit::new(shape, "missing")
}

/// One value as its type. Recursion follows the schema, so its depth is the schema's.
pub(super) fn fit(value: &Value, shape: &Shape) -> Result<RestrictedExpression, Misfit> {
    fit_of(value, shape, Origin::Client)
}

fn fit_of(value: &Value, shape: &Shape, origin: Origin) -> Result<RestrictedExpression, Misfit> {
    let misfit = || Misfit::new(shape, kind_of(value));
    match (shape, value) {
        (Shape::Bool, Value::Bool(bool)) => Ok(RestrictedExpression::new_bool(*bool)),
        (Shape::Long, Value::Number(number)) => number.as_i64().map(RestrictedExpression::new_long).ok_or_else(misfit),
        (Shape::String, Value::String(text)) => Ok(RestrictedExpression::new_string(text.clone())),
        (Shape::Set(element), Value::Array(values)) => set(values, element, (shape, origin)),
        (Shape::Record(fields), Value::Object(values)) => {
            let pairs = record_of(values, fields, origin)?;
            RestrictedExpression::new_record(pairs).map_err(|_| Misfit::new(shape, "an object with a name twice"))
        }
        (Shape::Ip, Value::String(text)) => address(text).ok_or_else(|| Misfit::new(shape, "not an address")),
        (Shape::Datetime, Value::String(text)) => constructed(RestrictedExpression::new_datetime(text), shape),
        (Shape::Decimal, Value::String(text)) => constructed(RestrictedExpression::new_decimal(text), shape),
        (Shape::Duration, Value::String(text)) => constructed(RestrictedExpression::new_duration(text), shape),
        (Shape::Entity(kind), Value::String(text)) if origin == Origin::Ours => {
            let uid = EntityUid::from_str(text).ok().filter(|uid| uid.type_name().to_string() == *kind);
            uid.map(RestrictedExpression::new_entity_uid).ok_or_else(|| Misfit::new(shape, "no such entity"))
        }
        // An attribute of an entity type is refused at load where a client writes it; no value of its fits one.
        (
            Shape::Bool
            | Shape::Datetime
            | Shape::Decimal
            | Shape::Duration
            | Shape::Entity(_)
            | Shape::Ip
            | Shape::Long
            | Shape::Record(_)
            | Shape::Set(_)
            | Shape::String,
            _,
        ) => Err(misfit()),
    }
}

fn set(values: &[Value], element: &Shape, (shape, origin): (&Shape, Origin)) -> Result<RestrictedExpression, Misfit> {
    if values.len() > MOST_ELEMENTS {
        return Err(Misfit::new(shape, "a list of more than 1000"));
    }
    let elements = values
        .iter()
        .enumerate()
        .map(|(index, value)| fit_of(value, element, origin).map_err(|misfit| misfit.under(&format!("[{index}]"))))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RestrictedExpression::new_set(elements))
}

/// Cedar alone knows these texts; asking it here lets the refusal name the attribute.
fn constructed(expression: RestrictedExpression, shape: &Shape) -> Result<RestrictedExpression, Misfit> {
    match Context::from_pairs([(String::new(), expression.clone())]) {
        Ok(_) => Ok(expression),
        Err(_) => Err(Misfit::new(shape, "a text of another form")),
    }
}

/// An address, or a network with its prefix; never a port.
fn address(text: &str) -> Option<RestrictedExpression> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip_expression(ip));
    }
    let network = text.parse::<IpNet>().ok()?;
    let (ip, prefix) = (network.addr(), network.prefix_len());
    // Cedar knows no IPv4 inside IPv6, and a prefix of the one is not a prefix of the other.
    (ip.to_canonical() == ip).then(|| RestrictedExpression::new_ip(format!("{}/{prefix}", ip_text(ip))))
}

/// A client's address as `ipaddr`; IPv4 inside IPv6 is the IPv4 address it means.
pub(crate) fn ip_expression(ip: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(ip_text(ip))
}

fn ip_text(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(four) => four.to_string(),
        // Cedar refuses the mixed form (`::1.2.3.4`) which `Display` uses for some addresses.
        IpAddr::V6(six) => six.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) => kind_of_number(number),
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn kind_of_number(number: &Number) -> &'static str {
    if number.is_i64() {
        "a whole number"
    } else if number.is_u64() {
        "a whole number beyond 64 bits"
    } else {
        "a number with a fraction"
    }
}
