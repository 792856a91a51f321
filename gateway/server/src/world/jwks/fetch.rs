//! How is a key set fetched? From a file, a URL, or wherever the issuer's discovery document points.
//!
//! Bounded in every way: two seconds to connect, five for all of it, 512 KiB per document. No redirect is
//! followed, and nothing but `https` (`http` on loopback) is spoken, whatever a document says.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use openidconnect::core::CoreProviderMetadata;
use portcullis_core::identify::fetchable;
use portcullis_core::identify::jwks::{KeyOrigin, KeySet, SourceSpec};
use reqwest::{StatusCode, header};
use tokio::time::timeout;

use crate::world::outside::{Clients, chain};

const CONNECT: Duration = Duration::from_secs(2);
const TOTAL: Duration = Duration::from_secs(5);

pub(super) struct Fetcher(Clients);

impl Fetcher {
    pub(super) fn new() -> Result<Self, String> {
        Clients::new(|client| client.connect_timeout(CONNECT).timeout(TOTAL)).map(Self)
    }

    /// The key set's document.
    pub(super) async fn fetch(&self, root: &Path, spec: &SourceSpec) -> Result<Vec<u8>, String> {
        let document = async {
            match &spec.origin {
                KeyOrigin::Discovery => {
                    let metadata = self.get(&discovery_url(&spec.issuer)).await?;
                    self.get(&key_set_url(&metadata, &spec.issuer)?).await
                }
                KeyOrigin::File(path) => file(&root.join(path)),
                KeyOrigin::Url(url) => self.get(url).await,
            }
        };
        timeout(TOTAL, document).await.unwrap_or_else(|_| Err("the issuer took longer than 5 s".into()))
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        if !fetchable(url) {
            return Err(format!("`{url}` is not fetched: it is neither `https` nor on loopback"));
        }
        let told = |fault: reqwest::Error| format!("`{url}` cannot be fetched: {}", chain(&fault.without_url()));
        let mut answer =
            self.0.to(url).get(url).header(header::ACCEPT, "application/json").send().await.map_err(told)?;
        if answer.status().is_redirection() {
            return Err(format!("`{url}` answered {}, and redirects are not followed", answer.status()));
        }
        if answer.status() != StatusCode::OK {
            return Err(format!("`{url}` answered {}", answer.status()));
        }
        let mut document = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(told)? {
            if document.len() + part.len() > KeySet::MOST_BYTES {
                return Err(format!("`{url}` is larger than 512 KiB"));
            }
            document.extend_from_slice(&part);
        }
        Ok(document)
    }
}

/// The document in a file.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, String> {
    let told = |fault: std::io::Error| format!("`{}` cannot be read: {fault}", path.display());
    // Before it is opened: that alone would wait for whoever writes into a pipe.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err(format!("`{}` is no regular file", path.display()));
    }
    let mut document = Vec::new();
    // One byte more than allowed, so that the key set's own bound says what is wrong.
    let file = File::open(path).map_err(told)?;
    file.take(KeySet::MOST_BYTES as u64 + 1).read_to_end(&mut document).map_err(told)?;
    Ok(document)
}

/// OIDC Discovery §4.
fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// The document must speak for this very issuer (OIDC Discovery §4.3).
fn key_set_url(metadata: &[u8], issuer: &str) -> Result<String, String> {
    let metadata: CoreProviderMetadata = serde_json::from_slice(metadata)
        .map_err(|fault| format!("the discovery document of `{issuer}` cannot be read: {fault}"))?;
    if metadata.issuer().as_str() != issuer {
        return Err(format!("the discovery document of `{issuer}` is that of another issuer"));
    }
    Ok(metadata.jwks_uri().url().to_string())
}
