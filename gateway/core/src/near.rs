//! What did they mean? The closest known word to one that is not.

/// The known word a typing mistake most likely stands for; `None` when nothing is close.
///
/// At most one edit per three characters, and one at least; case does not count.
pub(crate) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, or else the list of what is known.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match near(word, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("there is {}", listed(known)),
    }
}

/// `` `a`, `b` and `c` ``; the first twenty, then how many more.
pub(crate) fn listed(words: &[&str]) -> String {
    const MOST: usize = 20;
    let mut quoted: Vec<String> = words.iter().take(MOST).map(|word| format!("`{word}`")).collect();
    if words.len() > MOST {
        quoted.push(format!("{} more", words.len() - MOST));
    }
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}
