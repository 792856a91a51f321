use std::io::Read;

use portcullis_core::identify::KeyText;

use super::{Found, Text, WINDOW, read};

fn key() -> (String, String) {
    let random: Vec<u8> = (0..=255).collect();
    let key = KeyText::mint("live", &random[7..40], &random[60..120]).unwrap();
    (key.id.clone(), key.text.expose().to_owned())
}

fn found(text: impl Read, most: u64) -> Vec<Found> {
    let mut found = Vec::new();
    assert_eq!(read(text, false, most, |key| found.push(key)).unwrap(), Text::Plain);
    found
}

#[test]
fn tells_a_key_once_wherever_it_lies_in_the_windows() {
    let (id, key) = key();
    for before in (WINDOW - 2 * key.len()..WINDOW + 2 * key.len()).chain([0, 2 * WINDOW - 10]) {
        let text = format!("\n{}{key}\n{key}", " ".repeat(before));
        let column = u64::try_from(before).unwrap() + 1;
        let at = |line, column| Found { line, column, env: "live".to_owned(), id: id.clone() };
        assert_eq!(found(text.as_bytes(), 10), [at(2, column), at(3, 1)], "{before}");
    }
}

#[test]
fn tells_no_more_than_was_asked_for() {
    let (_, key) = key();
    assert_eq!(found(format!("{key} {key} {key}").as_bytes(), 2).len(), 2);
}

#[test]
fn reads_what_comes_byte_by_byte() {
    struct Dripping<'a>(&'a [u8]);
    impl Read for Dripping<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut into[..1.min(self.0.len())])
        }
    }
    let (_, key) = key();
    assert_eq!(found(Dripping(format!("x\n{key}\n").as_bytes()), 2).len(), 1);
}

#[test]
fn leaves_binary_texts_out_unless_asked() {
    let (_, key) = key();
    let text = format!("\0{key}");
    let nothing = |_| panic!("it was read");
    assert_eq!(read(text.as_bytes(), false, 2, nothing).unwrap(), Text::Binary);
    let mut found = 0;
    assert_eq!(read(text.as_bytes(), true, 2, |_| found += 1).unwrap(), Text::Plain);
    assert_eq!(found, 1);
}
