//! What all gateways share: certificates, tokens, files, an upstream.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_tests::keys::{Algorithm, Signer, jwks};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "ladder";

/// Tokens in rotation, each of another subject.
const TOKENS: usize = 1000;

pub(crate) struct Ground {
    folder: TempDir,
    /// Of the application.
    pub(crate) upstream: u16,
    /// Where gateways listen.
    pub(crate) port: u16,
    /// Of the role `writer`.
    pub(crate) writers: Vec<String>,
    /// Of the role `reader` alone.
    pub(crate) reader: String,
    pub(crate) client: Arc<ClientConfig>,
}

impl Ground {
    pub(crate) async fn lay() -> Self {
        let folder = TempDir::new().unwrap();
        #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
        let now = SystemTime::now();
        let day = Duration::from_hours(24);
        let valid = || Validity { from: now - day, until: now + day };
        let authority = Authority::generate("ladder", valid()).unwrap();
        let leaf = Leaf {
            subject: "localhost".to_owned(),
            names: ["localhost".to_owned()].into(),
            purposes: vec![Purpose::Server],
            valid: valid(),
        };
        let issued = authority.issue(&leaf).unwrap();
        let key = issued.key.pem();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("tls.both", format!("{}{key}", issued.pem));
        write("tls.crt", issued.pem.clone());
        write("tls.key", key);

        let signer = Signer::new(Algorithm::Es256, "es");
        write("jwks.json", jwks([&signer]).to_string());
        write("es.pem", public_key(&signer));
        let expires = now.duration_since(UNIX_EPOCH).unwrap().as_secs() + 86_400;
        let token = |subject: &str, roles: &[&str]| {
            let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": expires, "roles": roles });
            signer.sign(&claims)
        };
        let writers = (0..TOKENS).map(|at| token(&format!("user-{at}"), &["reader", "writer"])).collect();

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
        let client = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let ground = Self {
            upstream: upstream.local_addr().unwrap().port(),
            port,
            writers,
            reader: token("reader", &["reader"]),
            client: Arc::new(client),
            folder,
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = upstream.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// As PEM: the fixed head of a P-256 `SubjectPublicKeyInfo` (RFC 5480), and the point.
fn public_key(signer: &Signer) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    const HEAD: [u8; 27] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let jwk = signer.jwk();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let der = [&HEAD[..], &part("x"), &part("y")].concat();
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// 1 KiB for each request, whatever it says.
async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let reply =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1024));
    let (mut seen, mut chunk) = (Vec::new(), [0; 8192]);
    loop {
        while let Some(length) = message(&seen) {
            seen.drain(..length);
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(read) => seen.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Bytes of the first message, once it is whole.
pub(crate) fn message(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    Some(head + length.unwrap_or(0)).filter(|whole| bytes.len() >= *whole)
}
