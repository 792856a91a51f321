//! What is one part of a multipart body? Its fields, each known, each once; and its content.

use memchr::memmem;

use super::super::media_type::essence_of;

/// Bytes of the fields of one part.
const LONGEST_HEAD: usize = 4 << 10;
/// Bytes of a file name.
const LONGEST_NAME: usize = 255;

#[derive(Debug)]
pub(super) struct Part<'b> {
    pub(super) name: &'b str,
    pub(super) filename: Option<&'b str>,
    /// Lower case, without parameters.
    pub(super) media_type: Option<String>,
    pub(super) content: &'b [u8],
}

impl<'b> Part<'b> {
    /// Takes a part apart.
    ///
    /// # Errors
    /// Whatever two readers could see differently.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, &'static str> {
        let end = memmem::find(bytes, b"\r\n\r\n").ok_or("has a part without fields")?;
        let (head, content) = bytes.split_at_checked(end).ok_or("has a part without fields")?;
        if head.len() > LONGEST_HEAD {
            return Err("has a part with more than 4 KiB of fields");
        }
        let head = std::str::from_utf8(head).map_err(|_| "has a part whose fields are not UTF-8")?;
        let content = content.get(4..).unwrap_or_default();
        let (mut disposition, mut media_type) = (None, None);
        for line in head.split("\r\n") {
            if line.chars().any(|c| c.is_control() && c != '\t') || line.starts_with([' ', '\t']) {
                return Err("has a part with a folded field or a control character in it");
            }
            let (name, value) = line.split_once(':').ok_or("has a part with a field that has no colon")?;
            let value = value.trim_matches([' ', '\t']);
            let known = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => disposition.replace(value).is_none(),
                "content-type" => media_type.replace(value).is_none(),
                "content-length" => value.parse() == Ok(content.len()),
                "content-transfer-encoding" => value.eq_ignore_ascii_case("binary"),
                _ => false,
            };
            if !known {
                return Err("has a part with a field that is not known, not true or there twice");
            }
        }
        let disposition = disposition.ok_or("has a part without Content-Disposition")?;
        let (name, filename) = names(disposition)?;
        let media_type = match media_type {
            Some(value) => Some(essence_of(value).ok_or("has a part whose Content-Type is malformed")?),
            None => None,
        };
        Ok(Self { name, filename, media_type, content })
    }
}

/// `form-data; name="…"; filename="…"`. Quoted texts have no escapes: `"` is `%22` (WHATWG HTML, multipart/form-data).
fn names(disposition: &str) -> Result<(&str, Option<&str>), &'static str> {
    const MALFORMED: &str = "has a part whose Content-Disposition is malformed";
    let mut rest = disposition.strip_prefix("form-data").ok_or(MALFORMED)?;
    let (mut name, mut filename) = (None, None);
    while !rest.is_empty() {
        rest = rest.trim_start_matches([' ', '\t']).strip_prefix(';').ok_or(MALFORMED)?;
        let (key, after) = rest.trim_start_matches([' ', '\t']).split_once('=').ok_or(MALFORMED)?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').filter(|(value, _)| !value.contains('\\')).ok_or(MALFORMED)?,
            None => after.split_at_checked(after.find([';', ' ', '\t']).unwrap_or(after.len())).ok_or(MALFORMED)?,
        };
        let place = match key {
            "name" => &mut name,
            "filename" => &mut filename,
            // `filename*` among them: who knows it reads another name than who does not.
            _ => return Err(MALFORMED),
        };
        if place.replace(value).is_some() {
            return Err(MALFORMED);
        }
        rest = after;
    }
    let name = name.filter(|name| !name.is_empty() && *name != "_charset_").ok_or("has a part without a name")?;
    if filename
        .is_some_and(|name| matches!(name, "." | "..") || name.len() > LONGEST_NAME || name.contains(['/', '\\']))
    {
        return Err("has a file whose name is a path or too long");
    }
    Ok((name, filename))
}
