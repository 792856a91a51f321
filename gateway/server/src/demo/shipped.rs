//! The shipped configuration and policies, for a binary that stands alone.

use std::path::{Path, PathBuf};

/// Every shipped file: where it goes, and what it says.
const FILES: [(&str, &str); 8] = [
    ("config/portcullis.toml", include_str!("../../../../config/portcullis.toml")),
    ("config/schemas/order.json", include_str!("../../../../config/schemas/order.json")),
    ("policies/admin.cedar", include_str!("../../../../policies/admin.cedar")),
    ("policies/admin.cedarschema", include_str!("../../../../policies/admin.cedarschema")),
    ("policies/guardrails.cedar", include_str!("../../../../policies/guardrails.cedar")),
    ("policies/orders.cedar", include_str!("../../../../policies/orders.cedar")),
    ("policies/public.cedar", include_str!("../../../../policies/public.cedar")),
    ("policies/schema.cedarschema", include_str!("../../../../policies/schema.cedarschema")),
];

/// Writes the shipped files below `folder`; answers the configuration's path.
pub fn unpack(folder: &Path) -> std::io::Result<PathBuf> {
    for (name, text) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(folder.join("config/portcullis.toml"))
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn carries_every_shipped_policy_and_schema() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (folder, ending) in [("policies", "cedar"), ("policies", "cedarschema"), ("config/schemas", "json")] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|found| found == ending) {
                    let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
                    assert!(FILES.iter().any(|(shipped, _)| *shipped == name), "{name} is not carried");
                }
            }
        }
    }
}
