//! What things are in, besides what routes say of their resources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Work;
use crate::authorize::Policies;
use crate::gather::Hierarchy;

/// Every set of policies is put under it. Empty where errors were noted.
pub(super) fn compile(
    work: &mut Work<'_>,
    things: &BTreeMap<PathBuf, Vec<u8>>,
    policies: [Option<&Policies>; 2],
) -> Arc<Hierarchy> {
    let configs = &work.loaded.config.hierarchy;
    let hierarchy = match Hierarchy::compile(configs, |path| things.get(path).map(Vec::as_slice)) {
        Ok(hierarchy) => Arc::new(hierarchy),
        Err(faults) => {
            for (kind, key, fault) in faults {
                work.refuse(&["hierarchy".into(), kind.as_str().into(), key.into()], fault.message, fault.help);
            }
            return Arc::default();
        }
    };
    for faults in policies.into_iter().flatten().filter_map(|policies| policies.under(&hierarchy).err()) {
        for fault in faults {
            work.refuse(&["hierarchy".into(), fault.kind.as_str().into(), fault.key.into()], fault.message, fault.help);
        }
    }
    hierarchy
}
