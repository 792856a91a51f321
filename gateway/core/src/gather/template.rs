//! The text of a `resource` template.

use std::str::FromStr;

use cedar_policy::{EntityTypeName, EntityUid};

use super::{Piece, TemplateFault};
use crate::near::did_you_mean;

const SHAPE: &str = "write it as `Order::\"{id}\"`: an entity type, `::` and a quoted id";

/// Which names a template may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names<'a> {
    /// Those of an object that is not known before it comes.
    Any,
    These(&'a [&'a str]),
}

pub(super) fn parse(template: &str, params: Names<'_>) -> Result<(EntityTypeName, Vec<Piece>), TemplateFault> {
    let not_one = || fault(format!("`{template}` is not a resource template"), SHAPE);
    let (kind, rest) = template.trim().split_once("::\"").ok_or_else(not_one)?;
    let quoted = rest.strip_suffix('"').ok_or_else(not_one)?;
    let kind = EntityTypeName::from_str(kind).map_err(|_| {
        fault(format!("`{kind}` is not an entity type"), "entity types are names such as `Order` or `Shop::Order`")
    })?;
    // The operator's text, at load: Cedar's own escapes (`\"`, `\\`) are undone before the braces are read.
    let id = EntityUid::from_str(&format!("X::\"{quoted}\"")).map_err(|_| not_one())?;
    Ok((kind, pieces(id.id().unescaped(), params)?))
}

pub(super) fn pieces(id: &str, params: Names<'_>) -> Result<Vec<Piece>, TemplateFault> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = id.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '{' | '}' if chars.peek() == Some(&char) => {
                chars.next();
                text.push(char);
            }
            '}' => return Err(stray('}')),
            '{' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        None | Some('{') => return Err(stray('{')),
                        Some(other) => name.push(other),
                    }
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(param(name, params)?);
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn param(name: String, params: Names<'_>) -> Result<Piece, TemplateFault> {
    let params = match params {
        Names::Any => return Ok(Piece::Param(name)),
        Names::These(params) if params.contains(&name.as_str()) => return Ok(Piece::Param(name)),
        Names::These(params) => params,
    };
    let help = if params.is_empty() {
        "the path of this route has no parameters; add one to `match`, or write a fixed id".to_owned()
    } else if name.strip_prefix('*').is_some_and(|tail| params.contains(&tail)) {
        format!("a tail is named without its star: `{{{}}}`", name.trim_start_matches('*'))
    } else {
        did_you_mean(&name, params)
    };
    Err(fault(format!("the path has no parameter `{name}`"), help))
}

fn stray(brace: char) -> TemplateFault {
    fault(
        format!("a lone `{brace}` in the resource template"),
        format!("to mean the character itself, write `{brace}{brace}`"),
    )
}

fn fault(message: String, help: impl Into<String>) -> TemplateFault {
    TemplateFault { message, help: help.into() }
}
