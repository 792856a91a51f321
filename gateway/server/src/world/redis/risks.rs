//! Which settings of the server endanger what is kept there?

use ::redis::{FromRedisValue, RedisResult, Value};
use std::collections::HashMap;

use super::places::Node;

/// In an operator's words; empty: none that we know of.
pub(super) async fn of(node: &mut Node) -> RedisResult<Vec<String>> {
    let asked = ["maxmemory-policy", "appendonly", "appendfsync", "save"];
    let settings = ::redis::cmd("CONFIG").arg("GET").arg(&asked).query_async::<Value>(&mut node.link).await;
    let settings = match settings {
        Ok(settings) => HashMap::<String, String>::from_redis_value(settings).unwrap_or_default(),
        // Many who rent servers out allow no `CONFIG`.
        Err(_) => told(&::redis::cmd("INFO").query_async::<String>(&mut node.link).await?),
    };
    Ok(judge(&settings))
}

/// The settings as `INFO` tells them, of those it does.
fn told(info: &str) -> HashMap<String, String> {
    let mut settings = HashMap::new();
    for line in info.lines() {
        match line.trim_end().split_once(':') {
            Some(("maxmemory_policy", policy)) => {
                settings.insert("maxmemory-policy".to_owned(), policy.to_owned());
            }
            Some(("aof_enabled", enabled)) => {
                let word = if enabled == "1" { "yes" } else { "no" };
                settings.insert("appendonly".to_owned(), word.to_owned());
            }
            _ => {}
        }
    }
    settings
}

fn judge(settings: &HashMap<String, String>) -> Vec<String> {
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let mut risks = Vec::new();
    if let Some(policy) = setting("maxmemory-policy")
        && policy.starts_with("allkeys-")
    {
        risks.push(format!(
            "`maxmemory-policy {policy}` throws away keys, sessions and the audit log when memory is short: set \
             `maxmemory-policy noeviction`"
        ));
    }
    match (setting("appendonly"), setting("appendfsync"), setting("save")) {
        (Some("no"), _, Some("")) => risks.push(
            "`appendonly no` and `save \"\"`: nothing is on disk, and all is lost when the server ends: set \
             `appendonly yes`"
                .to_owned(),
        ),
        (Some("no"), ..) => risks.push(
            "`appendonly no`: only snapshots are on disk, and a crash loses what was acknowledged since the last: set \
             `appendonly yes`"
                .to_owned(),
        ),
        (_, Some(fsync), _) if fsync != "always" => risks.push(format!(
            "`appendfsync {fsync}`: a crash may lose the last second of what was acknowledged; `appendfsync always` \
             loses nothing"
        )),
        _ => {}
    }
    risks
}

#[cfg(test)]
mod tests {
    use super::{judge, told};

    #[test]
    fn names_every_setting_that_loses_what_was_acknowledged() {
        let check = |settings: &[(&str, &str)], expected: &[&str]| {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let said = judge(&settings);
            assert_eq!(said.len(), expected.len(), "{said:?}");
            for (said, expected) in said.iter().zip(expected) {
                assert!(said.starts_with(expected), "{said}");
            }
        };
        let aof = ("appendonly", "yes");
        check(&[("maxmemory-policy", "noeviction"), aof, ("appendfsync", "always"), ("save", "")], &[]);
        check(&[("maxmemory-policy", "volatile-lru"), aof, ("appendfsync", "always")], &[]);
        check(
            &[("maxmemory-policy", "allkeys-lru"), aof, ("appendfsync", "always")],
            &["`maxmemory-policy allkeys-lru`"],
        );
        check(&[aof, ("appendfsync", "everysec"), ("save", "3600 1")], &["`appendfsync everysec`"]);
        check(&[("appendonly", "no"), ("appendfsync", "everysec"), ("save", "")], &["`appendonly no` and `save \"\"`"]);
        check(&[("appendonly", "no"), ("save", "3600 1")], &["`appendonly no`: only snapshots"]);
        check(&[], &[]);
    }

    #[test]
    fn reads_what_servers_without_config_tell() {
        let settings = told("# Memory\r\nmaxmemory_policy:allkeys-lfu\r\n# Persistence\r\naof_enabled:0\r\n");
        assert_eq!(judge(&settings).len(), 2);
    }
}
