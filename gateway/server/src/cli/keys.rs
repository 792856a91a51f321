//! `keys`: API keys, through the admin API. A secret is shown once, on stdout or in a file, and never asked for in argv.

mod scan;
mod secret_file;
mod terms;

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::admin_client::{AdminClient, Ask, Reach};
use super::{FINDING, FINE, Format, complain, runtime};
use secret_file::SecretFile;
use terms::{Field, Terms};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a key and print its secret, once.
    Create {
        #[command(flatten)]
        reach: Reach,
        /// What it is for.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        terms: Terms,
        /// How long it holds, as in `30d`, or `never`.
        #[arg(long, default_value = "90d")]
        expires_in: String,
        #[command(flatten)]
        change: Change,
        /// Write the secret to this new file, mode 0600, and not to stdout.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// List the keys; no secrets.
    List {
        #[command(flatten)]
        reach: Reach,
        /// Only this owner's.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show one key; no secret.
    Show {
        #[command(flatten)]
        reach: Reach,
        #[arg(value_parser = key_id)]
        id: String,
    },
    /// Change what is named of a key, and nothing else.
    Patch {
        #[command(flatten)]
        reach: Reach,
        #[arg(value_parser = key_id)]
        id: String,
        /// The change as a JSON object, as the admin API takes it: `{"roles": ["readers"], "plan": null}`.
        #[arg(value_parser = object)]
        whole: Option<Value>,
        /// What it is for.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        terms: Terms,
        /// How long it holds from now, as in `30d`, or `never`.
        #[arg(long)]
        expires_in: Option<String>,
        /// Take all of this away. May be given again.
        #[arg(long, value_enum)]
        clear: Vec<Field>,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        version: Version,
    },
    /// Give a key another secret and print it, once; the id stays.
    Rotate {
        #[command(flatten)]
        reach: Reach,
        #[arg(value_parser = key_id)]
        id: String,
        /// How long the secret before stays good, as in `24h`; not at all when left out.
        #[arg(long)]
        overlap: Option<String>,
        /// How long the key holds from now, as in `30d`, or `never`; as before when left out.
        #[arg(long)]
        expires_in: Option<String>,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        version: Version,
        /// Write the secret to this new file, mode 0600, and not to stdout.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Revoke a key, at once.
    Revoke {
        #[command(flatten)]
        reach: Reach,
        #[arg(value_parser = key_id)]
        id: String,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        version: Version,
    },
    /// Find our keys in files; exit 1 when there are some. Shows their ids, never the secrets.
    Scan(scan::Args),
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Check everything and show what would be, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct Version {
    /// Only if nobody has changed it since: the `ETag` that the admin API gave, or `*` for whatever there is.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

impl Change {
    fn target(&self, path: String) -> String {
        if self.dry_run { path + "?dry_run=true" } else { path }
    }
}

impl Version {
    fn of(&self, ask: Ask) -> Ask {
        Ask { if_match: self.if_match.clone(), ..ask }
    }
}

pub(super) fn keys(args: Args, format: Format) -> u8 {
    if let Verb::Scan(args) = &args.verb {
        return scan::scan(args, format);
    }
    let (reach, ask, secret_file) = match asked(&args.verb) {
        Ok(asked) => asked,
        Err(error) => return complain(&error),
    };
    let client = match AdminClient::reach(reach) {
        Ok(client) => client,
        Err(error) => return complain(&error),
    };
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    // Before the secret is made, for it is shown once.
    let file = match secret_file.map(|path| SecretFile::claim(path)).transpose() {
        Ok(file) => file,
        Err(error) => return complain(&error),
    };
    let answer = match &args.verb {
        Verb::List { .. } => runtime.block_on(client.list(&ask.target)),
        _ => runtime.block_on(client.call(&ask)),
    };
    match answer.and_then(|mut value| {
        if let Some(file) = file {
            file.keep(&mut value)?;
        }
        Ok(value)
    }) {
        Ok(value) => {
            print(&args.verb, &value, format);
            FINE
        }
        Err(error) => {
            eprintln!("{error}");
            FINDING
        }
    }
}

/// Of whom, what, and where the secret shall go.
fn asked(verb: &Verb) -> Result<(&Reach, Ask, Option<&PathBuf>), String> {
    let mut body = Map::new();
    let set = |body: &mut Map<String, Value>, name: &str, text: &Option<String>| {
        body.extend(text.iter().map(|text| (name.to_owned(), json!(text))));
    };
    Ok(match verb {
        Verb::Create { reach, name, terms, expires_in, change, secret_file } => {
            terms.write(&mut body);
            body.insert("name".to_owned(), json!(name));
            body.insert("expires_in".to_owned(), json!(expires_in));
            let ask = Ask::new(Method::POST, change.target("/v1/keys".to_owned()), Some(body.into()));
            (reach, ask, secret_file.as_ref().filter(|_| !change.dry_run))
        }
        Verb::List { reach, owner } => {
            let query = owner.as_ref().map_or_else(String::new, |owner| {
                format!("?owner={}", percent_encoding::utf8_percent_encode(owner, percent_encoding::NON_ALPHANUMERIC))
            });
            (reach, Ask::get(&format!("/v1/keys{query}")), None)
        }
        Verb::Show { reach, id } => (reach, Ask::get(&format!("/v1/keys/{id}")), None),
        Verb::Patch { reach, id, whole, name, terms, expires_in, clear, change, version } => {
            body.extend(
                whole.iter().filter_map(Value::as_object).flatten().map(|(name, value)| (name.clone(), value.clone())),
            );
            terms.write(&mut body);
            set(&mut body, "name", name);
            set(&mut body, "expires_in", expires_in);
            for field in clear {
                if body.insert(field.name().to_owned(), field.nothing()).is_some() {
                    return Err(format!("`{}` is both given and cleared: leave one out", field.name()));
                }
            }
            if body.is_empty() {
                return Err("nothing is to be changed: name what, as in `--role readers` or `--clear plan`".to_owned());
            }
            let target = change.target(format!("/v1/keys/{id}"));
            (reach, version.of(Ask::new(Method::PATCH, target, Some(body.into()))), None)
        }
        Verb::Rotate { reach, id, overlap, expires_in, change, version, secret_file } => {
            set(&mut body, "overlap", overlap);
            set(&mut body, "expires_in", expires_in);
            let target = change.target(format!("/v1/keys/{id}/rotate"));
            let ask = version.of(Ask::new(Method::POST, target, Some(body.into())));
            (reach, ask, secret_file.as_ref().filter(|_| !change.dry_run))
        }
        Verb::Revoke { reach, id, change, version } => {
            (reach, version.of(Ask::new(Method::DELETE, change.target(format!("/v1/keys/{id}")), None)), None)
        }
        Verb::Scan(_) => return Err("this asks nobody".to_owned()),
    })
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("a change is a JSON object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// The public part of a key, never the key itself: arguments are seen by every process of the machine.
fn key_id(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("an id is letters and digits, as `keys list` shows it".to_owned())
}

fn print(verb: &Verb, value: &Value, format: Format) {
    if format == Format::Json {
        say_line!("{value:#}");
        return;
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    match verb {
        Verb::Create { change, secret_file, .. } | Verb::Rotate { change, secret_file, .. } => {
            match (change.dry_run, secret_file) {
                (true, _) => say_line!("{value:#}"),
                (false, Some(file)) => {
                    eprintln!("the secret of key {} is in `{}`, and nowhere else", text(value, "id"), file.display());
                }
                (false, None) => {
                    let made = match verb {
                        Verb::Rotate { overlap: None, .. } => "has a new secret, the old one is dead".to_owned(),
                        Verb::Rotate { overlap: Some(span), .. } => {
                            format!("has a new secret, the old one holds for {span}")
                        }
                        _ => "is made".to_owned(),
                    };
                    eprintln!("key {} {made}; this is the only time it is shown:", text(value, "id"));
                    say_line!("{}", text(value, "secret"));
                }
            }
        }
        Verb::List { .. } => {
            for key in value.get("items").and_then(Value::as_array).into_iter().flatten() {
                let state = text(key, "state");
                say_line!("{}  {:8}  {:20}  {}", text(key, "id"), state, text(key, "name"), text(key, "owner"));
            }
        }
        Verb::Show { .. } | Verb::Patch { .. } | Verb::Revoke { .. } | Verb::Scan(_) => say_line!("{value:#}"),
    }
}
