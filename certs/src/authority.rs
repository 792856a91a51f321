//! An authority in memory, and what it signs.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::{Error, PrivateKey};

/// A certificate authority: signs leaves, and nothing below them (path length 0).
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    key_id: Vec<u8>,
    pem: String,
    der: Vec<u8>,
}

/// What a leaf shall say.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The subject's common name: for people, never matched against.
    pub subject: String,
    /// Host names (a leading `*.` allowed), addresses, URIs and email addresses: the subject alternative names.
    pub names: BTreeSet<String>,
    /// Empty: the leaf says nothing of its purpose.
    pub purposes: Vec<Purpose>,
    pub valid: Validity,
}

/// What a leaf may be used for (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Client,
    Server,
}

/// From when until when a certificate holds. Seconds count; parts of one are dropped.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    pub from: SystemTime,
    pub until: SystemTime,
}

impl Validity {
    /// `days` from `now`, begun an hour ago for clocks that lag.
    pub fn days(now: SystemTime, days: u32) -> Self {
        let day = Duration::from_hours(24);
        Self {
            from: now.checked_sub(Duration::from_hours(1)).unwrap_or(now),
            until: now.checked_add(day.saturating_mul(days)).unwrap_or(now),
        }
    }
}

/// A leaf and its key.
pub struct Issued {
    pub key: PrivateKey,
    /// The leaf alone; the authority is the trust anchor, so no chain is needed.
    pub pem: String,
    pub der: Vec<u8>,
}

impl Authority {
    /// A new authority of that common name.
    pub fn generate(name: &str, valid: Validity) -> Result<Self, Error> {
        Self::sign_itself(name, PrivateKey::generate()?, valid)
    }

    pub(crate) fn sign_itself(name: &str, key: PrivateKey, valid: Validity) -> Result<Self, Error> {
        let mut params = authority_params(name);
        set_validity(&mut params, valid);
        let certificate = params.self_signed(&key.0)?;
        Ok(Self::assemble(params, key, certificate.pem(), certificate.der().to_vec()))
    }

    /// One that was made earlier: `pem` and `der` are its certificate.
    pub(crate) fn resume(name: &str, key: PrivateKey, pem: String, der: Vec<u8>) -> Self {
        Self::assemble(authority_params(name), key, pem, der)
    }

    fn assemble(params: CertificateParams, key: PrivateKey, pem: String, der: Vec<u8>) -> Self {
        let key_id = params.key_identifier(&key.0);
        Self { issuer: Issuer::new(params, key.0), key_id, pem, der }
    }

    /// The authority's own certificate, for trust stores.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The authority's private key, PKCS #8 in PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// What its leaves name as their authority's key (RFC 5280 §4.2.1.1).
    pub(crate) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// Signs `leaf`, with a new key.
    ///
    /// Fails when a name cannot stand in a certificate.
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, Error> {
        let key = PrivateKey::generate()?;
        let certificate = self.sign(leaf, &key)?;
        Ok(Issued { key, pem: certificate.pem(), der: certificate.der().to_vec() })
    }

    fn sign(&self, leaf: &Leaf, key: &PrivateKey) -> Result<Certificate, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&leaf.subject);
        params.subject_alt_names = leaf.names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = leaf
            .purposes
            .iter()
            .map(|purpose| match purpose {
                Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
                Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            })
            .collect();
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, leaf.valid);
        Ok(params.signed_by(&key.0, &self.issuer)?)
    }
}

/// All of an authority that does not depend on when it was made.
fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, valid: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(valid.from);
    params.not_after = epoch + since_epoch(valid.until);
}

/// Cut to what a certificate can say: 1970 to 9999 (RFC 5280 §4.1.2.5).
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    const END: Duration = Duration::from_secs(253_402_300_799);
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(END)
}

fn alternative_name(name: &str) -> Result<SanType, Error> {
    let wrong = || Error::Name { name: name.to_owned() };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let printable = !name.is_empty() && name.len() <= 253 && name.bytes().all(|b| b.is_ascii_graphic());
    let text = name.try_into().map_err(|_| wrong())?;
    if !printable {
        Err(wrong())
    } else if name.contains("://") {
        Ok(SanType::URI(text))
    } else if name.contains('@') {
        Ok(SanType::Rfc822Name(text))
    } else if is_host_name(name) {
        Ok(SanType::DnsName(text))
    } else {
        Err(wrong())
    }
}

fn is_host_name(name: &str) -> bool {
    name.strip_prefix("*.").unwrap_or(name).split('.').all(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}
