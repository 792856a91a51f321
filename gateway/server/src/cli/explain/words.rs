//! An explanation for people.

use std::fmt::Write as _;

use portcullis_core::authorize::{Account, Decided, Explanation, Verdict};

pub(in crate::cli) fn in_words(explanation: &Explanation) -> String {
    let mut text = String::new();
    let decided: Vec<&str> =
        explanation.policies.iter().filter(|policy| policy.decided).map(|policy| policy.id.as_str()).collect();
    let by = decided.join("`, `");
    let line = match (explanation.decision, decided.is_empty()) {
        (Decided::Allow, _) => format!("allow: permitted by `{by}`"),
        (Decided::Deny, true) => "deny: no policy permits it".to_owned(),
        (Decided::Deny, false) => format!("deny: forbidden by `{by}`"),
        (Decided::PolicyError, _) => format!("refused (policy_error): `{by}` cannot be evaluated"),
    };
    let _ = writeln!(text, "{line}\n");
    for policy in &explanation.policies {
        account(policy, &mut text);
    }
    if explanation.elsewhere > 0 {
        let _ = writeln!(text, "{} more policies speak of other actions, callers or resources", explanation.elsewhere);
    }
    text
}

fn account(policy: &Account, text: &mut String) {
    let outcome = match (&policy.applies, policy.decided) {
        (Verdict::True, true) => "applies, and decided",
        (Verdict::True, false) => "applies",
        (Verdict::Error(_), _) => "fails",
        (Verdict::False | Verdict::NotReached, _) => "does not apply",
    };
    let _ = writeln!(text, "{} @id({:?}): {outcome}", policy.effect, policy.id);
    if let Some(reason) = &policy.reason {
        let _ = writeln!(text, "  @reason({reason:?})");
    }
    if let Some(reason) = &policy.public_reason {
        let _ = writeln!(text, "  @public_reason({reason:?})");
    }
    for condition in &policy.conditions {
        let _ = writeln!(text, "  {:<12}{}", condition.verdict.name(), condition.text);
        if let Verdict::Error(why) = &condition.verdict {
            let _ = writeln!(text, "              {why}");
        }
    }
    text.push('\n');
}
