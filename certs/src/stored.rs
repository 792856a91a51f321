//! Is the pair of files that is already here good enough?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::since_epoch;
use crate::{Authority, Error, Leaf, PrivateKey, Purpose, file};

/// What stands in the folder.
pub(crate) enum Stored<T> {
    Good(T),
    /// Ours or absent, so a new one may take its place; the text says why it cannot serve.
    Replaceable(&'static str),
}

/// The authority in `cert` and `key`, if it still holds `margin` after `now`.
pub(crate) fn authority(
    (cert, key): (&Path, &Path),
    name: &str,
    now: SystemTime,
    margin: Duration,
) -> Result<Stored<Authority>, Error> {
    let found = read_pair((cert, key), name)?;
    let (pem, der, key) = match found {
        Stored::Good(found) => found,
        Stored::Replaceable(why) => return Ok(Stored::Replaceable(why)),
    };
    let parsed = parse(&der, cert)?;
    let why = if !parsed.is_ca() || common_name(parsed.subject()) != Some(name) {
        Some("is no authority")
    } else {
        mismatch(&parsed, &key, now, margin)
    };
    Ok(match why {
        Some(why) => Stored::Replaceable(why),
        None => Stored::Good(Authority::resume(name, key, pem, der)),
    })
}

/// Whether the leaf in `cert` and `key` is what `wanted` asks for, signed by `authority`, and still holds
/// `margin` after `now`.
pub(crate) fn leaf(
    (cert, key): (&Path, &Path),
    (authority, name): (&Authority, &str),
    wanted: &Leaf,
    (now, margin): (SystemTime, Duration),
) -> Result<Stored<()>, Error> {
    let (_, der, key) = match read_pair((cert, key), name)? {
        Stored::Good(found) => found,
        Stored::Replaceable(why) => return Ok(Stored::Replaceable(why)),
    };
    let parsed = parse(&der, cert)?;
    let why = if authority_key_id(&parsed) != Some(authority.key_id()) {
        Some("was signed by another authority")
    } else if names(&parsed) != canonical(&wanted.names) {
        Some("is for other names")
    } else if common_name(parsed.subject()) != Some(&wanted.subject) {
        Some("is for another subject")
    } else if purposes(&parsed) != wanted.purposes {
        Some("is for another purpose")
    } else {
        mismatch(&parsed, &key, now, margin)
    };
    Ok(why.map_or(Stored::Good(()), Stored::Replaceable))
}

type Read = (String, Vec<u8>, PrivateKey);

/// INVARIANT: only a certificate that names our authority as its issuer, or an empty place, is replaceable.
/// Certificates are written before their keys, so a crash between the two leaves one that can be told as ours.
fn read_pair((cert, key): (&Path, &Path), issuer: &str) -> Result<Stored<Read>, Error> {
    let Some(pem) = file::read(cert)? else {
        if key.try_exists().map_err(Error::file(key, "look for"))? {
            return Err(Error::Foreign { path: key.to_owned() });
        }
        return Ok(Stored::Replaceable("is missing"));
    };
    let foreign = || Error::Foreign { path: cert.to_owned() };
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| foreign())?;
    if common_name(parse(&block.contents, cert)?.issuer()) != Some(issuer) {
        return Err(foreign());
    }
    let Some(key) = file::read_private(key)? else { return Ok(Stored::Replaceable("has no key beside it")) };
    Ok(match PrivateKey::from_pem(&key) {
        Some(key) => Stored::Good((pem, block.contents, key)),
        None => Stored::Replaceable("has a damaged key beside it"),
    })
}

fn parse<'a>(der: &'a [u8], path: &Path) -> Result<X509Certificate<'a>, Error> {
    let parsed = X509Certificate::from_der(der).map_err(|_| Error::Foreign { path: path.to_owned() })?;
    Ok(parsed.1)
}

fn mismatch(parsed: &X509Certificate<'_>, key: &PrivateKey, now: SystemTime, margin: Duration) -> Option<&'static str> {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let (now, margin) = (seconds(since_epoch(now)), seconds(margin));
    let (begin, end) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    if parsed.public_key().raw != key.public_key_info() {
        Some("does not match the key beside it")
    } else if begin > now {
        Some("is not valid yet")
    } else if end <= now {
        Some("has expired")
    } else if end <= now.saturating_add(margin) {
        Some("is about to expire")
    } else {
        None
    }
}

fn common_name<'a>(name: &'a x509_parser::x509::X509Name<'_>) -> Option<&'a str> {
    name.iter_common_name().next()?.as_str().ok()
}

fn authority_key_id<'a>(parsed: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    })
}

fn purposes(parsed: &X509Certificate<'_>) -> Vec<Purpose> {
    let Ok(Some(extension)) = parsed.extended_key_usage() else { return Vec::new() };
    let all = [(extension.value.client_auth, Purpose::Client), (extension.value.server_auth, Purpose::Server)];
    all.into_iter().filter_map(|(on, purpose)| on.then_some(purpose)).collect()
}

fn names(parsed: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => (*text).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes).map_or_else(|| format!("{bytes:?}"), |ip| ip.to_string()),
        other => format!("{other:?}"),
    };
    extension.value.general_names.iter().map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Addresses in the one spelling that [`names`] gives.
fn canonical(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().map(|name| name.parse::<IpAddr>().map_or_else(|_| name.clone(), |ip| ip.to_string())).collect()
}
