//! The first screen: what runs where, and what to paste.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Scene;

/// Credentials as files that `curl -H @FILE` reads, so that the lines to paste stay short.
pub(super) struct Headers {
    alice: PathBuf,
    bob: PathBuf,
    key: PathBuf,
}

/// Writes the credentials, readable by their owner alone.
pub(super) fn write_headers(scene: &Scene) -> Result<Headers, portcullis_certs::Error> {
    let mut written = Vec::new();
    for (name, token) in &scene.tokens {
        let path = scene.data.join(format!("{name}.header"));
        portcullis_certs::write_private(&path, format!("Authorization: Bearer {token}\n").as_bytes())?;
        written.push(path);
    }
    let key = scene.data.join("key.header");
    portcullis_certs::write_private(&key, format!("X-API-Key: {}\n", scene.api_key).as_bytes())?;
    let mut written = written.into_iter();
    let (alice, bob) = (written.next().unwrap_or_default(), written.next().unwrap_or_default());
    Ok(Headers { alice, bob, key })
}

/// The whole screen.
pub(super) fn first(scene: &Scene, headers: &Headers) -> String {
    let Scene { ports, .. } = scene;
    let base = format!("https://127.0.0.1:{}", ports.public);
    let curl = format!("curl -s -w '\\n%{{http_code}}\\n' --cacert {}", scene.ca.display());
    let quiet = format!("curl -s -o /dev/null --cacert {}", scene.ca.display());
    let (alice, bob, key) = (headers.alice.display(), headers.bob.display(), headers.key.display());
    let order = |quantity: u32| {
        format!("-H 'Content-Type: application/json' -d '{{\"item\":\"tea\",\"quantity\":{quantity}}}'")
    };
    let mut screen = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        screen,
        "\
Portcullis demo is ready. Ctrl-C ends everything.

  gateway             {base}
  admin API           https://127.0.0.1:{admin}   (key in {admin_key})
  plain HTTP          http://127.0.0.1:{http}    (redirects to HTTPS)
  identity provider   http://localhost:{idp}
  the app behind it   http://127.0.0.1:{app}

  configuration       {config}
  logs and state      {data}

  users               alice (writer), bob (reader), carol (nothing)
  API key             {api_key}   (reader)

Paste any of these into another terminal:

  200  a reader reads
    {curl} -H @{bob} {base}/api/orders

  200  so does the API key
    {curl} -H @{key} {base}/api/orders

  201  a writer writes
    {curl} -H @{alice} {good} {base}/api/orders

  401  nobody in particular
    {curl} {base}/api/orders

  403  a reader may not write
    {curl} -H @{bob} {good} {base}/api/orders

  422  a body that breaks the schema
    {curl} -H @{alice} {bad} {base}/api/orders

  429  the sixth request within a minute
    for i in 1 2 3 4 5; do {quiet} -H @{alice} {base}/api/limited; done; {curl} -H @{alice} {base}/api/limited

",
        admin = ports.admin,
        admin_key = scene.admin_key_file.display(),
        http = ports.http,
        idp = ports.idp,
        app = ports.app,
        config = scene.config.display(),
        data = scene.data.display(),
        api_key = scene.api_key,
        good = order(2),
        bad = order(0),
    );
    screen
}
